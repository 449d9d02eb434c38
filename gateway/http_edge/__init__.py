"""HTTP connections and their limits; knows no call."""
