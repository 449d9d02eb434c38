"""The views: each asks the API for what a page shows, and names the template; no rights, no SQL."""
