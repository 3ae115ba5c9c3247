"""Adapters, one module for each provider protocol. Only the factory imports them."""
