"""Shared parts of all commands: options, output, faults, access to the store."""
