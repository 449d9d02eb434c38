"""The mail path from outside: a running `postroom`, real sockets, real programs."""
