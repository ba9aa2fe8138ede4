"""What the safety net costs and how fast it is: replication, replicated acks, restores, drills."""
