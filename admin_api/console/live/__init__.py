"""The stream by which an open page hears of changes."""
