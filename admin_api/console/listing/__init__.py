"""The list of threads in the page, without the API: its views, its acts, what its search offers."""
