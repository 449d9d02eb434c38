"""Threads, notes, assignment, handoff, tasks, templates."""
