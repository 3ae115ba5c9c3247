"""Analyse a module: its syntax tree, bindings, values and which assignment reaches which read."""
