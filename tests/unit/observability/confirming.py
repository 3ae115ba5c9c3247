"""A destination that asks before it sends again, and what a server of tests got from it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from src.observability.delivery.destinations import Destination, langfuse_destination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.langfuse_server import LangfuseServer

TRACES = "/api/public/otel/v1/traces"


def destination_of(server: LangfuseServer, confirm_after_s: float = 0.05) -> Destination:
    destination = langfuse_destination(server.url, "pk-lf-1", "sk-lf-1")
    return replace(destination, confirm_after_s=confirm_after_s, timeout_s=5.0, ask_timeout_s=5.0)


def delivered(server: LangfuseServer) -> list[str]:
    return sorted((span.name for span in server.spans), key=lambda name: int(name[1:]))


def once() -> Iterator[bool]:
    """Yield True, then False for ever."""
    return itertools.chain([True], itertools.repeat(False))
