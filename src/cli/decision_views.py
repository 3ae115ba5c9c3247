"""Show decisions and reports on them, in the terminal and as plain data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from src.cli.actions import styled_action
from src.observability.commands.console import escape, money, note, out, price_text
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.accuracy import Accuracy
    from src.judging.report import Report
    from src.observability.ledger import Entry
    from src.observability.store.ledger_records import OutcomeRecord

COLUMNS = (
    Column("decision"),
    Column("as of (UTC)"),
    Column("symbol"),
    Column("action"),
    Column("confidence", rank=3, right=True),
    Column("price", rank=2, right=True),
    Column("agent", rank=5),
    Column("cost", rank=4, right=True),
    Column("status"),
    Column("net", right=True),
)
_ROW_COLUMNS = (
    Column("group", least=12),
    Column("n", right=True),
    Column("hit rate", right=True),
    Column("majority", rank=2, right=True),
    Column("always long", rank=5, right=True),
    Column("skill", rank=1, right=True),
    Column("Brier", rank=4, right=True),
    Column("mean net", right=True),
    Column("sum net", rank=3, right=True),
    Column("drawdown", rank=6, right=True),
    Column("cost", rank=7, right=True),
    Column("per hit", rank=8, right=True),
    Column("verdict", least=12),
)


def show_report(result: Report) -> None:
    """Print a report as tables, with what a reader must know beside them."""
    from src.judging.report import notes

    sections: list[tuple[str, Sequence[Accuracy]]] = [("", [result.total])]
    sections += [("By book", result.books)] if len(result.books) > 1 else []
    sections += [(f"By {result.by}", result.rows)] if result.rows else []
    sections += [("The swarm and its members", result.swarm)] if result.swarm else []
    for title, rows in sections:
        if title:
            out().print(f"\n[bold]{escape(title)}[/]")
        print_table(_ROW_COLUMNS, [_report_cells(row) for row in rows])
    for line in notes(result):
        note(line)
    if not result.total.n:
        note("No decision is resolved yet: `moondev decisions resolve --csv FILE` judges them by prices.")


def _report_cells(row: Accuracy) -> tuple[str, ...]:
    from src.judging.report import cells

    return tuple(map(escape, cells(row)))


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()


def _outcome_data(outcome: OutcomeRecord) -> dict[str, Any]:
    return {
        "entry": outcome.entry,
        "entry_time": _time(outcome.entry_ns),
        "exit": outcome.exit,
        "exit_time": _time(outcome.exit_ns),
        "exit_reason": outcome.exit_reason,
        "gross": outcome.gross,
        "net": outcome.net,
        "correct": outcome.correct,
        "brier": outcome.brier,
    }


def decision_data(entry: Entry, *, whole: bool = False) -> dict[str, Any]:
    """Return a decision as plain data: the fields of a list, or all."""
    import json
    from dataclasses import asdict

    record = entry.decision
    data = {
        "id": record.id,
        "time": _time(record.time_ns),
        "as_of": _time(record.as_of_ns),
        "symbol": record.symbol,
        "action": record.action,
        "confidence": record.confidence,
        "price": record.price,
        "agent": record.agent,
        "models": json.loads(record.models) if record.models else [],
        "environment": record.environment,
        "book": record.book,
        "derived": record.derived,
        "trace_id": record.trace_id,
        "observation_id": record.observation_id,
        "cost_usd": record.cost_usd,
        "cost_unknown": record.cost_unknown,
        "status": entry.status,
        "horizons": list(entry.horizons),
        "outcomes": {name: _outcome_data(outcome) for name, outcome in entry.outcomes.items()},
        "results": {
            name: {"pnl_usd": result.pnl_usd, "net_return": result.net_return} for name, result in entry.results.items()
        },
    }
    if whole:
        names = (
            "venue", "timeframe", "target", "stop", "agent_version", "prompt_name", "prompt_version", "prompt_hash",
            "snapshot_hash", "run_id", "session_id",
        )  # fmt: skip
        data.update({name: getattr(record, name) for name in names})
        data["metadata"] = json.loads(record.metadata) if record.metadata else None
        data["votes"] = [asdict(vote) for vote in entry.votes]
    return data


def decision_cells(entry: Entry) -> tuple[str, ...]:
    """Return the cells of a decision, in the order of `COLUMNS`."""
    record = entry.decision
    main = entry.outcomes.get(entry.horizons[0])
    return (
        escape(record.id[:12]),
        f"{datetime.fromtimestamp(record.as_of_ns / 1e9, UTC):%Y-%m-%d %H:%M}",
        escape(record.symbol),
        styled_action(record.action),
        "-" if record.confidence is None else f"{record.confidence:g}",
        "-" if record.price is None else price_text(record.price),
        escape(record.agent or "-"),
        money(record.cost_usd, at_least=record.cost_unknown),
        entry.status,
        "-" if main is None or record.action == "NOTHING" else f"{main.net:+.2%}",
    )


def show_decision(entry: Entry) -> None:
    """Print a decision with its votes and what came of it."""
    record = entry.decision
    print_table(COLUMNS, [decision_cells(entry)])
    out().print()
    if entry.votes:
        print_table(
            (
                Column("member", least=14),
                Column("vote"),
                Column("confidence", right=True),
                Column("weight", right=True),
            ),
            [
                (
                    escape(vote.member),
                    f"[red]{escape(vote.error)}[/]" if vote.error else styled_action(vote.action or "ABSTAIN"),
                    "-" if vote.confidence is None else f"{vote.confidence:g}",
                    f"{vote.weight:g}",
                )
                for vote in entry.votes
            ],
        )
        out().print()
    for name in entry.horizons:
        outcome = entry.outcomes.get(name)
        if outcome is None:
            out().print(f"{name}: open")
        else:
            out().print(
                f"{name}: {price_text(outcome.entry)} to {price_text(outcome.exit)} ({outcome.exit_reason}), "
                f"gross {outcome.gross:+.2%}, net {outcome.net:+.2%}, by {escape(outcome.source)}"
            )
    for source, result in entry.results.items():
        out().print(f"real, by {escape(source)}: {money(result.pnl_usd)}")
    if record.trace_id:
        note(f"its trace: moondev traces show {record.trace_id[:12]}")
