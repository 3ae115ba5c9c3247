"""Give people commands over what is traced: `python -m src.observability`, and parts of `moondev`."""
