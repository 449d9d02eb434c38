"""Checks of who wrote a message: queue, results, consequences; knows no DNS and no SMTP."""
