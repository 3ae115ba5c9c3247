"""Decide how much of a call is stored: its texts, redacted or as they are, and the data of its images.

MOONDEV_CAPTURE sets how texts are stored (redacted, full or metadata) and MOONDEV_IMAGES how images are: `hash` stores
size and SHA-256, `whole` the data too. Our own configured secrets are never stored, whatever the settings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.observability.attributes import METADATA, PROMPT_VARIABLES, TEXTS
from src.observability.redaction import hide_own, redact_text
from src.observability.spans.clean_attributes import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.observability.settings import Settings

SHORTEST_FILE: Final = 4096  # base64 digits; a shorter image is an icon at most
# Searching a long prompt takes 0.3 ms, so a cheap test comes first: in so long a run of base64 digits each 128th
# character is one too.
_STEP: Final = 128
_RUN: Final = re.compile(rf"[A-Za-z0-9+/_=-]{{{SHORTEST_FILE // _STEP - 1}}}")
# A data: URL, or base64 under the key "data" as in Anthropic's and Google's requests; in nested JSON too.
_DATA: Final = re.compile(
    r"(?:data:[\w.+-]{1,64}/[\w.+-]{1,64}(?:;[\w=.+-]{1,64}){0,4};base64,"
    r"|\\{0,7}\"data\\{0,7}\"\s{0,4}:\s{0,4}\\{0,7}\")"
    rf"([A-Za-z0-9+/_-]{{{SHORTEST_FILE},}}={{0,2}})"
)

# How the names of attributes begin in which other instrumentations, and our own repair event, keep texts of a call.
_TEXT_PREFIXES: Final = (
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input", "gen_ai.output", "gen_ai.tool.call.", "gen_ai.event.content",
    "gen_ai.retrieval.", "llm.input_messages", "llm.output_messages", "llm.prompt", "llm.completion", "llm.invocation",
    "llm.function_call", "llm.tools", "input.", "output.", "traceloop.entity.input", "traceloop.entity.output",
    "message.content", "content", "tool.parameters", f"{METADATA}reply", PROMPT_VARIABLES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapturePolicy:
    """What is stored of an observation's texts and files.

    Attributes:
        texts: Whether texts are stored at all.
        full: Whether texts are stored as they are, except for our own configured secrets; else they are redacted.
        images: Whether the data of images and other files is stored; else their size and hash are.
    """

    texts: bool = True
    full: bool = False
    images: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> CapturePolicy:
        """Return the policy that the settings ask for."""
        return cls(
            texts=settings.capture != "metadata",
            full=settings.capture == "full",
            images=settings.images == "whole",
        )

    def values(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes as they are stored."""
        if not self.texts:
            attributes = without_texts(attributes)
        if not self.images:
            attributes = without_files(attributes)
        return without_own_secrets(attributes) if self.full else redacted(attributes)

    def text(self, text: str) -> str:
        """Return a text, such as an error message, as it is stored."""
        return hide_own(text) if self.full else redact_text(text)


def without_files(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes with size and hash in place of files that they contain as base64."""
    return {
        name: without_files_in(value) if type(value) is str and len(value) > SHORTEST_FILE else value
        for name, value in attributes.items()
    }


def without_files_in(text: str) -> str:
    """Return a text with size and hash in place of files that it contains as base64; one without is the same object.

    No text up to `SHORTEST_FILE` characters contains any.
    """
    if len(text) <= SHORTEST_FILE or not _RUN.search(text[_STEP - 1 :: _STEP]):
        return text
    return _DATA.sub(_summarised, text)


def _summarised(match: re.Match[str]) -> str:
    digits = match[1].rstrip("=")
    try:
        data = base64.b64decode(digits.replace("-", "+").replace("_", "/") + "=" * (-len(digits) % 4))
    except binascii.Error:
        data = digits.encode()
    prefix = match[0][: match.start(1) - match.start()]
    return f"{prefix}[{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"


def without_texts(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without prompts, replies and other texts, by the names of Langfuse and other conventions."""
    return {
        name: value for name, value in attributes.items() if name not in TEXTS and not name.startswith(_TEXT_PREFIXES)
    }


def without_own_secrets(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as they are, except for our own configured secrets."""
    return {hide_own(name): _without_own(value) for name, value in attributes.items()}


def _without_own(value: Any) -> Any:
    if type(value) is str:
        return hide_own(value)
    if isinstance(value, list | tuple):
        return tuple(_without_own(item) for item in value)
    return value
