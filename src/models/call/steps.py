"""Define the steps that a call yields for its driver to perform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.context import Context

    from src.models.call.hooks import ModelHooks
    from src.models.types import Chunk, ModelResponse, Timeouts

    Step: TypeAlias = "Send | Sleep | Open | Next | Emit"
    Steps: TypeAlias = Generator[Step, Any, ModelResponse]

# What `Next` results in once the stream has no more events.
END: Final = object()


@dataclass(frozen=True, slots=True)
class Send:
    """Send a payload with the generation as the current span; the result is the provider's raw reply."""

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
    """Open an event stream; the result is its iterator. The driver closes it."""

    model: ModelHooks
    payload: Any
    timeouts: Timeouts
    context: Context


@dataclass(frozen=True, slots=True)
class Next:
    """Take the next event of a stream; the result is the event, or END."""

    model: ModelHooks
    events: Any
    timeouts: Timeouts
    context: Context


@dataclass(frozen=True, slots=True)
class Emit:
    """Yield a chunk to the caller."""

    chunk: Chunk
