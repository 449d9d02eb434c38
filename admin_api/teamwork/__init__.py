"""API of team work on mail: threads, notes, assignment, handoff, tasks, templates."""
