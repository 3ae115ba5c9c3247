"""Prompts: named, versioned by what they say, from files or from Langfuse's prompt management."""

from src.prompts.lookup import asks_langfuse, get_prompt
from src.prompts.records import BoundPrompt, Prompt, PromptError, PromptMissing, config_temperature, text_prompt

__all__ = [
    "BoundPrompt",
    "Prompt",
    "PromptError",
    "PromptMissing",
    "asks_langfuse",
    "config_temperature",
    "get_prompt",
    "text_prompt",
]
