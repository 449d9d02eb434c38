"""The parts of a thread page: time line, text, frame, reply, undo. Pure: it asks nobody."""
