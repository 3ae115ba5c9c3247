"""Read out of a span's attributes what reports group and filter by; never raises, whatever the attributes hold."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability import attributes as names
from src.observability.spans import encoding
from src.observability.store.records import RecurringFacts, SpanFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACE_SYMBOL: Final = names.TRACE_METADATA + "trading_pair"
_SYMBOL: Final = names.METADATA + "trading_pair"
_ATTEMPTS: Final = names.METADATA + "attempts"
_RETRIED: Final = names.METADATA + names.RETRIED
_REPAIRED: Final = names.METADATA + names.REPAIRED
_RATE_LIMITS: Final = names.METADATA + "rate_limits"
_MODEL: Final = names.REQUEST_MODEL
_USER: Final = names.USER_ID
_ENVIRONMENT: Final = names.ENVIRONMENT
_PROMPT: Final = names.PROMPT_NAME
_VERSION: Final = names.PROMPT_VERSION
_LOCAL_PROMPT: Final = names.LOCAL_PROMPT_NAME
_LOCAL_VERSION: Final = names.LOCAL_PROMPT_VERSION
_CACHED: Final = names.CACHE_READ_TOKENS
_WRITTEN: Final = names.CACHE_WRITE_TOKENS
_REASONING: Final = names.REASONING_TOKENS
_FIRST: Final = names.COMPLETION_START_TIME
_REASONS: Final = names.FINISH_REASONS
_TAGS: Final = names.TRACE_TAGS
_new: Final = tuple.__new__
_LARGEST: Final = 2**63  # SQLite's integers end before it
_MOMENT_LENGTH: Final = len("2026-11-30T22:04:05.123456Z")
_LONGEST_VOTE: Final = 20_000  # characters of a reply in which a vote is looked for
_VOTES: Final = frozenset({"BUY", "SELL", "NOTHING", "ABSTAIN"})
# The attributes that are the same in many observations: a run's own, and what most replies say.
_RECURRING: Final = (
    _MODEL, _USER, _ENVIRONMENT, _PROMPT, _LOCAL_PROMPT, _LOCAL_VERSION, _TRACE_SYMBOL, _SYMBOL, _REASONS, _TAGS,
    _ATTEMPTS, _RETRIED, _REPAIRED,
)  # fmt: skip
_MOST_RECURRING: Final = 256  # of which the facts are kept
_recurring: Final[dict[tuple[object, ...], RecurringFacts]] = {}
# The attributes that `span_facts` reads, for those who decode no others.
READ: Final = frozenset({*_RECURRING, _VERSION, _CACHED, _WRITTEN, _REASONING, _FIRST, _RATE_LIMITS, names.OUTPUT})


def span_facts(
    attributes: Mapping[str, object], *, name: str, type_: str, provider: str | None, start_ns: int
) -> SpanFacts:
    """Return the facts of a span.

    Args:
        attributes: Its attributes, at least those that `READ` names.
        name: Its name.
        type_: Its observation type.
        provider: Its provider.
        start_ns: When it started, in nanoseconds since 1970.
    """
    # On the path of each commit: what recurs from call to call is read once, and nothing is called for an attribute
    # that is missing.
    get = attributes.get
    held = tuple(map(get, _RECURRING))
    try:
        facts = _recurring.get(held)
    except TypeError:  # something that has no hash
        facts = _facts_of(held)
    if facts is None:
        facts = _remembered(held)
    version, first, limits = get(_VERSION), get(_FIRST), get(_RATE_LIMITS)
    cached, written, reasoning = get(_CACHED), get(_WRITTEN), get(_REASONING)
    member = vote = confidence = None
    # A member of a swarm names its generation by its label; any other generation of ours is `<provider>.generate`.
    if type_ == "generation" and held[0] is not None and provider is not None and name != provider + ".generate":
        member = name
        vote, confidence = vote_in(get(names.OUTPUT))
    elif version is first is limits is cached is written is reasoning is None:
        return facts
    # A file's own version says more than Langfuse's number for it.
    own_version = facts[5] if version is None or get(_LOCAL_PROMPT) is not None else str(version) or None
    return _new(
        SpanFacts,
        (
            *facts[:5],
            own_version,
            None if cached is None else _count(cached),
            None if written is None else _count(written),
            None if reasoning is None else _count(reasoning),
            None if first is None else _first_token_ms(first, start_ns),
            *facts[10:13],
            None if limits is None else _headroom(limits),
            member,
            vote,
            confidence,
            *facts[17:],
        ),
    )


def _remembered(held: tuple[object, ...]) -> RecurringFacts:
    """Return the facts that are read out of the attributes `_RECURRING`, and keep them for the next call.

    Only texts are kept, since other values may equal each other that do not say the same, as 1, 1.0 and True do.
    """
    facts = _facts_of(held)
    if all(map(_is_text, held)):
        if len(_recurring) >= _MOST_RECURRING:
            _recurring.clear()
        _recurring[held] = facts
    return facts


def _is_text(value: object) -> bool:
    return value is None or type(value) is str or (type(value) is tuple and all(type(item) is str for item in value))


def _facts_of(held: tuple[Any, ...]) -> RecurringFacts:
    """Return the facts that are read out of the attributes `_RECURRING`, whatever these hold."""
    (
        model, user, environment, prompt, local, local_version, trace_symbol, symbol, reasons, tags, attempts, retried,
        repaired,
    ) = held  # fmt: skip
    symbol = trace_symbol or symbol
    if local is not None:
        prompt = _json_text(local)
    return RecurringFacts(
        requested_model=model if model.__class__ is str else None,
        symbol=None if symbol is None else _json_text(symbol),
        user_id=user if user.__class__ is str else None,
        environment=environment if environment.__class__ is str else None,
        prompt_name=prompt if prompt.__class__ is str else None,
        prompt_version=None if local is None else _json_text(local_version),
        finish_reason=None if reasons is None else _first_text(reasons),
        attempts=1 if attempts == "1" else None if attempts is None else _count(_json(attempts)),
        retried=None if retried is None else _categories(retried),
        tags=None if tags is None else _tag_list(tags),
        repaired=repaired == "true",
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and -_LARGEST <= value < _LARGEST else None


def _json(value: object) -> Any:
    """Return what a JSON text holds; a value of another kind as it is, and None for a text that is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return None


def _json_text(value: object) -> str | None:
    """Return the text that a JSON text holds; or the text itself where it is no JSON, as other SDKs write it."""
    if not isinstance(value, str):
        return None
    if value[:1] == '"' and "\\" not in value:
        return value[1:-1] or None
    held = _json(value)
    return held or None if isinstance(held, str) else value or None


def _first_text(value: object) -> str | None:
    """Return the first of a list of texts, or a text itself."""
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    return value if isinstance(value, str) else None


def _tag_list(value: object) -> str | None:
    if not isinstance(value, (tuple, list)) or not value:
        return None
    return encoding.json_text([str(tag) for tag in value])


def _categories(value: object) -> str | None:
    items = _json(value)
    if not isinstance(items, list):
        return None
    return ",".join(str(item).replace(",", " ") for item in items) or None


def _first_token_ms(value: object, start_ns: int) -> float | None:
    """Return the milliseconds between a span's start and a moment as `encoding.moment` writes it."""
    text = str(value).strip('"')
    try:
        if len(text) == _MOMENT_LENGTH and text[-1] == "Z" and text[19] == ".":  # as `encoding.moment` writes it
            second = _minute(text[:16]) + int(text[17:19])
            passed_ms = (second * 1_000_000 + int(text[20:26]) - start_ns / 1_000) / 1_000
        else:
            passed_ms = (datetime.fromisoformat(text).timestamp() * 1_000_000 - start_ns / 1_000) / 1_000
    except (ValueError, OverflowError, OSError):
        return None
    return passed_ms if passed_ms >= 0 else None


@lru_cache(maxsize=64)
def _minute(text: str) -> int:
    """Return the seconds since 1970 of a minute in UTC, such as `2026-11-30T22:04`."""
    return int(datetime.fromisoformat(f"{text}Z").timestamp())


def _headroom(value: object) -> float | None:
    """Return the least share of a rate limit that is left; None where nothing of that form is told."""
    least = math.inf
    try:
        limits: Any = orjson.loads(value) if isinstance(value, str) else value
        for limit in limits.values():
            most, left = limit.get("limit"), limit.get("remaining")
            if most and left is not None:
                share = left / most
                if not share >= least:
                    least = share
    except (AttributeError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return min(max(least, 0.0), 1.0) if math.isfinite(least) else None


def _finite(value: object) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None  # type: ignore[arg-type] # a number


def vote_in(output: object) -> tuple[str | None, float | None]:
    """Return the action and the confidence that a member's reply states; None for what is no such reply."""
    if type(output) is not str or "{" not in output or len(output) > _LONGEST_VOTE:
        return None, None
    try:
        reply = orjson.loads(output)
    except ValueError:
        reply = None
    if reply.__class__ is dict and reply.get("content").__class__ is str:  # beside reasoning or tool calls
        reply = _json(_object_in(reply["content"]))
    elif reply is None:
        reply = _json(_object_in(output))
    if not isinstance(reply, dict):
        return None, None
    if "action" not in reply:  # a decision's keys count in any case
        reply = {str(key).strip().lower(): item for key, item in reply.items()}
    action, confidence = reply.get("action"), _finite(reply.get("confidence"))
    if action.__class__ is str and action in _VOTES and confidence is not None and 0 <= confidence <= 100:
        return action, confidence
    word = action.strip().upper() if isinstance(action, str) else None
    if word not in _VOTES or confidence is None or not 0 <= confidence <= 100:
        return None, None
    return word, confidence


def _object_in(text: str) -> str:
    """Return the JSON object that stands in a text, such as one inside a code fence."""
    return text[text.find("{") : text.rfind("}") + 1]
