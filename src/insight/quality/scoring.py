"""Store what is judged of replies as scores on their observations, so that Langfuse shows it too.

Ids and times are those of the observation, so that the same reply is scored once, however often this runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from src.insight.quality.replies import JudgedReply
    from src.observability.store.reader import StoreReader

NAMES: Final = ("reply_form", "valid_at_once", "numbers_grounded")
_CHUNK: Final = 500


class _Score(Protocol):
    def __call__(
        self, name: str, value: float | str | bool, *, trace_id: str, observation_id: str, comment: str | None,
        score_id: str, timestamp_ns: int, environment: str | None,
    ) -> str | None: ...  # fmt: skip


def score_replies(replies: Sequence[JudgedReply], store: StoreReader, score: _Score) -> int:
    """Store the scores that replies do not have yet; return how many were stored.

    Args:
        replies: The replies.
        store: The store, which knows what is scored already.
        score: Stores one score and returns its id, or None where it could not.
    """
    stored = 0
    for start in range(0, len(replies), _CHUNK):
        part = replies[start : start + _CHUNK]
        known = _known(store, [reply.trace_id for reply in part])
        for reply in part:
            for name, value, comment in _scores(reply):
                score_id = f"{name}:{reply.observation_id}"
                if score_id not in known:
                    name_of_stored = score(
                        name,
                        value,
                        trace_id=reply.trace_id,
                        observation_id=reply.observation_id,
                        comment=comment,
                        score_id=score_id,
                        timestamp_ns=reply.end_ns,
                        environment=reply.environment,
                    )
                    stored += name_of_stored is not None
    return stored


def _scores(reply: JudgedReply) -> Iterator[tuple[str, float | str | bool, str | None]]:
    yield "reply_form", reply.form, None
    yield "valid_at_once", reply.form == "valid", None
    ground = reply.grounding
    if ground is not None and ground.share is not None:
        absent = f"not in the prompt: {', '.join(ground.absent[:10])}" if ground.absent else None
        yield "numbers_grounded", ground.share, absent


def _known(store: StoreReader, trace_ids: Iterable[str]) -> set[str]:
    ids = list(dict.fromkeys(trace_ids))

    def read(connection: sqlite3.Connection) -> set[str]:
        marks, names = ", ".join("?" * len(ids)), ", ".join("?" * len(NAMES))
        statement = f"SELECT id FROM scores WHERE trace_id IN ({marks}) AND name IN ({names})"
        return {row[0] for row in connection.execute(statement, (*ids, *NAMES))}

    return store.ask(read, set())
