"""What happened: written, catalogued, read by audience."""
