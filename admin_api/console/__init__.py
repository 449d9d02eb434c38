"""The page for people under /console/: made of the API's calls, without rights of its own."""
