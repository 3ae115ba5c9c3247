"""Count calls, tokens, cost, retries and errors through OpenTelemetry's metrics API.

Nothing is set up here: the instruments belong to the program's global meter provider; while it sets none, nothing is
counted. Names and units of `gen_ai.*` are OpenTelemetry's semantic conventions for generative AI
(github.com/open-telemetry/semantic-conventions-genai); `moondev.*` are ours.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics as otel_metrics

from src.observability import attributes as names
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.observability")
_SCOPE: Final = "moondev"
_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - an attribute's name


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is counted of a call that has ended; `error` is the category of its failure, None where it succeeded.

    `cost_usd` is the known part of its cost, `is_priced` whether that is all of it.
    """

    provider: str
    model: str
    answered_by: str | None
    seconds: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    is_priced: bool
    error: str | None


class _Instruments:
    """The instruments of one meter provider."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(_SCOPE)
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.cost = meter.create_counter("moondev.cost", unit="USD", description="Known cost of calls.")
        self.unpriced = meter.create_counter(
            "moondev.calls.unpriced", unit="{call}", description="Calls whose cost is not known in full."
        )
        self.errors = meter.create_counter(
            "moondev.errors", unit="{call}", description="Calls that failed, by category."
        )
        self.retries = meter.create_counter(
            "moondev.retries", unit="{attempt}", description="Attempts that failed and were tried again, by category."
        )
        for name, unit, description, read in _STORE:
            meter.create_observable_gauge(name, [_observer(read)], unit=unit, description=description)


_lock = threading.Lock()
_known: tuple[MeterProvider, _Instruments] | None = None
_failed = False


def is_enabled() -> bool:
    """Tell whether the program has set a meter provider."""
    return type(otel_metrics.get_meter_provider()).__name__ not in ("_ProxyMeterProvider", "NoOpMeterProvider")


def record_call(call: CallRecord) -> None:
    """Count a call that has ended. Never raises."""
    try:
        instruments = _instruments()
        attributes = {
            names.OPERATION: "chat",
            names.PROVIDER: _conventional(call.provider),
            names.REQUEST_MODEL: call.model,
        }
        if call.answered_by:
            attributes[names.RESPONSE_MODEL] = call.answered_by
        for count, kind in ((call.input_tokens, "input"), (call.output_tokens, "output")):
            if count is not None:
                instruments.tokens.record(count, {**attributes, _TOKEN_TYPE: kind})
        if call.cost_usd is not None:
            instruments.cost.add(call.cost_usd, attributes)
        if not call.is_priced:
            instruments.unpriced.add(1, attributes)
        if call.error is not None:
            attributes = {**attributes, names.ERROR_TYPE: call.error}
            instruments.errors.add(1, attributes)
        instruments.duration.record(call.seconds, attributes)
    except Exception as error:  # noqa: BLE001 - counting never breaks a call
        _warn_once(error)


def record_retry(provider: str, model: str, category: str) -> None:
    """Count an attempt that failed and is retried. Never raises."""
    try:
        if is_enabled():
            attributes = {
                names.PROVIDER: _conventional(provider),
                names.REQUEST_MODEL: model,
                names.ERROR_TYPE: category,
            }
            _instruments().retries.add(1, attributes)
    except Exception as error:  # noqa: BLE001 - counting never breaks a call
        _warn_once(error)


def _conventional(provider: str) -> str:
    return names.CONVENTIONAL_PROVIDERS.get(provider, provider)


def _instruments() -> _Instruments:
    """Return the instruments of the current meter provider, made once for each."""
    global _known  # noqa: PLW0603 - one set for a process
    provider = otel_metrics.get_meter_provider()
    known = _known
    if known is not None and known[0] is provider:
        return known[1]
    with _lock:
        if _known is None or _known[0] is not provider:
            _known = (provider, _Instruments(provider))
        return _known[1]


def _warn_once(error: Exception) -> None:
    global _failed  # noqa: PLW0603 - one warning for a process
    if not _failed:
        _failed = True
        _log.warning("A call could not be counted (%s). Logged once.", redact_text(str(error)))


# The state of the store, read when a metric reader collects, on its thread.


def _lost(spool: Spool) -> Iterable[tuple[int, dict[str, str]]]:
    return [(spool.total_losses(), {})]


def _undelivered(spool: Spool) -> Iterable[tuple[int, dict[str, str]]]:
    return [(count, {"destination": name}) for name, count in spool.undelivered().items()]


def _set_aside(spool: Spool) -> Iterable[tuple[int, dict[str, str]]]:
    return [(spool.refused_count(), {})]


def _size(spool: Spool) -> Iterable[tuple[int, dict[str, str]]]:
    return [(sum(path.stat().st_size for path in spool.path.parent.glob(f"{spool.path.name}*")), {})]


_STORE: Final[tuple[tuple[str, str, str, Callable[[Spool], Iterable[tuple[int, dict[str, str]]]]], ...]] = (
    ("moondev.store.lost", "{observation}", "Observations and scores that could not be stored or kept.", _lost),
    ("moondev.store.undelivered", "{observation}", "What waits for delivery, by destination.", _undelivered),
    ("moondev.store.refused", "{observation}", "What a destination refused for good.", _set_aside),
    ("moondev.store.size", "By", "Size of the trace store's files.", _size),
)


def _observer(read: Callable[[Spool], Any]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        from src.observability.current import existing_pipeline

        pipeline = existing_pipeline()
        if pipeline is None or pipeline.spool is None:
            return []
        try:
            return [otel_metrics.Observation(value, attributes) for value, attributes in read(pipeline.spool)]
        except Exception as error:  # noqa: BLE001 - the store may be locked or deleted: there is no value this time
            _warn_once(error)
            return []

    return observe
