"""The HTTP edge: routes, access, payloads and problem documents; it knows no SMTP."""
