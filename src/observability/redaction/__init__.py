"""Hold the parts of redaction; only src.observability.redaction is public."""
