"""Sockets, limits, all connections of a process."""
