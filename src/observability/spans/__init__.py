"""Make, process and encode spans."""
