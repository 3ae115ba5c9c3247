"""Run the embedded model in this process."""
