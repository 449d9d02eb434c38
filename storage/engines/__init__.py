"""Database engines: opening the store, its one writer, durability; the only user of drivers."""
