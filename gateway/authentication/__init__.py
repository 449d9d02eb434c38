"""Who really wrote a message: SPF, DKIM, DMARC, ARC; pure, the DNS is handed in. Knows no store."""
