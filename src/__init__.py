"""Traced language-model calls and trading agents: the import root."""
