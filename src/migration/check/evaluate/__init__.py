"""Evaluate names, constants and objects of a module as far as the check needs them."""
