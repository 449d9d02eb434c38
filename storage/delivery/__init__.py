"""The delivery transaction, which stores a message and its copies; knows no session."""
