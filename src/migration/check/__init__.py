"""Find code that calls a provider without the factory."""
