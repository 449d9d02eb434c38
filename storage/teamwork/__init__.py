"""Threads, notes, assignment, tasks, templates."""
