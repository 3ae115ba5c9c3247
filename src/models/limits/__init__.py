"""Keep to rate limits: the user's own, and those that providers report."""
