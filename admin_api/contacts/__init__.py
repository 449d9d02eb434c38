"""API of contacts: cards, shares, relationships, activity."""
