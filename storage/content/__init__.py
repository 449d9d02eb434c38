"""Stored bytes of messages: files, pieces in the database, objects; knows no inbox."""
