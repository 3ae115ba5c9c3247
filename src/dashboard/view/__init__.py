"""Pages as data: figures, tables, charts, filters, and how values read."""
