"""Turn recorded replies into decisions by rules: `moondev decisions derive`."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import err, escape, note, out, print_json
from src.observability.commands.counting import counted
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.judging.rules.deriving import Derivation

_RULE_COLUMNS = (Column("rule", least=12), *(Column(name, right=True) for name in ("BUY", "SELL", "NOTHING")))
_REASON_COLUMNS = (Column("agent", least=12), Column("calls", right=True), Column("no decision, for", least=20))
_CHANGE_COLUMNS = (Column("decision"), Column("rule", rank=1), Column("stands as", least=12), Column("now", least=12))
_SHOWN_CHANGES = 10


def derive(
    rules: Annotated[
        Path | None, typer.Option(help="A rules file, in TOML; the public checkout's where not given.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="The last 7d, 24h, ...", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; tell what would be written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Read decisions out of recorded replies of agents that write none. Again with the same rules, it adds nothing.

    What does not match a rule exactly is no decision; how many and why is told. Nothing that stands in the ledger is
    changed: of changed rules it says what they would read otherwise.
    """
    from src.judging.rules.definitions import read_rules
    from src.judging.rules.deriving import derive as derive_decisions
    from src.observability import get_tracker
    from src.observability.ledger import LedgerReader, RecordedCalls, parse_horizon, write_decisions
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    rule_set = read_rules(rules)
    since_ns = time.time_ns() - parse_horizon(since).seconds * 1_000_000_000 if since else 0
    write = None
    if not dry_run:
        spool = get_tracker().spool
        if spool is None:
            raise ValueError("Tracing is off (MOONDEV_TRACING): there is no ledger to write to.")
        write = partial(write_decisions, spool=spool)
    store = StoreReader(Settings.read().trace_db)
    with _progress(hidden=as_json) as shown:
        result = derive_decisions(
            RecordedCalls(store), LedgerReader(store), rule_set, since_ns=since_ns, write=write, on_progress=shown
        )
    if as_json:
        print_json(_data(result, rule_set.source, dry_run=dry_run))
    else:
        _show(result, dry_run=dry_run)


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many calls are read; nothing where standard error is no terminal."""
    if hidden or not err().is_terminal or err().is_dumb_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("calls"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _data(result: Derivation, source: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "rules": source,
        "dry_run": dry_run,
        "calls": result.calls,
        "added": result.added,
        "known": result.known,
        "without_confidence": result.without_confidence,
        "by_rule": {rule: dict(actions) for rule, actions in result.by_rule.items()},
        "undecided": result.undecided,
        "reasons": {agent: dict(reasons) for agent, reasons in result.reasons.items()},
        "other_agents": result.other_agents,
        "would_change": result.changed,
        "changes": [asdict(change) for change in result.changes],
    }


def _show(result: Derivation, *, dry_run: bool) -> None:
    verb = "to add" if dry_run else "added"
    out().print(
        f"{counted(result.calls, 'recorded calls')}: {counted(result.added, 'decisions')} {verb}, "
        f"{result.known:,} there before, {result.undecided:,} without a decision."
    )
    if result.by_rule:
        out().print()
        print_table(
            _RULE_COLUMNS,
            [
                (escape(rule), *(f"{counts[action]:,}" for action in ("BUY", "SELL", "NOTHING")))
                for rule, counts in sorted(result.by_rule.items())
            ],
        )
    if result.reasons:
        out().print()
        rows = [
            (escape(agent), f"{count:,}", escape(reason))
            for agent, counts in sorted(result.reasons.items())
            for reason, count in counts.most_common()
        ]
        print_table(_REASON_COLUMNS, rows)
    if result.changed:
        out().print(f"\nThe rules would now read {result.changed:,} decisions otherwise; those in the ledger stay:")
        shown = result.changes[:_SHOWN_CHANGES]
        print_table(
            _CHANGE_COLUMNS,
            [
                (
                    escape(item.decision_id[:12]),
                    escape(item.rule),
                    _fields(item.before),
                    _fields(item.after, item.reason),
                )
                for item in shown
            ],
        )
    _remarks(result, dry_run=dry_run)


def _remarks(result: Derivation, *, dry_run: bool) -> None:
    if result.without_confidence:
        note(f"{result.without_confidence:,} of the new ones have no confidence: their replies state none, or several.")
    if result.other_agents:
        most = sorted(result.other_agents.items(), key=lambda item: -item[1])[:5]
        named = ", ".join(f"{agent} ({count:,})" for agent, count in most)
        note(f"No rule is for {len(result.other_agents):,} other agents: {named}. --rules names a file with rules.")
    if result.added and not dry_run:
        note("`moondev decisions resolve --csv FILE --symbol SYMBOL` judges them by prices.")


def _fields(values: dict[str, Any] | None, reason: str | None = None) -> str:
    if values is None:
        return escape(f"no decision: {reason}")
    return escape(", ".join(f"{name} {'-' if value is None else value}" for name, value in values.items()) or "-")
