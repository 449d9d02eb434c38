"""What black-box tests share: a server process, a raw SMTP client, a mailbox reader, /proc."""
