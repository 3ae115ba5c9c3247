"""Check rules on the store and tell people: `moondev alerts`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.observability.commands.console import note, print_json, problem
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper

if TYPE_CHECKING:
    from src.observability.alerts.followed_file import FollowedFile
    from src.observability.alerts.rules import RuleFile
    from src.observability.alerts.state_file import StateFile
    from src.observability.alerts.watcher import Pass, Watcher
    from src.observability.settings import Settings

app = FastTyper(
    cls=FastGroup,
    help="Check rules on cost, errors, latency, agreement, silence and budgets, and notify.",
    epilog="MOONDEV_ALERTS names the file of rules; without it, it is the project's alerts.toml (docs/alerts.md).",
    invoke_without_command=True,
)
_File = Annotated[
    Path | None, typer.Option("--file", help="The file of rules, in place of the usual one.", show_default=False)
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback()
def alerts(context: typer.Context) -> None:
    """Check rules on cost, errors, latency, agreement, silence and budgets, and notify. Alone: their states."""
    if context.invoked_subcommand is None:
        list_rules()


@app.command("list", cls=FastCommand)
def list_rules(file: _File = None, as_json: _Json = False) -> None:
    """Show the rules with their states, as they were last checked, and the messages that wait."""
    from src.cli import alert_views

    rules, settings = _rules(file), _settings()
    state_file = _state_file(rules, settings)
    document = alert_views.listing(rules, state_file)
    if as_json:
        print_json(document)
    else:
        alert_views.show_listing(document, time.time())


@app.command("check", cls=FastCommand)
def check(file: _File = None, as_json: _Json = False) -> None:
    """Check all rules once, and change and send nothing. Exit code 1 where a rule's condition holds, or it fires.

    A rule that has too little to measure is said to be unknown, and does not count.
    """
    from src.cli import alert_views
    from src.observability.alerts import watcher

    rules, settings = _rules(file), _settings()
    state_file = _state_file(rules, settings)
    checked = watcher.check(rules, settings.trace_db, state_file.states(), time.time(), state_file.waiting())
    rows = [alert_views.checked_data(item) for item in checked]
    if as_json:
        print_json({"file": str(rules.path), "store": str(settings.trace_db), "rules": rows})
    else:
        alert_views.show_checked(rows)
    raise typer.Exit(1 if any(row["holds"] for row in rows) else 0)


@app.command("test", cls=FastCommand)
def send_tests(
    name: Annotated[
        str | None,
        typer.Argument(help="A rule or a destination; all destinations where not given.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
    file: _File = None,
    as_json: _Json = False,
) -> None:
    """Send a message that is marked as a test to each destination, and print what came back.

    Exit code 1 where one does not take it.
    """
    from src.cli import alert_views

    rows = alert_views.trial(_rules(file), name, dry_run=dry_run, offline=_settings().offline)
    if as_json:
        print_json(rows)
    else:
        alert_views.show_trial(rows)
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


@app.command("watch", cls=FastCommand)
def watch(
    every: Annotated[
        str | None, typer.Option(help="How often: 30s, 5m; as the file says where not given.", show_default=False)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Check and notify once, as a timer's command.")] = False,
    file: _File = None,
) -> None:
    """Check the rules again and again, and notify, where no trading process does so. Stop with Ctrl-C.

    While another process checks the same rules on the same store, this one waits to take over.
    """
    from src.observability.alerts import fields

    try:
        every_s = None if every is None else fields.duration(every)
    except fields.FieldProblem as error:
        raise ValueError(f"--every {error}.") from error
    if every_s is not None and every_s < 1:
        raise ValueError(f"--every is {every!r}: give at least 1s.")
    followed = _followed(file)
    try:
        _watch(followed, every_s, once=once)
    finally:
        followed.leave()


def _watch(followed: FollowedFile, every_s: float | None, *, once: bool) -> None:
    from src.cli import alert_views
    from src.observability.alerts.state_file import StateFileError

    begin, trouble = "", ""
    while True:
        watcher = followed.watcher()
        pace_s = every_s or watcher.rules.every_s
        try:
            result = watcher.run_once()
        except StateFileError as error:  # such as a file that is locked for a while
            if once:
                raise
            if str(error) != trouble:
                trouble = str(error)
                problem(trouble)
            time.sleep(pace_s)
            continue
        text = _begin(watcher, result, pace_s, once=once)
        if text != begin:
            begin, trouble = text, ""
            note(text)
        alert_views.show_news(result)
        if once:
            return
        time.sleep(_pause_s(result, pace_s))


def _pause_s(result: Pass, every_s: float) -> float:
    """Return how long to wait: until the next check, or until a message that was not taken is due again."""
    due = min((item.next_at for item in result.waiting), default=None)
    return every_s if due is None else min(every_s, max(due - time.time(), 1.0))


def _begin(watcher: Watcher, result: Pass, every_s: float, *, once: bool) -> str:
    from src.observability.alerts import fields

    if not result.is_leading:
        host, _, rest = (watcher.state_file.leader() or "").partition("|")
        where = f"Process {rest.partition('|')[0]} on {host}" if rest else "Another process"
        return f"{where} checks these rules{'.' if once else ': waiting to take over.'}"
    pace = "once" if once else f"every {fields.shown_duration(every_s)}"
    count = len(result.checked)
    return f"{count} {'rule' if count == 1 else 'rules'} of {watcher.rules.path}, {pace}."


def _followed(file: Path | None) -> FollowedFile:
    from src.observability.alerts.followed_file import FollowedFile

    settings = _settings()
    path, is_named = _path(file)
    return FollowedFile(settings.trace_db, path, is_named=is_named, offline=settings.offline, clock=time.time)


def _settings() -> Settings:
    from src.models.limits import budget_states
    from src.observability.settings import Settings

    budget_states.register()
    return Settings.read()


def _state_file(rules: RuleFile, settings: Settings) -> StateFile:
    from src.observability.alerts.state_file import StateFile

    return StateFile(settings.trace_db, str(rules.path))


def _rules(file: Path | None) -> RuleFile:
    """Return the rules of the chosen file.

    Raises:
        AlertsError: there is none, or it is wrong.
    """
    from src.observability.alerts.rule_file import read_rules

    path, is_named = _path(file)
    return read_rules(path, is_named=is_named)


def _path(file: Path | None) -> tuple[Path, bool]:
    """Return the chosen file, and whether the user has named it.

    Raises:
        AlertsError: there is none.
    """
    import os

    from src.observability.alerts.location import VARIABLE, AlertsError, alerts_path
    from src.observability.settings import load_dotenv_once

    load_dotenv_once()
    path = alerts_path() if file is None else file.absolute()
    if path is None:
        raise AlertsError(f"There is no file of rules: write alerts.toml, or name one in {VARIABLE} (docs/alerts.md).")
    return path, file is not None or bool(os.environ.get(VARIABLE, "").strip())
