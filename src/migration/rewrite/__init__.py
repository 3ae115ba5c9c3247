"""Rewrite direct SDK calls as calls of the factory."""
