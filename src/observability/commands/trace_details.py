"""Show one trace whole: its tree, its scores, the decision that was made in it, and where else it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability.commands.console import escape, out
from src.observability.commands.trace_lists import listing_data
from src.observability.search.records import decoded, moment, observations_of
from src.observability.search.summaries import listings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from src.observability.ledger import Entry
    from src.observability.search.records import StoredObservation
    from src.observability.search.summaries import TraceListing
    from src.observability.store.reader import StoreReader

_SCORE_COLUMNS: Final = (
    "id", "name", "value", "data_type", "observation_id", "comment", "timestamp_ns", "environment", "metadata",
)  # fmt: skip


def trace_data(reader: StoreReader, trace_id: str) -> dict[str, Any]:
    """Return all that is known of a trace as plain data."""
    nothing: list[TraceListing] = []
    totals = reader.ask(lambda db: list(listings(db, [trace_id])), nothing)
    data = listing_data(totals[0]) if totals else {"trace_id": trace_id}
    return {
        **data,
        "scores": scores_of(reader, trace_id),
        "decisions": decisions_of(reader, trace_id),
        "links": links(trace_id),
        "observations": [observation_data(item) for item in observations_of(reader, [trace_id])],
    }


def observation_data(item: StoredObservation) -> dict[str, Any]:
    """Return an observation as plain data, with what its texts hold where they are JSON."""
    from src.observability.search.records import flat

    data = flat(item) | {"metadata": dict(item.metadata)}
    data["tags"] = orjson.loads(item.facts.tags) if item.facts.tags else []
    data["retried"] = item.facts.retried.split(",") if item.facts.retried else []
    return data | {"input": decoded(item.input), "output": decoded(item.output)}


def scores_of(reader: StoreReader, trace_id: str) -> list[dict[str, Any]]:
    """Return the scores of a trace and of its observations, in the order they came; replaced ones are left out."""

    def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        names = ", ".join(_SCORE_COLUMNS)
        cursor = connection.execute(
            f"SELECT {names} FROM scores WHERE seq IN "  # noqa: S608 - our own names
            "(SELECT max(seq) FROM scores WHERE trace_id = ? GROUP BY id, name) ORDER BY seq",
            (trace_id,),
        )
        return [dict(zip(_SCORE_COLUMNS, row, strict=True)) for row in cursor]

    nothing: list[dict[str, Any]] = []
    return [_score_data(row) for row in reader.ask(read, nothing)]


def _score_data(row: dict[str, Any]) -> dict[str, Any]:
    row["time"] = moment(row.pop("timestamp_ns"))
    row["metadata"] = None if row["metadata"] is None else decoded(row["metadata"])
    if row["data_type"] == "BOOLEAN":
        row["value"] = bool(row["value"])
    return row


def decisions_of(reader: StoreReader, trace_id: str) -> list[dict[str, Any]]:
    """Return the decisions of the ledger that were made in a trace, with their votes and outcomes."""
    from src.observability.ledger import LedgerReader

    return [_decision_data(entry) for entry in LedgerReader(reader).of_trace(trace_id)]


def _decision_data(entry: Entry) -> dict[str, Any]:
    record = entry.decision
    return {
        "id": record.id,
        "symbol": record.symbol,
        "action": record.action,
        "confidence": record.confidence,
        "price": record.price,
        "as_of": moment(record.as_of_ns),
        "status": entry.status,
        "observation_id": record.observation_id,
        "votes": [
            {
                "member": vote.member,
                "model": vote.model,
                "action": vote.action,
                "confidence": vote.confidence,
                "weight": vote.weight,
                "error_category": vote.error,
                "observation_id": vote.observation_id,
                "cost_usd": vote.cost_usd,
                "latency_ms": vote.latency_ms,
            }
            for vote in entry.votes
        ],
        "outcomes": {
            name: {
                "entry": outcome.entry,
                "exit": outcome.exit,
                "gross": outcome.gross,
                "net": outcome.net,
                "correct": outcome.correct,
            }
            for name, outcome in entry.outcomes.items()
        },
    }


def links(trace_id: str) -> list[dict[str, str]]:
    """Return where a trace can be seen beside this store: in Langfuse, where that is set up."""
    from src.observability.network import display_url
    from src.observability.settings import Settings, SettingsError

    try:
        settings = Settings.read()
    except SettingsError:  # a wrong switch of delivery must not keep anybody from looking at what is stored
        return []
    if not settings.langfuse_delivers:
        return []
    host = display_url(settings.langfuse_host).rstrip("/")
    return [{"name": "Langfuse", "url": f"{host}/trace/{trace_id}"}]


def show_beside(data: Mapping[str, Any]) -> None:
    """Print what belongs to a trace besides its tree: session, scores, decisions and links."""
    properties = [f"{name} {escape(str(data[key]))}" for name, key in _PROPERTIES if data.get(key)]
    if properties:
        out().print(f"[dim]{'  '.join(properties)}[/]")
    if data["scores"]:
        out().print("[bold]scores[/]")
        for score in data["scores"]:
            out().print(f"  {_score_line(score, data['observations'])}")
    for decision in data["decisions"]:
        out().print(f"[bold]decision[/] {_decision_line(decision)}")
        for vote in decision["votes"]:
            out().print(f"  {_vote_line(vote)}")
    for link in data["links"]:
        out().print(f"[bold]{link['name']}[/] {escape(link['url'])}")


_PROPERTIES: Final = (
    ("session", "session_id"), ("agent", "agent"), ("symbol", "symbol"), ("user", "user_id"),
    ("environment", "environment"),
)  # fmt: skip


def _score_line(score: Mapping[str, Any], observations: Sequence[Mapping[str, Any]]) -> str:
    value = score["value"]
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    parts = [f"{escape(score['name'])} = {escape(shown)}"]
    names = {item["observation_id"]: item["name"] for item in observations}
    if score["observation_id"] in names:
        parts.append(f"[dim]of {escape(names[score['observation_id']])}[/]")
    if score["comment"]:
        parts.append(f"[dim]{escape(score['comment'][:100])}[/]")
    return "  ".join(parts)


def _decision_line(decision: Mapping[str, Any]) -> str:
    confidence = "" if decision["confidence"] is None else f" at {decision['confidence']:g}%"
    outcomes = [f"{name}: {outcome['net']:+.2%} net" for name, outcome in decision["outcomes"].items()]
    return "  ".join(
        [
            f"{escape(decision['symbol'])} {escape(decision['action'])}{confidence}",
            escape(decision["status"]),
            *outcomes,
        ]
    )


def _vote_line(vote: Mapping[str, Any]) -> str:
    cast = vote["action"] or vote["error_category"] or "no vote"
    confidence = "" if vote["confidence"] is None else f" {vote['confidence']:g}%"
    return f"{escape(vote['member'])}  {escape(cast)}{confidence}"
