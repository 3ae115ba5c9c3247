"""Look for a key as the old google-generativeai does: at the first call, and after it for default credentials."""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from src.models.compat import sdks
from src.models.errors import ModelUnavailable
from src.observability import redaction

NAME: Final = "DefaultCredentialsError"  # of google.auth, which the old SDK raises where it finds neither
REMEDY: Final = "gemini is not set up: set GEMINI_API_KEY, or say api_key. Nothing was sent"


def key_by_now() -> str | None:
    """Return the key of the environment as it is now."""
    names = sdks.SDKS["google.generativeai"].keys
    key = next((value for name in names if (value := os.environ.get(name))), None)
    if key is not None:
        redaction.learn(key)
    return key


def error() -> BaseException:
    """Return what the old SDK raises without a key, where it is not installed itself."""
    try:
        return importlib.import_module("google.auth.exceptions").DefaultCredentialsError(REMEDY)  # type: ignore[no-any-return] # an exception
    except ImportError:
        return ModelUnavailable(REMEDY, provider="gemini")


def default_client(name: str, key: str | None, address: str) -> Any:
    """Return one of the old SDK's clients, made by itself: with a key, or else with Google's default credentials.

    Args:
        name: `generative` or `model`.
        key: The key; None to look for credentials, which asks Google's metadata server.
        address: The provider's address.

    Raises:
        google.auth.exceptions.DefaultCredentialsError: there are none; its text is the SDK's.
    """
    manager = importlib.import_module("google.generativeai.client")._ClientManager()
    manager.configure(transport="rest", client_options={"api_key": key, "api_endpoint": address})
    return manager.make_client(name)
