"""Define the steps of which a call consists: send, sleep, open a stream, take its next event, emit a chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.context import Context

    from src.models.call.hooks import ModelHooks
    from src.models.types import (
        Chunk,
        ModelResponse,
        Timeouts,
    )

    Steps = Generator["Send | Sleep | Open | Next | Emit", Any, ModelResponse]

END: Final = object()


@dataclass(frozen=True, slots=True)
class Send:
    """Send a payload, under the generation as current span; the answer is the provider's raw reply."""

    model: ModelHooks
    payload: Any
    timeouts: Timeouts
    context: Context


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """Open a stream; the answer is its iterator."""

    model: ModelHooks
    payload: Any
    timeouts: Timeouts
    context: Context


@dataclass(frozen=True, slots=True)
class Next:
    """Take the next event of a stream; the answer is the event, or END."""

    events: Any
    timeouts: Timeouts
    context: Context


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand a chunk to the caller."""

    chunk: Chunk
