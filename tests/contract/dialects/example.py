"""Speak as a provider that is a table row and nothing else."""

from tests.contract.dialects.chat import ChatDialect as Dialect

__all__ = ["Dialect"]
