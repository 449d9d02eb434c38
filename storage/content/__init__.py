"""Message bytes: where they lie, how a part of them is decoded."""
