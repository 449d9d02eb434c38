"""Letters on the page: those of agents that a person approves."""
