"""What the process lends to all calls."""
