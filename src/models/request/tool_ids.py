"""Make ids for the tool calls of providers that give none."""

from __future__ import annotations

import os


def new() -> str:
    """Return an id that no other call has, in this conversation or in another.

    It is in OpenAI's form, which every provider takes, so that a conversation may go on with another model.
    """
    return f"call_{os.urandom(12).hex()}"
