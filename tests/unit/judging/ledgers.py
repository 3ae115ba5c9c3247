"""Reports on decisions as the program makes them, of ledgers that tests write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy

from src.insight.ledger.chosen import Chosen
from src.insight.ledger.columns import LedgerColumns
from src.insight.ledger.reading import brought_up
from src.insight.ledger.report import make_report
from src.observability.store.ledger_records import insert_record
from src.observability.store.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.regimes import Regimes
    from src.judging.report import Report
    from src.observability.ledger import Entry
    from src.observability.store.ledger_records import LedgerRecord


def columns_of(entries: Sequence[Entry]) -> LedgerColumns:
    """Write decisions and outcomes into the tables of a store, in memory, and read them as columns."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, "memory")
        for item in entries:
            records: tuple[LedgerRecord, ...] = (item.decision, *item.outcomes.values())
            for record in records:
                insert_record(connection, record)
        return brought_up(LedgerColumns(), lambda question, _: question(connection))


def report_of(
    entries: Sequence[Entry], by: str | None = None, *, horizon: str | None = None, regimes: Regimes | None = None
) -> Report:
    """Return the report on decisions."""
    columns = columns_of(entries)
    return make_report(Chosen(columns, numpy.arange(len(columns)), horizon), by, regimes=regimes)
