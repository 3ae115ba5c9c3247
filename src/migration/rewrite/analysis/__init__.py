"""Static analysis of a module: syntax tree, bindings, values and reaching definitions."""
