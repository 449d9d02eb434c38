"""PostgreSQL servers: which one of several, a pooler in front, errors. Knows no table of ours."""
