"""Join Langfuse's own SDK, so that its observations are stored and delivered as ours are."""
