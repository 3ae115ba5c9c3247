"""Analyse what the files of a project share: clients, set-up and error types."""
