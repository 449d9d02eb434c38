"""Checks of the sender: SPF, DKIM, DMARC, ARC; pure, the DNS is handed in. Knows no store."""
