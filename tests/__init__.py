"""Facts about Postroom, shown on real sockets and a real store."""
