"""Move existing agents onto the factory, and keep them there."""
