"""Below SMTP: where a connection comes from, PROXY headers, TLS records; knows no command."""
