"""Write decisions and their results into the ledger, as durably as observations."""

from __future__ import annotations

import itertools
import json
import logging
import math
import numbers
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from src.observability import attributes as names
from src.observability.current import get_pipeline
from src.observability.ledger.horizons import parse_horizons
from src.observability.ledger.moments import aware, refuse_future
from src.observability.ledger.symbols import market_name
from src.observability.ledger.texts import check_texts, checked_id, model_names
from src.observability.ledger.votes import write_votes
from src.observability.redaction import redact_text
from src.observability.spans import encoding
from src.observability.spans import scope as scopes
from src.observability.store import ledger_queries
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.reader import StoreReader
from src.observability.tracing.scores import score

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from typing_extensions import Unpack

    from src.observability.ledger.horizons import Horizon
    from src.observability.ledger.votes import MemberVote
    from src.observability.spans.scope import Scope
    from src.observability.store.spool import Spool

ACTIONS: Final = ("BUY", "SELL", "NOTHING")
_NAMESPACE: Final = uuid.UUID("6f7b51a4-55a2-4e0d-9d0b-1f6f2f0c6a11")  # of the ids of decisions' scores
_T = TypeVar("_T")
_LATEST_S: Final = 1e10  # the year 2286
_log = logging.getLogger("moondev.observability")


class DecisionFields(TypedDict, total=False):
    """What else `decision` takes.

    Attributes:
        target: The price at which a gain is taken.
        stop: The price at which a loss is cut.
        venue: The exchange.
        timeframe: The length of the bars that it saw, such as 15m.
        agent: The agent; the run's where not given.
        agent_version: The agent's version.
        prompt: The prompt, as `get_prompt` returned it, or its name, version and hash.
        models: The models that were asked.
        votes: The members' votes, where several models decided.
        environment: backtest, paper or live; the run's own where not given.
        cost_usd: What it cost; what its trace cost where not given.
        metadata: Anything else that can be written as JSON.
        decision_id: Its id; a new one where not given. A second decision with the id of a first one is left out, and
            its scores too.
    """

    target: float | None
    stop: float | None
    venue: str | None
    timeframe: str | None
    agent: str | None
    agent_version: str | None
    prompt: Any
    models: Iterable[str]
    votes: Iterable[MemberVote]
    environment: str | None
    cost_usd: float | None
    metadata: object
    decision_id: str | None


def decision(
    symbol: str,
    action: str,
    confidence: float | None = None,
    price: float | None = None,
    as_of: datetime | float | None = None,
    horizon: str | Iterable[str] = "24h",
    **fields: Unpack[DecisionFields],
) -> str | None:
    """Write a decision of this run into the ledger; return its id. Nothing of it changes later.

    It never raises: where the decision cannot be written, an error is logged that says why, and None is returned.
    The run's trace gets the scores `decision` and `confidence`.

    Args:
        symbol: The market, such as BTC-USD.
        action: BUY, SELL or NOTHING, in any case.
        confidence: 0 to 100: how sure it is that the action is right. What lies between 0 and 1 is refused as a share.
        price: The price that it was made at.
        as_of: The close of the newest data that it saw, as a time with its zone or seconds since 1970; now where not
            given.
        horizon: After how long it is judged: 90m, 24h, 7d, or several.
        **fields: What else is known of it: `DecisionFields`.
    """
    try:
        record = _record(symbol, action, confidence, price, as_of, parse_horizons(horizon), dict(fields))
    except Exception as error:  # noqa: BLE001 - the ledger never breaks the program that decides
        _log.error("A decision is not in the ledger: %s", redact_text(str(error)))
        return None
    before = _recorded(record.id) if fields.get("decision_id") else None
    if before is None and not write_decision(record):
        return None
    _write_scores(before or record, is_repeated=before is not None)
    return record.id


def score_id(decision_id: str, name: str) -> str:
    """Return the id of a decision's score, the same each time."""
    return uuid.uuid5(_NAMESPACE, f"{decision_id}/{name}").hex


def _write_scores(record: DecisionRecord, *, is_repeated: bool) -> None:
    """Write a decision's scores; of one that is repeated, those that its process could not write before it ended."""
    if record.trace_id is None or (is_repeated and _is_scored(record)):
        return
    for score_name, value in (("decision", record.action), ("confidence", record.confidence)):
        if value is not None:
            score(
                score_name,
                value,
                trace_id=record.trace_id,
                observation_id=record.observation_id,
                score_id=score_id(record.id, score_name),
                timestamp_ns=record.time_ns,
                environment=record.environment,
            )


def _recorded(decision_id: str) -> DecisionRecord | None:
    """Return the stored decision of an id, None where the ledger has none."""
    nothing: list[DecisionRecord] = []
    records = _query_store(lambda connection: ledger_queries.decisions_with_ids(connection, [decision_id]), nothing)
    return next(iter(records), None)


def _is_scored(record: DecisionRecord) -> bool:
    last = score_id(record.id, "decision" if record.confidence is None else "confidence")
    query = "SELECT EXISTS (SELECT 1 FROM scores WHERE id = ?)"
    return _query_store(lambda connection: bool(connection.execute(query, (last,)).fetchone()[0]), False)


def _query_store(question: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
    """Return the store's answer; `nothing` where it has none to give."""
    spool = get_pipeline().spool
    if spool is None:
        return nothing
    try:
        return StoreReader(spool.path).ask(question, nothing)
    except Exception as error:  # noqa: BLE001 - the ledger never breaks the program that decides
        _log.error("Whether a decision is recorded already is not known: %s", redact_text(str(error)))
        return nothing


def _record(
    symbol: object,
    action: object,
    confidence: object,
    price: object,
    as_of: datetime | float | None,
    horizons: tuple[Horizon, ...],
    fields: dict[str, Any],
) -> DecisionRecord:
    """Return a decision's record, completed from its run; ValueError names a field with an impossible value."""
    _check(fields)
    scope = scopes.from_context(otel_context.get_current(), get_pipeline().caller_scope)
    now_ns = time.time_ns()
    as_of_ns = now_ns if as_of is None else _past_time_ns(as_of)
    trace_id, observation_id = _current_ids()
    prompt_name, prompt_version, prompt_hash = _prompt(fields.get("prompt"))
    models, metadata = model_names(fields.get("models")), fields.get("metadata")
    cost_usd = bounded("cost_usd", fields.get("cost_usd"), 0, math.inf)
    direction = _action(action)
    price, target, stop = _prices(direction, price, fields)
    return DecisionRecord(
        id=checked_id(fields.get("decision_id") or uuid.uuid4().hex),
        time_ns=now_ns,
        as_of_ns=as_of_ns,
        symbol=market_name(symbol),
        action=direction,
        confidence=percent("confidence", confidence),
        horizons=",".join(item.name for item in horizons),
        agent=fields.get("agent") or scope.agent,
        prompt_name=prompt_name,
        prompt_version=prompt_version,
        prompt_hash=prompt_hash,
        models=json.dumps(models) if models else None,
        votes=write_votes(fields.get("votes") or ()),
        environment=fields.get("environment") or _environment(scope),
        book=book_of(now_ns, as_of_ns, horizons),
        trace_id=trace_id,
        observation_id=observation_id,
        session_id=scope.session_id,
        cost_usd=cost_usd,
        cost_unknown=cost_usd is None,
        metadata=None if metadata is None else encoding.json_text(metadata),
        venue=fields.get("venue"),
        timeframe=fields.get("timeframe"),
        agent_version=fields.get("agent_version"),
        price=price,
        target=target,
        stop=stop,
    )


def _prices(
    action: str, price: object, fields: Mapping[str, object]
) -> tuple[float | None, float | None, float | None]:
    """Return a decision's price, target and stop.

    Raises:
        ValueError: one of them is no price, or its stop or target lies on the wrong side.
    """
    entry, target, stop = (
        _price("price", price),
        _price("target", fields.get("target")),
        _price("stop", fields.get("stop")),
    )
    if not are_in_order(action, entry, target, stop):
        raise ValueError(
            f"it is {action} at {entry} with target {target} and stop {stop}: a BUY has its stop below and its "
            "target above, a SELL the other way round."
        )
    return entry, target, stop


def _prompt(prompt: Any) -> tuple[str | None, str | None, str | None]:
    """Return a prompt's name, version and hash, also of one with its variables filled in."""
    prompt = getattr(prompt, "prompt", prompt)
    if prompt is None:
        return None, None, None
    if hasattr(prompt, "digest"):
        return prompt.name, prompt.version, prompt.digest[:32]
    name, version, digest = prompt
    return name, version, digest


def _past_time_ns(as_of: datetime | float) -> int:
    """Return a time as nanoseconds since 1970; ValueError where it lies in the future."""
    as_of_ns = nanoseconds(as_of)
    refuse_future(as_of_ns, "its time")
    return as_of_ns


def _check(fields: Mapping[str, object]) -> None:
    """Refuse unknown fields, and texts of another type."""
    unknown = sorted(fields.keys() - DecisionFields.__annotations__.keys())
    if unknown:
        raise ValueError(f"it has no field {unknown[0]!r}: DecisionFields lists them.")
    check_texts(fields)


def write_decision(record: DecisionRecord) -> bool:
    """Write a decision, without secrets; tell whether it is stored, or will be. Never raises."""
    return get_pipeline().store_ledger(without_secrets(record))


def write_decisions(records: Sequence[DecisionRecord], spool: Spool) -> None:
    """Write decisions, without secrets, in one transaction; those whose ids are in the ledger stay as they are.

    Raises:
        SpoolError: they could not be stored.
    """
    spool.append_ledger_rows([without_secrets(record) for record in records])


def book_of(time_ns: int, as_of_ns: int, horizons: Iterable[Horizon]) -> str:
    """Return `live` for a decision that was written before its first outcome could be known; else `inside`.

    What is decided about the past may have been in the models' training: that it was not has to be shown.
    """
    shortest = min(horizon.seconds for horizon in horizons)
    return "live" if time_ns < as_of_ns + shortest * 1_000_000_000 else "inside"


def without_secrets(record: DecisionRecord) -> DecisionRecord:
    """Return the record without secrets, which texts of programs and models may hold."""
    return replace(
        record,
        symbol=redact_text(record.symbol),
        venue=_redacted(record.venue),
        timeframe=_redacted(record.timeframe),
        environment=redact_text(record.environment),
        agent=_redacted(record.agent),
        agent_version=_redacted(record.agent_version),
        prompt_name=_redacted(record.prompt_name),
        prompt_version=_redacted(record.prompt_version),
        prompt_hash=_redacted(record.prompt_hash),
        models=_redacted(record.models),
        votes=_redacted(record.votes),
        session_id=_redacted(record.session_id),
        metadata=_redacted(record.metadata),
    )


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact_text(text)


def _current_ids() -> tuple[str | None, str | None]:
    """Return the ids of the trace and of the observation that this code runs in, as far as there is one."""
    ids = otel_trace.get_current_span().get_span_context()
    return (f"{ids.trace_id:032x}", f"{ids.span_id:016x}") if ids.is_valid else (None, None)


def _environment(scope: Scope) -> str:
    return str(scope.attributes.get(names.ENVIRONMENT) or scope.environment or get_pipeline().settings.environment)


def _action(action: object) -> str:
    name = str(getattr(action, "value", action)).strip().upper()
    if name not in ACTIONS:
        raise ValueError(f"its action is {action!r:.60}: give BUY, SELL or NOTHING.")
    return name


def bounded(name: str, value: Any, least: float, most: float) -> float | None:
    """Return a number, None for None.

    Raises:
        ValueError: it is none, or out of bounds; the message names it.
    """
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        bounds = f" from {least:g} to {most:g}" if math.isfinite(most - least) else ""
        raise ValueError(f"its {name} is {value!r:.40}: give a number{bounds}.")
    return number


def percent(name: str, value: Any) -> float | None:
    """Return a number from 0 to 100, None for None.

    Raises:
        ValueError: it is none, or between 0 and 1, where a share is meant: 0.85 is 85%, and would count as 0.85%.
    """
    number = bounded(name, value, 0, 100)
    if number is not None and 0 < number < 1:
        raise ValueError(f"its {name} is {value!r:.40}, a share: give a number from 0 to 100; 85 is 85%.")
    return number


def _price(name: str, value: Any) -> float | None:
    price = bounded(name, value, -math.inf, math.inf)
    if price is not None and price <= 0:
        raise ValueError(f"its {name} is {value!r:.40}: give a price above 0.")
    return price


def are_in_order(action: str, price: float | None, target: float | None, stop: float | None) -> bool:
    """Tell whether a stop would cut a loss and a target take a gain; another one would be reached at once."""
    if action not in ("BUY", "SELL"):
        return True
    prices = [item for item in (stop, price, target) if item is not None]
    pairs = list(itertools.pairwise(prices))
    return all(low < high for low, high in pairs) if action == "BUY" else all(low > high for low, high in pairs)


def nanoseconds(moment: Any) -> int:
    """Return a time as nanoseconds since 1970.

    Raises:
        ValueError: it is neither a datetime nor seconds, or states no zone where the machine's is not UTC.
    """
    if isinstance(moment, datetime):
        return int((aware(moment, "the time") - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000) * 1_000
    is_number = isinstance(moment, numbers.Real) and not isinstance(moment, bool)
    if not is_number or not 0 <= moment <= _LATEST_S:  # NaN is not either
        is_finer = is_number and moment > _LATEST_S
        raise ValueError(
            f"its time is {moment!r:.40}: give a datetime with its zone, or seconds since 1970"
            f"{', not milliseconds or finer' if is_finer else ''}."
        )
    return int(float(moment) * 1_000_000) * 1_000
