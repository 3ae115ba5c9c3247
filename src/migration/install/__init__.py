"""Put this package into an existing checkout, and take it out again."""
