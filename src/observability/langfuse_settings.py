"""Read the variables that Langfuse's own SDK documents, besides its keys, address, environment and release.

The SDK's list stands in `langfuse/_client/environment_variables.py`; docs/langfuse.md says what becomes of each here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EXPORT_PATH: Final = "/api/public/otel/v1/traces"
_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})
_CONFIRM_AFTER_S: Final = 60.0
NOTHING_SENT: Final = {"ENABLE_LANGFUSE": "false"}
_NO_UPLOAD: Final = {"LANGFUSE_MEDIA_UPLOAD_ENABLED": "false"}


class LangfuseSettingError(ValueError):
    """A variable has an invalid value; `instead` maps variables to the values that hold until it is corrected."""

    def __init__(self, variable: str, problem: str, instead: Mapping[str, str] | None = None) -> None:
        super().__init__(problem)
        self.variable = variable
        self.instead = instead or {}


@dataclass(frozen=True, slots=True)
class LangfuseSwitches:
    """How observations and scores are sent to Langfuse.

    Attributes:
        tracing_enabled: Whether anything is sent to Langfuse at all (LANGFUSE_TRACING_ENABLED).
        sample_rate: Which part of all traces is sent, from 0 to 1; the store has them all (LANGFUSE_SAMPLE_RATE).
        flush_at: The most observations of one request (LANGFUSE_FLUSH_AT); None for our own limit.
        flush_interval_s: How long work may gather before it is sent (LANGFUSE_FLUSH_INTERVAL); None for our own.
        timeout_s: How long a question to the server may take, and a delivery where that is longer than our own limit
            (LANGFUSE_TIMEOUT); None for our own.
        export_path: Where on the host observations are sent (LANGFUSE_OTEL_TRACES_EXPORT_PATH).
        max_batch_bytes: The most bytes of one request (LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES); None for our own limit.
        gzip: Whether observations are sent compressed (LANGFUSE_OTEL_COMPRESSION).
        media_upload: Whether files are uploaded to Langfuse's media store (LANGFUSE_MEDIA_UPLOAD_ENABLED).
        debug: Whether each request is logged (LANGFUSE_DEBUG).
        confirm_after_s: After how long the server is asked for what may have arrived (MOONDEV_CONFIRM_AFTER_S).
    """

    tracing_enabled: bool = True
    sample_rate: float = 1.0
    flush_at: int | None = None
    flush_interval_s: float | None = None
    timeout_s: float | None = None
    export_path: str = _EXPORT_PATH
    max_batch_bytes: int | None = None
    gzip: bool = True
    media_upload: bool = True
    debug: bool = False
    confirm_after_s: float = _CONFIRM_AFTER_S


def read(environ: Mapping[str, str]) -> LangfuseSwitches:
    """Read the variables.

    Raises:
        LangfuseSettingError: a variable has an invalid value.
    """
    flush_at = _number(environ, "LANGFUSE_FLUSH_AT", whole=True, least=1)
    max_bytes = _number(environ, "LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES", whole=True, least=1)
    sample_rate = _number(environ, "LANGFUSE_SAMPLE_RATE", most=1, instead=NOTHING_SENT)
    confirm_after_s = _number(environ, "MOONDEV_CONFIRM_AFTER_S")
    path = environ.get("LANGFUSE_OTEL_TRACES_EXPORT_PATH", "").strip().lstrip("/")
    return LangfuseSwitches(
        tracing_enabled=_switch(environ, "LANGFUSE_TRACING_ENABLED", default=True, instead=NOTHING_SENT),
        sample_rate=1.0 if sample_rate is None else sample_rate,
        flush_at=None if flush_at is None else int(flush_at),
        flush_interval_s=_number(environ, "LANGFUSE_FLUSH_INTERVAL"),
        timeout_s=_number(environ, "LANGFUSE_TIMEOUT", positive=True),
        export_path=f"/{path}" if path else _EXPORT_PATH,
        max_batch_bytes=None if max_bytes is None else int(max_bytes),
        gzip=_compression(environ) == "gzip",
        media_upload=_switch(environ, "LANGFUSE_MEDIA_UPLOAD_ENABLED", default=True, instead=_NO_UPLOAD),
        debug=_switch(environ, "LANGFUSE_DEBUG", default=False),
        confirm_after_s=_CONFIRM_AFTER_S if confirm_after_s is None else confirm_after_s,
    )


def _switch(environ: Mapping[str, str], name: str, *, default: bool, instead: Mapping[str, str] | None = None) -> bool:
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in _ON or text in _OFF:
        return text in _ON
    raise LangfuseSettingError(name, f"is {environ[name]!r}, neither true nor false.", instead)


def _number(
    environ: Mapping[str, str],
    name: str,
    *,
    whole: bool = False,
    positive: bool = False,
    least: float = 0,
    most: float = math.inf,
    instead: Mapping[str, str] | None = None,
) -> float | None:
    """Return the number that a variable holds; None where it is not set."""
    text = environ.get(name, "").strip()
    if not text:
        return None
    convert: Callable[[str], float] = int if whole else float
    try:
        number = convert(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and least <= number <= most and not (positive and number == 0):
        return number
    kind = "a whole number" if whole else "a number"
    limits = f"from {least:g} to {most:g}" if most < math.inf else "above 0" if positive else f"of at least {least:g}"
    raise LangfuseSettingError(name, f"is {text!r}, not {kind} {limits}.", instead)


def _compression(environ: Mapping[str, str]) -> str:
    text = environ.get("LANGFUSE_OTEL_COMPRESSION", "").strip().lower() or "gzip"
    if text not in ("gzip", "none"):
        raise LangfuseSettingError("LANGFUSE_OTEL_COMPRESSION", f"is {text!r}: use gzip or none.")
    return text
