"""Open observations: agent runs, generations, traced functions."""
