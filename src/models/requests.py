"""Turn a caller's arguments into one validated request, or say what is wrong with them."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

from src.models.errors import InvalidRequest
from src.models.structured import response_format
from src.models.types import ImagePart, Message, ModelRequest, Part, RawPart, Role, TextPart, Timeouts, ToolCall

ROLES = ("system", "user", "assistant", "tool")
_ROLE_ALIASES = {
    "developer": "system",
    "model": "assistant",
    "function": "tool",
    "human": "user",
    "ai": "assistant",
}
# Parts of other kinds that are known: they go as they are to the providers that take them.
_RAW_KINDS = frozenset(
    {"input_audio", "audio_url", "video_url", "file", "input_file", "document", "search_result", "container_upload"}
)
_MEDIA = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_ALIASES = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
}


def prompt_messages(system_prompt: object, user_content: object) -> tuple[Message, ...]:
    """Return the messages of a single question; a system prompt of None sends none.

    Raises:
        InvalidRequest: either is not a text (or, for the user, a list of texts and images).
    """
    if system_prompt is not None and not isinstance(system_prompt, str):
        raise InvalidRequest(f"system_prompt is {type(system_prompt).__name__}, not a text.", parameter="system_prompt")
    user = Message("user", _content(user_content, "user_content"))
    if not user.content:
        raise InvalidRequest("user_content is empty: there is nothing to ask.", parameter="user_content")
    return (Message("system", system_prompt), user) if system_prompt is not None else (user,)


def chat_messages(messages: object) -> tuple[Message, ...]:
    """Return the messages of a conversation, given as Message records or as OpenAI-style dictionaries.

    Raises:
        InvalidRequest: there are none, or one cannot be read; the error names its position.
    """
    if isinstance(messages, str):
        return prompt_messages(None, messages)
    if not isinstance(messages, Iterable) or isinstance(messages, Mapping):
        raise InvalidRequest(f"messages is {type(messages).__name__}, not a list of messages.", parameter="messages")
    found = tuple(_message(item, position) for position, item in enumerate(messages))
    if not found:
        raise InvalidRequest("messages is empty: there is nothing to ask.", parameter="messages")
    return found


def _message(item: object, position: int) -> Message:
    where = f"messages[{position}]"
    if isinstance(item, Message):
        return item
    if not isinstance(item, Mapping):
        item = _dumped(item, where)
    given = str(item.get("role", ""))
    role = _ROLE_ALIASES.get(given, given)
    if role not in ROLES:
        raise InvalidRequest(f"{where} has the role {given!r}; known are {', '.join(ROLES)}.", parameter=where)
    content = item.get("content")
    return Message(
        role=cast("Role", role),
        content="" if content is None else _content(content, where),
        tool_calls=tuple(_tool_call(call, where) for call in item.get("tool_calls") or ()),
        tool_call_id=item.get("tool_call_id"),
        name=item.get("name"),
        reasoning=item.get("reasoning_content") or item.get("reasoning"),
    )


def _dumped(item: object, where: str) -> Mapping[str, Any]:
    """Read an SDK's own message object, as code that appends a reply to its history has it."""
    dump = getattr(item, "model_dump", None)
    if callable(dump):
        return cast("Mapping[str, Any]", dump(exclude_none=True))
    raise InvalidRequest(f"{where} is {type(item).__name__}, not a message.", parameter=where)


def _tool_call(call: Any, where: str) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    try:
        function = call["function"]
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return ToolCall(str(call.get("id", "")), function["name"], text)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{where} has a tool call that cannot be read: {error!r}.", parameter=where) from error


def _content(content: object, where: str) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    if isinstance(content, ImagePart | Path):
        return (_part(content, where),)
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        parts = tuple(_part(part, where) for part in content)
        if all(isinstance(part, TextPart) for part in parts):
            return "\n".join(part.text for part in parts if isinstance(part, TextPart))
        return parts
    raise InvalidRequest(
        f"{where} is {type(content).__name__}: give a text, or a list of texts and images.", parameter=where
    )


def _part(part: object, where: str) -> Part:
    if isinstance(part, TextPart | ImagePart | RawPart):
        return part
    if isinstance(part, str):
        return TextPart(part)
    if isinstance(part, Path):
        return image_file(part)
    if isinstance(part, Mapping):
        found = _mapping_part(part)
        if found is not None:
            return found
    raise InvalidRequest(
        f"{where} has a part that cannot be read: give a text, an ImagePart, a Path to an image, "
        "an OpenAI-style part, or a RawPart in the provider's own words.",
        parameter=where,
    )


def _mapping_part(part: Mapping[str, Any]) -> Part | None:
    """Read a part as OpenAI or Anthropic spell it."""
    if part.get("type") in ("text", "input_text") or set(part) == {"text"}:
        return TextPart(str(part.get("text", "")))
    if part.get("type") in ("image_url", "input_image"):
        url = part.get("image_url")
        address = url.get("url") if isinstance(url, Mapping) else url
        detail = (url if isinstance(url, Mapping) else part).get("detail")
        return replace(image_url(address), detail=detail) if isinstance(address, str) else None
    source = part.get("source")
    if part.get("type") == "image" and isinstance(source, Mapping):
        if source.get("type") == "url":
            return image_url(str(source.get("url")))
        return ImagePart(str(source.get("media_type", "image/png")), _decoded(str(source.get("data", ""))))
    return RawPart(part) if part.get("type") in _RAW_KINDS else None


def image_url(address: str) -> ImagePart:
    """Return an image at an address; a `data:` address is decoded."""
    if not address.startswith("data:"):
        return ImagePart(url=address)
    head, _, body = address[5:].partition(",")
    return ImagePart(head.partition(";")[0] or "image/png", _decoded(body))


def image_file(path: Path) -> ImagePart:
    """Return an image read from a file.

    Raises:
        InvalidRequest: the file cannot be read, or its ending names no image type.
    """
    media_type = _MEDIA.get(path.suffix.lower())
    if media_type is None:
        raise InvalidRequest(f"{path} is not an image that models take: {', '.join(_MEDIA)}.", parameter="image")
    try:
        return ImagePart(media_type, path.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"The image {path} cannot be read: {error.strerror}.", parameter="image") from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"An image's base64 data is broken: {error}.", parameter="image") from error


def build(model: str, messages: tuple[Message, ...], timeouts: Timeouts, arguments: Mapping[str, Any]) -> ModelRequest:
    """Return the request for these messages and options. Options that we do not know go to the provider as they are.

    Raises:
        InvalidRequest: an option has a value that cannot be meant; `parameter` names it.
    """
    given = {_ALIASES.get(name, name): value for name, value in arguments.items() if value is not None}
    given.pop("stream", None)
    known = {name: given.pop(name) for name in _CHECKS if name in given}
    checked = {name: _CHECKS[name](name, value) for name, value in known.items()}
    wanted = response_format(given.pop("response_format", None))
    limits = _timeouts(timeouts, given)
    extra = given.pop("options", None) or {}
    return ModelRequest(
        model=model,
        messages=messages,
        timeouts=limits,
        response_format=wanted,
        options={**given, **extra},
        **checked,
    )


def _timeouts(default: Timeouts, given: dict[str, Any]) -> Timeouts:
    """Take `timeout` (a number of seconds for the whole call, or Timeouts) out of the options."""
    asked = given.pop("timeout", None)
    if asked is None:
        asked = given.pop("timeout_s", None)
    if asked is None:
        return default
    if isinstance(asked, Timeouts):
        return asked
    seconds = _number("timeout", asked)
    if seconds <= 0:
        raise InvalidRequest(f"timeout is {asked!r}: give seconds above 0.", parameter="timeout")
    return replace(default, total=seconds, read=min(default.read, seconds), connect=min(default.connect, seconds))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidRequest(f"{name} is {value!r}, not a number.", parameter=name)
    return float(value)


def _temperature(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 2:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 2.", parameter=name)
    return number


def _share(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 1.", parameter=name)
    return number


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(f"{name} is {value!r}, not a whole number above 0.", parameter=name)
    return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{name} is {value!r}, not a whole number.", parameter=name)
    return value


def _stop(name: str, value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        raise InvalidRequest(f"{name} is {value!r:.60}: give a text or a list of texts.", parameter=name)
    return tuple(texts)


def _word(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{name} is {value!r:.60}, not a word.", parameter=name)
    return value


def _tools(name: str, value: object) -> tuple[Mapping[str, object], ...]:
    if not isinstance(value, Sequence) or not all(isinstance(tool, Mapping) for tool in value):
        raise InvalidRequest(f"{name} is {value!r:.60}: give a list of tool definitions.", parameter=name)
    return tuple(value)


def _as_given(name: str, value: object) -> object:  # noqa: ARG001 - one shape for all checks
    return value


_CHECKS: dict[str, Any] = {
    "temperature": _temperature,
    "max_tokens": _count,
    "top_p": _share,
    "stop": _stop,
    "seed": _whole,
    "reasoning_effort": _word,
    "tools": _tools,
    "tool_choice": _as_given,
}
assert set(_CHECKS) <= {item.name for item in fields(ModelRequest)}  # noqa: S101 - a slip here would lose an option
