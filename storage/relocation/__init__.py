"""Moving a whole store to another place or engine; knows no mailbox and no job."""
