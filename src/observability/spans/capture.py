"""Decide how much of a call is stored: its texts, redacted or as they are, and the data of its images.

MOONDEV_CAPTURE says what becomes of texts (redacted, full or metadata) and MOONDEV_IMAGES what becomes of images:
`hash` stores size and SHA-256, `whole` the data too. Our own configured secrets are never stored, whatever is said.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.observability.attributes import METADATA, TEXTS
from src.observability.redaction import hide_own, redact_text
from src.observability.spans.clean_attributes import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.observability.settings import Settings

_SHORTEST: Final = 4096  # base64 digits; what is shorter is an icon at most
# A cheap look first, as a search costs a long prompt 0.3 ms: in so long a run of digits each 128th character is one.
_STEP: Final = 128
_RUN: Final = re.compile(rf"[A-Za-z0-9+/_=-]{{{_SHORTEST // _STEP - 1}}}")
# A data: address, or base64 under the key "data", as Anthropic's and Google's requests have it; in nested JSON too.
_DATA: Final = re.compile(
    r"(?:data:[\w.+-]{1,64}/[\w.+-]{1,64}(?:;[\w=.+-]{1,64}){0,4};base64,"
    r"|\\{0,7}\"data\\{0,7}\"\s{0,4}:\s{0,4}\\{0,7}\")"
    rf"([A-Za-z0-9+/_-]{{{_SHORTEST},}}={{0,2}})"
)


# Where other instrumentations, and our own repair event, keep texts of a call.
_TEXTS_BELOW: Final = (
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input", "gen_ai.output", "gen_ai.tool.call.", "gen_ai.event.content",
    "gen_ai.retrieval.", "llm.input_messages", "llm.output_messages", "llm.prompt", "llm.completion", "llm.invocation",
    "llm.function_call", "llm.tools", "input.", "output.", "traceloop.entity.input", "traceloop.entity.output",
    "message.content", "content", "tool.parameters", f"{METADATA}reply",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapturePolicy:
    """Hold what is kept of the texts and files of observations."""

    texts: bool = True
    full: bool = False
    images: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> CapturePolicy:
        """Return what the settings say."""
        return cls(settings.capture != "metadata", settings.capture == "full", settings.images == "whole")

    def reduced(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return attributes without the texts and files that are not kept; nothing is redacted yet."""
        if not self.texts:
            attributes = without_texts(attributes)
        return attributes if self.images else without_files(attributes)

    def values(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes as they are stored."""
        return only_own_hidden(self.reduced(attributes)) if self.full else redacted(self.reduced(attributes))

    def text(self, text: str) -> str:
        """Return a text, such as an error's, as it is stored."""
        return hide_own(text) if self.full else redact_text(text)


def without_files(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes with size and hash in place of the files that stand in them as base64."""
    shorter: dict[str, str] = {}
    for name, value in attributes.items():
        if type(value) is str and len(value) > _SHORTEST and _RUN.search(value[_STEP - 1 :: _STEP]):
            shorter[name] = _DATA.sub(_summarised, value)
    return {**attributes, **shorter} if shorter else attributes


def _summarised(found: re.Match[str]) -> str:
    digits = found[1].rstrip("=")
    try:
        data = base64.b64decode(digits.replace("-", "+").replace("_", "/") + "=" * (-len(digits) % 4))
    except binascii.Error:
        data = digits.encode()
    return f"{found[0][: found.start(1) - found.start()]}[{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"


def without_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without what was asked and answered, by Langfuse's names and by other instrumentations'."""
    return {name: value for name, value in values.items() if name not in TEXTS and not name.startswith(_TEXTS_BELOW)}


def only_own_hidden(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as they are but for our own configured secrets."""
    return {hide_own(name): _hidden(value) for name, value in values.items()}


def _hidden(value: Any) -> Any:
    if type(value) is str:
        return hide_own(value)
    if isinstance(value, list | tuple):
        return tuple(_hidden(item) for item in value)
    return value
