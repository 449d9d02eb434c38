"""The search index and the order of copies: words, queries, full text; knows no mailbox."""
