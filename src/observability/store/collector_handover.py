"""Take over a Langfuse project's progress where ENABLE_LANGFUSE changes between `scores` and `true`.

With `scores`, observations reach the project through an OpenTelemetry Collector, and the store knows the project under
another name. Before direct delivery the project is asked which observations the Collector has delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.observability.store import aliases, unconfirmed
from src.observability.store.destination_names import NamePrefix
from src.observability.store.row_kinds import OBSERVATION, SCORE
from src.observability.store.watermarks import acked

if TYPE_CHECKING:
    import sqlite3

_OTHER: Final = {
    NamePrefix.LANGFUSE: NamePrefix.LANGFUSE_SCORES,
    NamePrefix.LANGFUSE_SCORES: NamePrefix.LANGFUSE,
}
_ROWS_A_RANGE: Final = 512


def take_over(connection: sqlite3.Connection, name: str, now: float) -> None:
    """Start a destination at the progress of its project's other name, inside a transaction.

    Scores that it has are not sent again. Observations that went to an OTLP endpoint are noted as ones that may have
    arrived. Nothing happens where the destination has been delivered to.
    """
    parts, own = aliases.split_name(name), aliases.canonical(connection, name)
    stored = {row[0] for row in connection.execute("SELECT name FROM destinations")}
    if parts is None or parts.prefix not in _OTHER or own in stored:
        return
    others = [
        other
        for other in stored
        if (split := aliases.split_name(other)) is not None
        and (split.prefix, split.address, split.key) == (_OTHER[parts.prefix], parts.address, parts.key)
    ]
    if not others:
        return
    scores_acked = max(acked(connection, other, SCORE) for other in others)
    connection.execute("INSERT INTO destinations (name, scores_acked) VALUES (?, ?)", (own, scores_acked))
    if parts.prefix is NamePrefix.LANGFUSE:
        collected = max((acked(connection, other, OBSERVATION) for other in stored if _is_otlp(other)), default=0)
        rows = connection.execute("SELECT seq FROM observations WHERE seq <= ? ORDER BY seq", (collected,)).fetchall()
        numbers = [row[0] for row in rows]
        unconfirmed.put(
            connection,
            own,
            OBSERVATION,
            [
                unconfirmed.SentRange(first=part[0], last=part[-1], sent=0.0, since=now, attempts=0)
                for part in (numbers[at : at + _ROWS_A_RANGE] for at in range(0, len(numbers), _ROWS_A_RANGE))
            ],
        )


def _is_otlp(name: str) -> bool:
    return name.startswith(NamePrefix.OTLP.value)
