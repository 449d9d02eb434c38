"""The command line: every command, its JSON, its faults, alone and beside a running server."""
