"""What a thread page is made of: time line, text, frame, reply, undo. Pure: it asks nobody."""
