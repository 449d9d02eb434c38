"""Message content: stored bytes, MIME parts, transfer encodings, charsets; knows no inbox."""
