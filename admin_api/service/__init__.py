"""Services of the process for all calls: event feed, rate limits, metrics, ports."""
