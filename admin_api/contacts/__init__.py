"""Cards, shares, relationships, activity."""
