"""The agents' prompts, as text files."""

from src.agents.prompts.texts import prompt

__all__ = ["prompt"]
