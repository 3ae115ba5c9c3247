"""The commands over traces: `python -m src.observability`, and parts of `moondev`."""
