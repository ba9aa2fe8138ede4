"""What one would use, or write, instead."""
