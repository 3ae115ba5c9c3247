"""Read and write Anthropic's Messages."""
