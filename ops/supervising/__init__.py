"""What the supervisor of Litestream is made of: its binary, its configuration, its child and how to talk to it."""
