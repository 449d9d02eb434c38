"""One SMTP or LMTP conversation: commands, replies, content; knows no listening socket."""
