"""What a page is told while it is open."""
