"""Speak as Gemini does, to the old SDK: streams are one JSON array."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.contract.dialects import gemini
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

if importlib.util.find_spec("google.generativeai") is None:
    pytest.skip("the extra gemini-legacy is not installed", allow_module_level=True)


class Dialect(gemini.Dialect):
    loopback: ClassVar[bool] = True
    environment: ClassVar[Mapping[str, str]] = {"MOONDEV_GEMINI_SDK": "legacy"}

    def events(self, bodies: Sequence[dict[str, Any]]) -> Reply:
        body = b"[" + b",\r\n".join(json.dumps(item).encode() for item in bodies) + b"]"
        return Reply(body=body, headers={"content-type": "application/json"})
