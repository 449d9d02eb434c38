"""The event log: catalogue of types, recording, reading by audience; sends nothing."""
