"""Letters that leave: their queue, attempts and recipients. It knows no SMTP and no notes."""
