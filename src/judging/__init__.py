"""Hold decisions against the market: outcomes, accuracy, back-tests."""
