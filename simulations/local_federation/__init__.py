"""A federation of separate processes on this machine, founded and run by the commands that operators type."""
