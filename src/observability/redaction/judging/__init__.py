"""The evidence that decides whether matched text is a secret."""
