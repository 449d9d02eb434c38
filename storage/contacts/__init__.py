"""An inbox's book of cards, and whom it hears from."""
