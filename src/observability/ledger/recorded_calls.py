"""Read recorded model calls with their texts, to derive decisions from; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store import ledger_queries
from src.observability.store.compression import DamagedSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.observability.store.reader import StoreReader
    from src.observability.store.records import TraceRow

_STEP: Final = 500
# Under which keys a call's own metadata, or those of its run, name the market.
_SYMBOL_KEYS: Final = ("trading_pair", "symbol", "ticker", "pair", "token")


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A recorded generation with its texts, as far as they were recorded.

    Attributes:
        trace_id: Its trace.
        observation_id: Its own id.
        agent: The agent that asked.
        model: The provider and the model that answered.
        end_ns: When the reply was there, in nanoseconds since 1970.
        failure: The category of its failure; None where it succeeded.
        session_id: The session.
        environment: Where it took place.
        cost_usd: The known part of its cost.
        cost_unknown: Whether another part is unknown.
        has_texts: Whether its input was recorded at all.
        system: The system messages, with an empty line between them.
        prompt: The user's messages.
        reply: The text of the reply; None where none was recorded.
        symbols: The markets that its metadata, or those of its run, name.
        prompt_name: The name of a registered prompt.
        prompt_version: That prompt's version.
    """

    trace_id: str
    observation_id: str
    agent: str | None
    model: str
    end_ns: int
    failure: str | None
    session_id: str | None
    environment: str
    cost_usd: float | None
    cost_unknown: bool
    has_texts: bool
    system: str
    prompt: str
    reply: str | None
    symbols: tuple[str, ...] = ()
    prompt_name: str | None = None
    prompt_version: str | None = None


class RecordedCalls:
    """The recorded generations of a store."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store

    def counts(self, since_ns: int = 0) -> dict[str | None, int]:
        """Return how many generations each agent has, since a time."""
        return self._store.ask(lambda db: ledger_queries.generations_by_agent(db, since_ns), {})

    def traces_with_decisions(self) -> frozenset[bytes]:
        """Return the ids of the traces that wrote decisions themselves, outside back-tests, as 16 bytes each."""
        return self._store.ask(ledger_queries.deciding_traces, frozenset())

    def pages(self, agents: Sequence[str], since_ns: int = 0) -> Iterator[list[RecordedCall]]:
        """Yield the generations of some agents that ended since a time, in the order they were stored, by pages."""
        seq = 0
        while True:
            question = partial(
                ledger_queries.generations_after, seq=seq, agents=tuple(agents), since_ns=since_ns, limit=_STEP
            )
            nothing: list[TraceRow] = []
            rows = self._store.ask(question, nothing)
            if not rows:
                return
            seq = rows[-1].seq
            yield [_call(row) for row in rows]


def _call(row: TraceRow) -> RecordedCall:
    try:
        attributes = otlp.decode_span(row.span).attributes
    except DamagedSpan:
        attributes = {}
    messages = _messages(attributes.get(names.INPUT))
    model = f"{row.provider}:{row.model}" if row.provider and row.model else row.model or row.provider or "unknown"
    return RecordedCall(
        trace_id=row.trace_id,
        observation_id=row.span_id,
        agent=row.agent,
        model=model,
        end_ns=row.end_ns,
        failure=row.error_category or ("error" if row.level == "ERROR" else None),
        session_id=row.session_id,
        environment=str(attributes.get(names.ENVIRONMENT) or "default"),
        cost_usd=row.cost_usd,
        cost_unknown=row.is_unpriced,
        has_texts=names.INPUT in attributes,
        system="\n\n".join(text for role, text in messages if role in ("system", "developer")),
        prompt="\n\n".join(text for role, text in messages if role == "user"),
        reply=_reply(attributes.get(names.OUTPUT)),
        symbols=_symbols(attributes),
        prompt_name=_unquoted(attributes.get(names.LOCAL_PROMPT_NAME)) or _text(attributes.get(names.PROMPT_NAME)),
        prompt_version=_unquoted(attributes.get(names.LOCAL_PROMPT_VERSION))
        or _text(attributes.get(names.PROMPT_VERSION)),
    )


def _messages(value: object) -> list[tuple[str, str]]:
    """Return the roles and texts of an input: a list of messages, alone or beside tools; any other text is a user's."""
    content = _parsed(value)
    if isinstance(content, Mapping) and isinstance(content.get("messages"), list):
        content = content["messages"]
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, list) and all(isinstance(item, Mapping) and "role" in item for item in content):
        return [(str(item["role"]), _content(item.get("content"))) for item in content]
    return [("user", value)] if isinstance(value, str) else []


def _reply(value: object) -> str | None:
    content = _parsed(value)
    if isinstance(content, Mapping) and "content" in content and content.get("role", "assistant") == "assistant":
        return _content(content["content"]) or None
    return value if isinstance(value, str) and value else None


def _content(value: object) -> str:
    """Return the text of a message: as it is, or its parts of text one below the other."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    texts = [item.get("text") for item in value if isinstance(item, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _parsed(value: object) -> Any:
    """Return what a JSON text of a list or an object says; None for any other text."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _symbols(attributes: Mapping[str, object]) -> tuple[str, ...]:
    values = [
        _unquoted(attributes.get(prefix + key))
        for key in _SYMBOL_KEYS
        for prefix in (names.METADATA, names.TRACE_METADATA)
    ]
    return tuple(dict.fromkeys(value for value in values if value))


def _unquoted(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text: Any = value
    if value.startswith('"'):
        try:
            text = json.loads(value)
        except ValueError:
            return None
    return text.strip() or None if isinstance(text, str) else None


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
