"""Listening sockets, connection limits, and all connections of a process."""
