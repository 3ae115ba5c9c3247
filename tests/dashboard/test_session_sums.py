"""The sums of sessions that are kept are those of the store's rows, also after retention and after other rows came."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from src.dashboard import open_stores
from src.dashboard.data.limits import Limits
from src.insight.facts.schema import facts_path
from src.insight.sessions import sums as module
from src.insight.sessions.sums import bring_up, sums, sums_of, traces_n
from src.observability.store.deletions import note_deleted
from src.observability.store.row_kinds import OBSERVATION
from tests.dashboard.sample import fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def _asker(path: Path) -> Callable[[Any, Any], Any]:
    (store,) = open_stores([path])
    return lambda question, nothing: store.ask(question, nothing, Limits(300))


def _agree(path: Path, ask: Callable[[Any, Any], Any]) -> bool:
    fast, slow = ({item.session: item for item in items} for items in (sums(path, ask), ask(sums_of, [])))
    assert fast.keys() == slow.keys()
    for session, item in fast.items():
        for name in item.__slots__:
            a, b = getattr(item, name), getattr(slow[session], name)
            assert a == b or abs(a - b) < 1e-9, (session, name)
    count = "SELECT count(DISTINCT trace_id) FROM observations"
    assert traces_n(path, ask) == ask(lambda store: store.execute(count).fetchone()[0], 0)
    return bool(fast)


def _delete(path: Path, where: str) -> None:
    """Delete rows, as retention does and the limit of the store's size."""
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = [row[0] for row in connection.execute(f"SELECT seq FROM observations WHERE {where}")]  # noqa: S608
        connection.execute(f"DELETE FROM observations WHERE {where}")  # noqa: S608
        note_deleted(connection, OBSERVATION, numbers)


def test_kept_sums_are_those_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 37)
    path = fill(tmp_path / "t.db", 45)  # 180 rows
    ask = _asker(path)
    assert _agree(path, ask)  # nothing is kept yet
    rounds = 0
    while not bring_up(path, ask):
        rounds += 1
        assert rounds < 9
    assert rounds > 0
    assert _agree(path, ask)
    fill(path, 5, seed=2, first=600)
    assert _agree(path, ask)  # the rest is summed up for the question
    assert bring_up(path, ask)
    assert _agree(path, ask)
    _delete(path, "seq <= 90 AND seq NOT IN (1, 60)")
    assert _agree(path, ask)
    bring_up(path, ask)
    with sqlite3.connect(facts_path(path)) as connection:
        assert connection.execute("SELECT min(block) FROM session_sums").fetchone()[0] == 0
    assert _agree(path, ask)
    _delete(path, "seq = 60")  # a row below those that went before
    assert _agree(path, ask)
    bring_up(path, ask)
    assert _agree(path, ask)
    monkeypatch.setattr(module, "_persisted", partial(_nothing_less, module._persisted))
    monkeypatch.setattr(module, "_all_traces", None)  # nothing is counted anew
    assert _agree(path, ask)


def _nothing_less(read: Any, *arguments: Any) -> Any:
    items, upto = read(*arguments)
    assert items  # it is these that were compared
    return items, upto
