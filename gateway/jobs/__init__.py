"""Jobs of the main process after the commit: parsing, fan-out, relationships, retention."""
