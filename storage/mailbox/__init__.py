"""Mail at rest: copies, parse results, search, visibility, grants; knows no thread list."""
