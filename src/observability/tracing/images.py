"""Show images in a generation's input."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

_LARGEST_IMAGE: Final = 5_000_000  # bytes; a larger one is stored as its hash in any case


def image(media_type: str, data: bytes) -> dict[str, Any]:
    """Return what is stored of an image of a request."""
    from src.observability.current import get_pipeline

    if get_pipeline().settings.images == "whole" and len(data) <= _LARGEST_IMAGE:
        address = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": address}}
    return {"type": "image", "media_type": media_type, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
