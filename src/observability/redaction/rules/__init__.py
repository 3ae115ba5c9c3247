"""The rules that find secrets, one module for each kind of secret."""
