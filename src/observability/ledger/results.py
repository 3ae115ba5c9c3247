"""Write what decisions really earned, and score it where they were made."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final

from src.observability.current import get_pipeline
from src.observability.ledger.texts import checked_id
from src.observability.ledger.writing import bounded, nanoseconds, score_id
from src.observability.redaction import redact_text
from src.observability.spans import encoding
from src.observability.store import ledger_queries
from src.observability.store.ledger_records import ResultRecord
from src.observability.store.reader import StoreReader
from src.observability.tracing.scores import score

if TYPE_CHECKING:
    import sqlite3

    from src.observability.store.ledger_records import DecisionRecord

PNL_SCORE: Final = "outcome.pnl_usd"
_PROGRAM: Final = "program"
_log = logging.getLogger("moondev.observability")


def outcome(
    decision_id: str | None,
    pnl_usd: float | None = None,
    net_return: float | None = None,
    *,
    time_s: float | None = None,
    source: str = _PROGRAM,
    details: object = None,
) -> bool:
    """Write what a decision really earned; a later call with the same source replaces it. Tell whether it is stored.

    It never raises: where it cannot be written, an error is logged that says why. The decision's own observation gets
    the score `outcome.pnl_usd`, dated as the decision.

    Args:
        decision_id: What `decision` returned; None, where that failed, is left out.
        pnl_usd: The profit or loss in US dollars, after fees.
        net_return: The same as a fraction of what was put in: 0.012 is 1.2%.
        time_s: When it was known, in seconds since 1970; now where not given.
        source: Who says so.
        details: Anything else that can be written as JSON.
    """
    if decision_id is None:
        return False
    if pnl_usd is None and net_return is None:
        _log.error(
            "The outcome of decision %.40s is not in the ledger: give pnl_usd or net_return.",
            redact_text(str(decision_id)),
        )
        return False
    try:
        record = ResultRecord(
            decision_id=checked_id(decision_id),
            source=redact_text(source),
            pnl_usd=bounded("pnl_usd", pnl_usd, -math.inf, math.inf),
            net_return=bounded("net_return", net_return, -1e6, 1e6),
            time_ns=time.time_ns() if time_s is None else nanoseconds(time_s),
            details=redact_text(encoding.json_text(details)) if details is not None else None,
        )
    except Exception as error:  # noqa: BLE001 - the ledger never breaks the program that decides
        _log.error(
            "The outcome of decision %.40s is not in the ledger: %s",
            redact_text(str(decision_id)),
            redact_text(str(error)),
        )
        return False
    return _store(record)


def _store(record: ResultRecord) -> bool:
    """Store a result and score it, if it is new; tell whether it is stored."""
    decision, before = _decision_and_result(record)
    if before is not None and (before.pnl_usd, before.net_return, before.details) == (
        record.pnl_usd,
        record.net_return,
        record.details,
    ):
        return True  # it is stored already
    if not get_pipeline().store_ledger(record):
        return False
    if decision is not None and record.pnl_usd is not None and (before is None or before.pnl_usd != record.pnl_usd):
        _score(decision, record)
    if decision is not None and record.pnl_usd is None and before is not None and before.pnl_usd is not None:
        _log.warning(
            "The outcome of decision %.40s has no pnl_usd any more; its score %s stays at %g, since no server takes a "
            "score back: give pnl_usd to correct it.",
            record.decision_id, PNL_SCORE, before.pnl_usd,
        )  # fmt: skip
    return True


def _decision_and_result(record: ResultRecord) -> tuple[DecisionRecord | None, ResultRecord | None]:
    """Return the decision of a result, and its source's earlier result; None for each that the ledger lacks."""
    nothing: tuple[DecisionRecord | None, ResultRecord | None] = (None, None)
    spool = get_pipeline().spool
    if spool is None:
        return nothing

    def read(connection: sqlite3.Connection) -> tuple[DecisionRecord | None, ResultRecord | None]:
        decisions = ledger_queries.decisions_with_ids(connection, [record.decision_id])
        results = ledger_queries.results_of(connection, [record.decision_id])
        return next(iter(decisions), None), next((item for item in results if item.source == record.source), None)

    try:
        decision, before = StoreReader(spool.path).ask(read, nothing)
    except Exception as error:  # noqa: BLE001 - the ledger never breaks the program that decides
        _log.error("The score of decision %.40s is not written: %s", record.decision_id, redact_text(str(error)))
        return nothing
    if decision is None:
        _log.warning(
            "No decision in the ledger has the id %.40s yet: its outcome is kept, and not scored.", record.decision_id
        )
    return decision, before


def _score(decision: DecisionRecord, record: ResultRecord) -> None:
    """Score a profit or loss on the decision's own observation, by an id and a date that a correction has too."""
    if decision.trace_id is None or record.pnl_usd is None:
        return
    score(
        PNL_SCORE,
        record.pnl_usd,
        trace_id=decision.trace_id,
        observation_id=decision.observation_id,
        score_id=score_id(decision.id, PNL_SCORE),
        timestamp_ns=decision.time_ns,
        comment=f"{decision.action} {decision.symbol}, by {record.source}",
        environment=decision.environment,
    )
