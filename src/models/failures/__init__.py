"""Classify failures of providers as ModelErrors."""
