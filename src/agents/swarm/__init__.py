"""Ask many models the same question at once, and let them vote."""
