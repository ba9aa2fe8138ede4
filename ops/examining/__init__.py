"""What the doctor looks at: the place, each database from inside, the replica, the upkeep and the running server."""
