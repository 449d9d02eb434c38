"""SMTP dialogues as data, and the test that plays them."""
