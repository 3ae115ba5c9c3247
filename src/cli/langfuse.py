"""Set up a Langfuse project, and say what it has: `moondev langfuse`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from src.observability.commands.console import escape, note, out, print_json, problem
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.insight.langfuse_setup.dataset import Example
    from src.insight.langfuse_setup.server import Project
    from src.insight.langfuse_setup.steps import Creator, Item
    from src.observability.ledger import Entry
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

app = FastTyper(
    cls=FastGroup,
    help="Set up a Langfuse project, and say what it has.",
    epilog="`moondev langfuse setup --dataset hindsight --since 30d` makes a dataset too (docs/langfuse.md).",
    no_args_is_help=True,
)
_COLUMNS: Final = (
    Column("object"),
    Column("name", least=16),
    Column("n", rank=2, right=True),
    Column("state"),
    Column("", rank=1, least=20),
)
_STYLES: Final = {
    "there": "green",
    "created": "bold green",
    "updated": "bold green",
    "missing": "yellow",
    "failed": "bold red",
}
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", help="Also make a dataset of judged decisions of this name.", show_default=False),
]


@app.callback()
def langfuse() -> None:
    """Set up a Langfuse project, and say what it has."""


@app.command("setup", cls=FastCommand)
def setup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing, and create nothing.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Change what differs; what is archived, or yours alone, stays.")
    ] = False,
    dataset: _DatasetName = None,
    since: Annotated[
        str | None, typer.Option(help="Decisions since then: 30d, 2026-11-01.", show_default=False, metavar="TIME")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Decisions of this agent.", show_default=False)] = None,
    symbol: Annotated[str | None, typer.Option(help="Decisions about this market.", show_default=False)] = None,
    environment: Annotated[
        str | None, typer.Option(help="Decisions of this environment: paper, live, backtest.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="The newest so many.")] = 500,
    as_json: _Json = False,
) -> None:
    """Create what the project lacks: score configs, a dashboard, and with --dataset a dataset of judged decisions.

    What is there is left as it is, unless --update says to change what differs from this version's definitions; it can
    be run again at any time. Exit code 1 where something failed.
    """
    if dataset is not None and not dataset.strip():
        raise ValueError("--dataset is empty: give the name of the dataset.")
    chosen_by = {"agent": agent, "symbol": symbol, "environment": environment, "since": since}
    if dataset is None and any(chosen_by.values()):
        names = ", ".join(f"--{name}" for name, value in chosen_by.items() if value)
        raise ValueError(f"{names} chooses the decisions of a dataset: give --dataset NAME too.")
    left_out: Counter[str] = Counter()

    def more(creator: Creator) -> None:
        if dataset is not None:
            from src.insight.langfuse_setup.dataset import set_up_dataset

            set_up_dataset(creator, dataset.strip(), _examples(dataset.strip(), chosen_by, limit, left_out))

    _run(more, is_dry=dry_run, is_update=update, as_json=as_json, left_out=left_out)


@app.command("status", cls=FastCommand)
def status(as_json: _Json = False) -> None:
    """Say which project the keys belong to, and what `langfuse setup` would create there. Nothing is created."""
    _run(lambda _: None, is_dry=True, is_update=False, as_json=as_json, left_out=Counter())


def _run(more: Any, *, is_dry: bool, is_update: bool, as_json: bool, left_out: Counter[str]) -> None:
    from src.insight.langfuse_setup.server import LangfuseApi, LangfuseProblem
    from src.insight.langfuse_setup.steps import Creator, set_up_dashboard, set_up_score_configs

    api = LangfuseApi(_settings(), note=note)
    with contextlib.closing(api):
        creator = Creator(api=api, is_dry=is_dry, is_update=is_update, progress=_progress(quiet=as_json))
        try:
            project = api.project()
            trouble = None
            for step in (set_up_score_configs, set_up_dashboard, more):
                step(creator)
        except LangfuseProblem as error:
            if not creator.items:
                problem(str(error))
                raise typer.Exit(1) from error
            trouble = str(error)  # what was done until then is said
    _show(project, creator.items, left_out, trouble, as_json=as_json)
    failed = trouble is not None or any(item.state == "failed" for item in creator.items)
    raise typer.Exit(1 if failed else 0)


def _settings() -> Settings:
    """Return the settings.

    Raises:
        ValueError: keys are missing, or delivery is switched off.
    """
    from src.observability.settings import Settings

    settings = Settings.read()
    if not settings.langfuse_configured:
        raise ValueError("Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY: they say which project is meant.")
    if settings.langfuse_off is not None:
        raise ValueError(f"{settings.langfuse_off} switches Langfuse off: nothing is sent there.")
    return settings


def _examples(dataset: str, chosen_by: dict[str, str | None], limit: int, left_out: Counter[str]) -> Iterator[Example]:
    from src.agents.market.symbols import same_symbol
    from src.insight.langfuse_setup.dataset import examples
    from src.observability.commands.trace_options import trace_filter
    from src.observability.ledger import LedgerReader
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    store: StoreReader = StoreReader(Settings.read().trace_db)
    since, symbol = chosen_by["since"], chosen_by["symbol"]
    since_ns = trace_filter({"since": since}).since_ns if since else None
    equal = {name: value for name in ("agent", "environment") if (value := chosen_by[name]) is not None}

    def is_chosen(entry: Entry) -> bool:
        decision = entry.decision
        return (
            (since_ns is None or decision.time_ns >= since_ns)
            and all(getattr(decision, name) == value for name, value in equal.items())
            and (symbol is None or same_symbol(symbol, decision.symbol))
        )

    chosen = [entry for entry in LedgerReader(store).entries() if is_chosen(entry)]
    return examples(chosen[-limit:], store, dataset, left_out)


def _progress(*, quiet: bool) -> Any:
    """Return what says on a terminal what is done, about each second."""
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 1.0:
            last = time.monotonic()
            note(text)

    return tell


def _show(project: Project, items: list[Item], left_out: Counter[str], trouble: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "project": {"id": project.id, "name": project.name, "url": project.url, "version": project.version},
                "items": [
                    {"kind": item.kind, "name": item.name, "state": item.state, "n": item.count, "detail": item.detail}
                    for item in items
                ],
                "decisions_left_out": dict(left_out),
                "problem": trouble,
            }
        )
        return
    print_ = out().print
    print_(f"project  [bold]{escape(project.name or project.id)}[/]")
    print_(f"page     {escape(project.url)}")
    print_(f"version  {escape(project.version or 'not said')}")
    print_table(_COLUMNS, [_cells(item) for item in items])
    for reason, count in left_out.most_common():
        note(f"{count:,} decisions make no item: {reason}.")
    if any(item.state == "missing" for item in items):
        note("`moondev langfuse setup` creates what is missing.")
    if any(item.state == "differs" for item in items):
        note("`moondev langfuse setup --update` changes what differs.")
    if trouble is not None:
        problem(trouble)


def _cells(item: Item) -> tuple[str, ...]:
    style = _STYLES.get(item.state, "bold yellow")
    return (item.kind, escape(item.name), f"{item.count:,}", f"[{style}]{item.state}[/]", escape(item.detail))
