"""Letters that leave: composed, queued, cancelled and retried. Its composer knows no store."""
