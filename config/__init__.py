"""Settings and logging, which every other package may use; imports none of them."""
