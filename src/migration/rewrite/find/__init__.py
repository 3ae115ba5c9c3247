"""Find a module's SDK clients, calls and raw HTTP requests."""
