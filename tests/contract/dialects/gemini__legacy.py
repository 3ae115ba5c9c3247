"""Speak as Gemini does, to the old SDK: streams are one JSON array, and it knows no thoughts."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.contract.dialects import gemini
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.contract.dialects.base import Says

if importlib.util.find_spec("google.generativeai") is None:
    pytest.skip("the extra gemini-legacy is not installed", allow_module_level=True)


class Dialect(gemini.Dialect):
    reasons: ClassVar[bool] = False
    # The SDK drops the error that it does not know; that the stream has no end is then what is seen.
    stream_error_categories: ClassVar[frozenset[str]] = frozenset({"connection"})
    loopback: ClassVar[bool] = True
    environment: ClassVar[Mapping[str, str]] = {"MOONDEV_GEMINI_SDK": "legacy"}

    def reply(self, says: Says) -> Reply:
        return super().reply(replace(says, reasoning=""))

    def stream(self, says: Says) -> Reply:
        return super().stream(replace(says, reasoning=""))

    def events(self, told: Sequence[dict[str, Any]]) -> Reply:
        body = b"[" + b",\r\n".join(json.dumps(item).encode() for item in told) + b"]"
        return Reply(body=body, headers={"content-type": "application/json"})
