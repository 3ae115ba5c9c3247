"""Encode images of a generation's input."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

_LARGEST_BYTES: Final = 5_000_000  # a larger image is always stored as its hash


def image(media_type: str, data: bytes) -> dict[str, Any]:
    """Return what is stored of an image: its size and hash, or the data where MOONDEV_IMAGES is whole."""
    from src.observability.current import get_pipeline

    if get_pipeline().settings.images == "whole" and len(data) <= _LARGEST_BYTES:
        address = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": address}}
    return {"type": "image", "media_type": media_type, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
