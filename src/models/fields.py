"""Read fields of an SDK's objects and of plain JSON alike."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from src.models.errors import MalformedResponse

if TYPE_CHECKING:
    from src.models.types import ImagePart


_NO_MODEL: Final = object()
_DIGITS = re.compile(r"[0-9]{1,15}")
_MOST: Final = 10**15
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


def field(value: Any, name: str) -> Any:
    """Return a field, None where it is not there."""
    if value is None:
        return None
    if isinstance(value, dict):
        return value.get(name)
    extra: Any = getattr(value, "__pydantic_extra__", _NO_MODEL)
    if extra is _NO_MODEL:
        return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    # An SDK's record is a Pydantic model. Asking it for a name that it lacks costs more than all else here.
    inside = value.__dict__
    return inside[name] if name in inside else extra.get(name) if extra else None


def count(value: Any, name: str) -> int | None:
    """Return a field that counts something, a number or its digits; what is no count is unknown."""
    found = field(value, name)
    if isinstance(found, str):
        return int(found) if _DIGITS.fullmatch(found) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < _MOST:
        return None
    return int(found)


def text(value: Any, name: str) -> str:
    """Return a field that is a text; what is none is empty."""
    found = field(value, name)
    return found if isinstance(found, str) else ""


def decode_json(raw: Any) -> Any:
    """Return a reply that an SDK hands over as text, because its content type does not say JSON, as what it holds.

    Raises:
        MalformedResponse: it is no JSON.
    """
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw.removeprefix("\ufeff"))
    except ValueError as error:
        page = raw.lstrip()[:1] == "<"
        what = "a web page: is the base URL that of the API?" if page else f"{raw[:80]!r}"
        raise MalformedResponse(f"the reply is no JSON but {what}") from error


def data_url(image: ImagePart) -> str:
    """Return an image's address, its data in it where it has no other."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def snake_case(value: Any) -> Any:
    """Return Gemini's JSON with its names as its SDKs spell them; a tool's arguments keep theirs."""
    if isinstance(value, list):
        return [snake_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        _CAPITAL.sub(lambda found: f"_{found[1].lower()}", name): one if name == "args" else snake_case(one)
        for name, one in value.items()
    }
