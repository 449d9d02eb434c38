"""The format of messages: header fields, charsets, encodings, MIME parts; knows no store."""
