"""Turn a caller's arguments into one validated ModelRequest."""
