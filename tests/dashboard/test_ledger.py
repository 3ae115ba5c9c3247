"""The ledger as columns: what is new joins what was read, what is kept is what is read, steps end where time does."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from src.dashboard import open_stores
from src.dashboard.data.ledger import Ledger
from src.dashboard.data.limits import Limits
from src.insight.facts.schema import facts_path
from src.insight.ledger import reading
from src.insight.ledger.columns import LedgerColumns
from src.insight.ledger.keeping import is_worth_keeping, keep, load
from src.insight.ledger.reading import brought_up
from src.observability.store.spool import Spool
from tests.dashboard.sample import Maker, fill

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from src.dashboard.data.stores import Store


def test_the_ledger_follows_what_is_written(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 4)
    (store,), ledger = open_stores([path]), Ledger()
    first = ledger.of(store, Limits(300))
    assert ledger.of(store, Limits(300)).version == first.version
    spool, maker = Spool(path), Maker(50)
    _, decision, outcomes = maker.run(90)
    spool.append_ledger(decision)
    second = ledger.of(store, Limits(300))
    assert second.version != first.version
    assert (len(first), len(second)) == (4, 5)
    assert second.decisions.as_of_ns[-1] == decision.as_of_ns
    spool.append_ledger_rows(outcomes)
    third = ledger.of(store, Limits(300))
    assert third.version != second.version
    assert [third.outcomes[item.horizon].net[-1] for item in outcomes] == [item.net for item in outcomes]
    spool.append_ledger_rows([replace(outcomes[0], net=0.25, resolved_ns=1)])  # judged again
    spool.close()
    assert ledger.of(store, Limits(300)).outcomes[outcomes[0].horizon].net[-1] == 0.25
    assert same_columns(ledger.of(store, Limits(300)), Ledger().of(store, Limits(300)))


def test_a_ledger_that_is_kept_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 30)
    (store,) = open_stores([path])
    columns = Ledger().of(store, Limits(300))
    assert not is_worth_keeping(columns, LedgerColumns())  # reading so few again costs nothing
    assert keep(path, columns)
    assert same_columns(load(path), columns)
    fill(path, 20, seed=2, first=500)
    assert same_columns(Ledger().of(store, Limits(300)), brought_up(LedgerColumns(), partial(_ask, store)))
    with sqlite3.connect(path) as connection:  # another file under the same name
        connection.execute("UPDATE identity SET file = 'other'")
    assert len(load(path)) == 0
    with sqlite3.connect(facts_path(path)) as connection:
        connection.execute("UPDATE ledger_columns SET body = x'00' WHERE name <> 'head'")
    assert len(Ledger().of(store, Limits(300))) == 50


def test_a_ledger_is_read_in_steps_and_says_that_more_is_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_STEP", 10)
    path = fill(tmp_path / "t.db", 25)
    (store,) = open_stores([path])
    columns, lengths = LedgerColumns(), []
    while columns.is_behind or not len(columns):
        columns = brought_up(columns, partial(_ask, store), seconds=0)
        lengths.append(len(columns))
        assert len(lengths) < 20
    assert lengths[:4] == [10, 20, 25, 25]  # outcomes come after the decisions
    assert same_columns(columns, brought_up(LedgerColumns(), partial(_ask, store)))


def _ask(store: Store, question: Any, nothing: Any) -> Any:
    return store.ask(question, nothing, Limits(300))


def same_columns(a: LedgerColumns, b: LedgerColumns) -> bool:
    """Tell whether two ledgers say the same; their texts may have other numbers."""
    return _plain(a) == _plain(b)


def _plain(columns: LedgerColumns) -> list[Any]:
    texts = {"symbol", "agent", "environment", "session", "book", "prompt", "models", "horizons", "member", "model"}
    tables: list[tuple[str, Any]] = [("decisions", columns.decisions), ("votes", columns.votes)]
    tables += [(name, columns.outcomes[name]) for name in sorted(columns.outcomes)]
    result: list[Any] = [columns.outcomes_upto, columns.outcomes_n]
    for label, table in tables:
        for name in table.TYPES:
            values = getattr(table, name).tolist()
            is_text = label in ("decisions", "votes") and name in texts
            result.append([label, name, [columns.text(value) if is_text else repr(value) for value in values]])
    return result
