"""PostgreSQL servers: hosts, poolers, errors, transactions, hints. Knows no table of ours."""
