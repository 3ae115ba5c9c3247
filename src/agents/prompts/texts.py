"""Read the agents' prompts: the text files of this folder, unless the user has prompts of these names."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from src.models.transport.threads import in_thread
from src.prompts import asks_langfuse, get_prompt, text_prompt

if TYPE_CHECKING:
    from src.prompts import Prompt

BUILT_IN: Final = ("trading", "risk")


def agent_prompt(name: str) -> Prompt:
    """Return the version of an agent's prompt that is in use: the user's own, else the built-in one.

    Raises:
        PromptError: the user's own cannot be used, or Langfuse does not answer and there is no copy.
    """
    return get_prompt(name, default=built_in(name))


async def aagent_prompt(name: str) -> Prompt:
    """Do what `agent_prompt` does without holding up the event loop, should a server be waited for."""
    return await in_thread(lambda: agent_prompt(name)) if asks_langfuse() else agent_prompt(name)


@cache
def built_in(name: str) -> Prompt:
    """Return the prompt in `name`.md, byte for byte but for the newline at its end.

    Raises:
        FileNotFoundError: there is no such prompt.
    """
    text = (resources.files(__package__) / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")
    return text_prompt(name, text, place="built in")
