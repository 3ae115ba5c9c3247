"""Apply the planned edits to a module and check the result."""
