"""What the tests stand on: the real server as a subprocess, raw clients, a stand-in to prove them by."""
