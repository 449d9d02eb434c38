"""The long versions, run by `make soak`."""
