"""Keep to rate limits: those that the user sets and those that providers report."""
