"""The mail gateway: SMTP, delivery, jobs, and the wiring of the process."""
