"""Add to the installed openai SDK the module-level API of versions before 1, for programs written against it.

The old SDK cannot be installed beside the new one. This follows its documentation and its error handling: a reply is a
dictionary whose keys can be read as attributes, and an error's class follows from the status: 429 RateLimitError; 400,
404 and 415 InvalidRequestError; 401 AuthenticationError; 403 PermissionError; 409 TryAgain; 503
ServiceUnavailableError; any other status, and a reply that is no JSON, APIError, which is not a base of the others.
Without a key, and where `openai.api_key` is set to None, a call raises AuthenticationError and asks nothing; without a
model InvalidRequestError.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import types
from typing import TYPE_CHECKING, Any

import openai
import requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


class OpenAIError(Exception):
    """The base of the old SDK's errors, with their attributes."""

    def __init__(self, message: str = "", http_status: int | None = None) -> None:
        super().__init__(message)
        self.user_message, self.http_status = message, http_status


_BY_STATUS = {429: "RateLimitError", 400: "InvalidRequestError", 404: "InvalidRequestError", 401: "AuthenticationError",
              415: "InvalidRequestError", 403: "PermissionError", 409: "TryAgain",
              503: "ServiceUnavailableError"}  # fmt: skip
ERRORS = {
    name: type(name, (OpenAIError,), {"__module__": "openai.error"})
    for name in (*dict.fromkeys(_BY_STATUS.values()), "APIError", "APIConnectionError", "Timeout")
}


class OpenAIObject(dict[str, Any]):
    """A reply: a dictionary whose keys can be read as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class ChatCompletion:
    """The class whose methods are the old SDK's chat calls."""

    @staticmethod
    def create(*, request_timeout: float | None = None, **body: Any) -> Any:
        engine = body.pop("engine", None)
        if body.setdefault("model", engine) is None:
            raise ERRORS["InvalidRequestError"]("Must provide an 'engine' or 'model' parameter to create a completion")
        key = body.pop("api_key", None) or _key_of_module()
        base = body.pop("api_base", None) or getattr(openai, "api_base", None) or "https://api.openai.com/v1"
        headers = {"Authorization": f"Bearer {key}"}
        try:
            response = requests.post(
                f"{base}/chat/completions", json=body, headers=headers, timeout=request_timeout or 600
            )
        except requests.Timeout as error:
            raise ERRORS["Timeout"](f"Request timed out: {error}") from error
        except requests.RequestException as error:
            raise ERRORS["APIConnectionError"](f"Error communicating with OpenAI: {error}") from error
        if response.status_code >= 400:
            kind = ERRORS[_BY_STATUS.get(response.status_code, "APIError")]
            raise kind(f"the provider said {response.status_code}", response.status_code)
        return _chunks(response.text) if body.get("stream") else _object(response.text)

    @staticmethod
    async def acreate(**body: Any) -> Any:
        reply = await asyncio.to_thread(ChatCompletion.create, **body)
        return _later(reply) if body.get("stream") else reply


class _Module(types.ModuleType):
    """The SDK's module, which knows whether a program has set its key, to None too."""

    sets_key = False

    def __setattr__(self, name: str, value: object) -> None:
        if name == "api_key":
            super().__setattr__("sets_key", True)
        super().__setattr__(name, value)


def _key_of_module() -> Any:
    """Return the key of the module, which has the variable's value until a program sets another."""
    module: Any = openai
    key = module.api_key if module.sets_key else os.environ.get("OPENAI_API_KEY")
    if key is None:
        raise ERRORS["AuthenticationError"]("No API key provided. You can set your API key in code")
    return key


def _object(text: str) -> Any:
    try:
        return json.loads(text, object_hook=OpenAIObject)
    except ValueError as error:
        raise ERRORS["APIError"]("HTTP code 200 from API, which is no JSON", 200) from error


def _chunks(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            yield _object(data)


async def _later(chunks: Iterator[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def export_errors(folder: Path) -> None:
    """Give a program for the old SDK the errors that are names of the module too; version 1 has others under them."""
    if any("ChatCompletion" in path.read_text(encoding="utf-8") for path in folder.glob("*.py")):
        exported = {name: ERRORS[name] for name in ("APIError", "InvalidRequestError")}
        openai.__dict__.update(exported, OpenAIError=OpenAIError)


def install() -> None:
    """Put the old API into the SDK's module."""
    error: Any = types.ModuleType("openai.error")
    error.__dict__.update(ERRORS, OpenAIError=OpenAIError)
    sys.modules["openai.error"] = error
    openai.__class__ = _Module
    openai.__dict__.update(error=error, ChatCompletion=ChatCompletion, api_base=None)
