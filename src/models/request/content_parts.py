"""Read the content parts of a message in any form that callers write."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.models.errors import InvalidRequest
from src.models.types import ImagePart, Part, RawPart, TextPart

# The `type` of parts other than texts and images that some provider accepts; they are sent unchanged.
_RAW_KINDS = frozenset(
    {"input_audio", "audio_url", "video_url", "file", "input_file", "document", "search_result", "container_upload"}
)
_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
# The signatures of image files. Providers refuse an image whose bytes are not of its declared type.
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


def read(content: object, parameter: str) -> str | tuple[Part, ...]:
    """Return the content of a message: its text, or its parts where there is more than text.

    Raises:
        InvalidRequest: it is neither, or has a part that cannot be read; the error names `parameter`.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, ImagePart | Path | bytes | bytearray) or _is_pillow_image(content):
        return (_part(content, parameter),)
    if isinstance(content, Sequence):
        parts = tuple(_part(item, parameter) for item in content)
        return parts if any(map(_is_marked, parts)) else joined(parts)
    raise InvalidRequest(
        f"{parameter} is {type(content).__name__}: give a text, or a list of texts and images.", parameter=parameter
    )


def joined(parts: tuple[Part, ...]) -> str | tuple[Part, ...]:
    """Return parts as one text where all of them are texts, else as they are."""
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def unmarked(content: str | tuple[Part, ...]) -> str | tuple[Part, ...]:
    """Return content without marks for a cache; the same object where it has none."""
    if isinstance(content, str) or not any(map(_is_marked, content)):
        return content
    return joined(tuple(TextPart(part.text) if isinstance(part, TextPart) else part for part in content))


def _is_marked(part: Part) -> bool:
    return isinstance(part, TextPart) and part.cache_control is not None


def as_mapping(item: object) -> object:
    """Return an SDK's record of a message or a part as a mapping; anything else unchanged."""
    dump = getattr(item, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) and not isinstance(item, type) else item


def _part(item: object, parameter: str) -> Part:
    part = as_mapping(item)
    if isinstance(part, ImagePart):
        return _with_actual_type(part)
    if isinstance(part, TextPart | RawPart):
        return part
    if isinstance(part, str):
        return TextPart(part)
    if isinstance(part, Path):
        return image_file(part)
    if isinstance(part, bytes | bytearray):
        return _image_of_bytes(bytes(part), parameter)
    if _is_pillow_image(part):
        return _pillow_image(part)
    mapped = _mapping_part(part) if isinstance(part, Mapping) else None
    if mapped is not None:
        return mapped
    raise InvalidRequest(
        f"{parameter} has a part that cannot be read: give a text, an ImagePart, an image's bytes or the Path of its "
        "file, an OpenAI-style or Anthropic-style part, or a RawPart in the provider's own words.",
        parameter=parameter,
    )


def _mapping_part(part: Mapping[str, Any]) -> Part | None:
    """Return a part in OpenAI's, Anthropic's or Gemini's form; None for any other."""
    kind, source = part.get("type"), part.get("source")
    if kind in ("text", "input_text", "output_text") or set(part) == {"text"}:
        mark = part.get("cache_control")
        return TextPart(str(part.get("text", "")), mark if isinstance(mark, Mapping) else None)
    if kind in ("image_url", "input_image"):
        url = part.get("image_url")
        address = url.get("url") if isinstance(url, Mapping) else url
        detail = (url if isinstance(url, Mapping) else part).get("detail")
        return replace(image_url(address), detail=detail) if isinstance(address, str) else None
    if kind == "image" and isinstance(source, Mapping):
        if source.get("type") == "url":
            return image_url(str(source.get("url")))
        if source.get("type") == "base64":
            return _with_actual_type(
                ImagePart(media_type=str(source.get("media_type", "image/png")), data=image_bytes(source.get("data")))
            )
        return RawPart(part)
    inline = part.get("inline_data") or part.get("inlineData")
    if isinstance(inline, Mapping):
        media_type = str(inline.get("mime_type") or inline.get("mimeType") or "image/png")
        if not media_type.startswith("image/"):
            return None
        return _with_actual_type(ImagePart(media_type=media_type, data=image_bytes(inline.get("data"))))
    return RawPart(part) if kind in _RAW_KINDS else None


def image_url(address: str) -> ImagePart:
    """Return an image at an address; a `data:` address is decoded.

    Raises:
        InvalidRequest: no provider can reach the address, or its data is broken.
    """
    if address.startswith("data:"):
        head, _, body = address[5:].partition(",")
        return _with_actual_type(ImagePart(media_type=head.partition(";")[0] or "image/png", data=image_bytes(body)))
    if not _SCHEME.match(address) or address.lower().startswith("file:"):
        raise InvalidRequest(
            f"{address!r:.80} is no address that a provider can reach: give a file as a pathlib.Path.",
            parameter="image",
        )
    return ImagePart(url=address)


def image_file(path: Path) -> ImagePart:
    """Return an image read from a file.

    Raises:
        InvalidRequest: the file cannot be read, or its suffix is that of no image type.
    """
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise InvalidRequest(f"{path} is not an image that models take: {', '.join(_MEDIA_TYPES)}.", parameter="image")
    try:
        return _with_actual_type(ImagePart(media_type=media_type, data=path.read_bytes()))
    except OSError as error:
        raise InvalidRequest(f"The image {path} cannot be read: {error.strerror}.", parameter="image") from error


def _media_type(data: bytes) -> str | None:
    return next((media_type for signature, media_type in _SIGNATURES if signature.match(data)), None)


def _with_actual_type(image: ImagePart) -> ImagePart:
    """Return an image with the media type that its bytes show, or with its address validated."""
    if image.data is None:
        return replace(image_url(image.url or ""), detail=image.detail)
    actual = _media_type(image.data)
    return replace(image, media_type=actual) if actual and actual != image.media_type else image


def _image_of_bytes(data: bytes, parameter: str) -> ImagePart:
    media_type = _media_type(data)
    if media_type is None:
        raise InvalidRequest(
            f"{parameter} has bytes that are no PNG, JPEG, GIF or WebP image: for another type give an ImagePart.",
            parameter=parameter,
        )
    return ImagePart(media_type=media_type, data=data)


def _is_pillow_image(item: object) -> bool:
    """Tell whether an object is an image of Pillow's, or can be used like one."""
    return callable(getattr(item, "save", None)) and hasattr(item, "size") and hasattr(item, "mode")


def _pillow_image(image: Any) -> ImagePart:
    """Return an image of Pillow's, encoded losslessly as PNG."""
    file = io.BytesIO()
    try:
        image.save(file, format="PNG")
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"An image cannot be written as PNG: {error}.", parameter="image") from error
    return ImagePart(media_type="image/png", data=file.getvalue())


def image_bytes(data: object) -> bytes:
    """Return an image's bytes from bytes or base64.

    Raises:
        InvalidRequest: the data is empty, or neither of the two.
    """
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    try:
        image = base64.b64decode("".join(str(data or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"An image's base64 data is broken: {error}.", parameter="image") from error
    if not image:
        raise InvalidRequest("An image has no data.", parameter="image")
    return image
