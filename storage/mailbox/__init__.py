"""Mail at rest: copies, parse results, search, who sees what."""
