"""Teamwork on mail: threads, notes, assignment, tasks, templates; knows no webhook."""
