"""Join with Langfuse's own SDK, so that what it observes comes to our store."""
