"""Letters on the page: the composer, and those of agents that a person approves."""
