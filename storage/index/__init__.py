"""Words, queries, full-text index, the order of copies; knows no mailbox."""
