"""Backups: made beside a running server, restored into an empty place; knows no command line."""
