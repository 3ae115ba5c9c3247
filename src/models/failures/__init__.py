"""Classify the failures of providers as ModelErrors."""
