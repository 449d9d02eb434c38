"""Work after the commit."""
