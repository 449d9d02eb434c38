"""DNS queries, and the check of a domain's records; knows no tenant."""
