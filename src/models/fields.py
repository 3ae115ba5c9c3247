"""Read fields of replies, whether they are an SDK's objects or plain JSON."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from src.models.errors import EmptyResponse, MalformedResponse

if TYPE_CHECKING:
    from src.models.types import ImagePart

_NOT_PYDANTIC: Final = object()
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_MAX_COUNT: Final = 10**15
_NO_EVENT: Final = ("data:", "data:[DONE]")
_LONGEST_BLANK: Final = 2000  # a server sends comments while it waits
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


def field(value: Any, name: str) -> Any:
    """Return a field; None where it is missing."""
    if type(value) is dict:  # of nearly all replies
        return value.get(name)
    if value is None:
        return None
    if isinstance(value, dict):
        return value.get(name)
    extra: Any = getattr(value, "__pydantic_extra__", _NOT_PYDANTIC)
    if extra is _NOT_PYDANTIC:
        return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    # An SDK's record is a Pydantic model, whose `__getattr__` is slow for a name that it lacks.
    attributes = value.__dict__
    return attributes[name] if name in attributes else extra.get(name) if extra else None


def count(value: Any, name: str) -> int | None:
    """Return a field that holds a count, as a number or as digits; None where it is missing or no count."""
    number = value.get(name) if type(value) is dict else field(value, name)
    if number is None:
        return None
    if type(number) is int:
        return number if 0 <= number < _MAX_COUNT else None
    if isinstance(number, str):
        return int(number) if _DIGITS.fullmatch(number) else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < _MAX_COUNT:
        return None
    return int(number)


def miscount(value: Any, names: frozenset[str]) -> str | None:
    """Return which of these fields holds no count, and what it holds; None where all are counts or missing."""
    if value is None:
        return None
    present = value.items() if isinstance(value, dict) else ((name, field(value, name)) for name in names)
    for name, number in present:
        if type(number) is int and 0 <= number < _MAX_COUNT:
            continue
        if number is not None and name in names and _is_no_count(number):
            return f"{name} is {number!r:.40}"
    return None


def _is_no_count(number: Any) -> bool:
    return count({"": number}, "") is None or (isinstance(number, float) and not number.is_integer())


def text(value: Any, name: str) -> str:
    """Return a field that holds a text; an empty one where it is missing or no text."""
    value = value.get(name) if type(value) is dict else field(value, name)
    return value if isinstance(value, str) else ""


def is_blank(body: str | bytes) -> bool:
    """Tell whether a reply's body is empty: white space only, or a stream that ends without an event."""
    if len(body) > _LONGEST_BLANK:
        return False
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return all(not line or line.startswith(":") or line.replace(" ", "") in _NO_EVENT for line in lines)


def decode_json(raw: Any) -> Any:
    """Return a reply decoded, where the SDK returned its text because its content type is not JSON.

    Raises:
        EmptyResponse: the text is blank.
        MalformedResponse: the text is not JSON.
    """
    if not isinstance(raw, str):
        return raw
    if is_blank(raw):
        raise EmptyResponse("the reply has no body")
    try:
        return json.loads(raw.removeprefix("\ufeff"))
    except ValueError as error:
        is_page = raw.lstrip()[:1] == "<"
        content = "a web page: is the base URL that of the API?" if is_page else f"{raw[:80]!r}"
        raise MalformedResponse(f"the reply is no JSON but {content}") from error


def data_url(image: ImagePart) -> str:
    """Return an image's URL: its own, or a `data:` URL with its bytes."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def snake_case(value: Any) -> Any:
    """Return Gemini's JSON with its field names in snake case, as its SDKs spell them; a tool's arguments stay."""
    if isinstance(value, list):
        return [snake_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _CAPITAL.sub(lambda match: f"_{match[1].lower()}", name): item if name == "args" else snake_case(item)
        for name, item in value.items()
    }
