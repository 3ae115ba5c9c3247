"""Read and write OpenAI's Chat Completions."""
