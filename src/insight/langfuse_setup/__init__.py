"""Create in a Langfuse project what its API lets a client create: score configs, a dashboard, datasets."""
