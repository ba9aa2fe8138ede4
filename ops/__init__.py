"""What starts, watches and mends a server."""
