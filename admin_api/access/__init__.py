"""Access control: credentials, access rules, passwords; knows no resource."""
