"""Where Starlette ends: sockets and requests in, calls to a session out."""
