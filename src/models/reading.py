"""Read fields of an SDK's objects and of plain JSON alike."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.models.types import ImagePart


def field(value: Any, name: str) -> Any:
    """Return a field, None where it is not there."""
    if value is None:
        return None
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def count(value: Any, name: str) -> int | None:
    """Return a field that counts something; what is no count is unknown."""
    found = field(value, name)
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return None
    return int(found)


def data_url(image: ImagePart) -> str:
    """Return an image's address, its data in it where it has no other."""
    if image.data is None:
        return image.url or ""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
