"""Recognise kinds of secrets, one module for each kind."""
