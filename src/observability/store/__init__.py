"""Keep observations durably in a local SQLite file."""
