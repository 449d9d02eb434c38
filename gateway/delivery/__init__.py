"""From a session to the commit."""
