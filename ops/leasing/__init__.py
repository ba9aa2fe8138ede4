"""The lease: one machine at a time copies to a place, and one that lost it stops."""
