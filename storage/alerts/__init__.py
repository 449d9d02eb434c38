"""What an inbox wants to be told; the rows only."""
