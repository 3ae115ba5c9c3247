"""The edits of a module that follow from its plan."""
