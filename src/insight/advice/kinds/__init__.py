"""The kinds of advice, one module each."""
