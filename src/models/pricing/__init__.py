"""Turn usage into money."""
