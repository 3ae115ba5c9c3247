"""Price usage: look rates up and sort tokens into the buckets that they apply to."""
