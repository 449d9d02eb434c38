"""Mail processes and what passes between them."""
