"""Judge whether a matched text is a secret."""
