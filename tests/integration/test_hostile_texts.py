"""No control character of a foreign text reaches a terminal from any command: replies, names, errors, file names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src.cli import main
from src.cli.app import app
from src.models import ModelFactory
from src.observability import __main__ as observability
from src.observability import observe_agent, score
from tests import warm
from tests.commands import Screen, run_app
from tests.servers import Reply, Server, chat_reply, decision, error_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
# The clipboard, the title, a cleared screen, a colour that we do not use, C1 controls, delete, marks of direction, an
# overwritten line, markup and emoji codes of Rich.
HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07 \x1b]0;owned\x07 \x1b[2J\x1b[38;5;201mpink \x9b31m \x9dtitle\x9c \x08\x7f \u202eevil\u2066 "
    "\u2028line \ufeff [bold red]markup[/] [link=http://evil]a[/link] [/] :smile: \\"
)
# A name without slashes and line ends, which files can have too.
NAME = "n\x1b]0;owned\x07\x9b31m\u202e\x7f[red]:smile:"
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
# Styles, and what a live table needs: hide and show the cursor, go up a line, erase a line.
OWN_STYLES = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\r?\x1b\[(1A|2K)")


def assert_clean(screen: Screen) -> None:
    assert "\x1b[38;5;201m" not in screen.text
    assert "Traceback" not in screen.err
    assert screen.text
    rest = OWN_STYLES.sub("", screen.text)
    assert not FORBIDDEN.search(rest), repr(rest)


@dataclass
class Place:
    """What the commands work on."""

    csv: Path
    portfolio: Path
    broken: Path
    trace_id: str


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a store, files and a server whose every text is hostile."""
    rows = [
        f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00,{100 + n % 5},{103 + n % 5},{99 + n % 5},{101 + n % 5},7"
        for n in range(80)
    ]
    csv = tmp_path / f"{NAME}.csv"
    csv.write_text("\n".join(["Date,Open,High,Low,Close,Volume", *rows]))
    portfolio = tmp_path / f"{NAME}.json"
    position = {"symbol": HOSTILE, "value_usd": 9000.0, "pnl_usd": -310.0}
    portfolio.write_text(json.dumps({"equity_usd": 9500.0, "start_equity_usd": 10000.0, "positions": [position]}))
    broken = tmp_path / f"{NAME}-broken.json"
    broken.write_text("{" + HOSTILE)

    def answer(request: object) -> Reply:
        path, body = getattr(request, "path", ""), getattr(request, "body", b"")
        if "models" in path:
            data = [{"id": f"{NAME}{HOSTILE}", "object": "model", "created": 1, "owned_by": HOSTILE}]
            return Reply(body=json.dumps({"object": "list", "data": data}).encode())
        if b"no-reply" in body:
            return error_reply(400, HOSTILE)
        if b"commenter" in body:
            return chat_reply(
                json.dumps({"override": False, "confidence": 10, "comment": HOSTILE, "reasoning": HOSTILE})
            )
        return chat_reply(decision("BUY", 70, HOSTILE), model=HOSTILE)

    with Server(answer) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        with observe_agent(NAME, input=HOSTILE, metadata={NAME: HOSTILE}, name=HOSTILE, trading_pair=HOSTILE) as run:
            ModelFactory.get_model("openai", f"{NAME}").generate_response(HOSTILE, HOSTILE)
            run.update(output=HOSTILE)
        with pytest.raises(ValueError, match="evil"), observe_agent(HOSTILE):
            raise ValueError(HOSTILE)
        score(HOSTILE, HOSTILE, trace_id=run.trace_id, comment=HOSTILE)
        yield Place(csv=csv, portfolio=portfolio, broken=broken, trace_id=str(run.trace_id))


COMMANDS: dict[str, list[str]] = {
    "trade": ["trade", NAME, "--models", f"openai:{NAME},openai:no-reply{NAME},claude:{NAME}", "--csv", "CSV"],
    "trade --json": ["trade", "X", "--models", "openai:a", "--csv", "CSV", "--json"],
    "trade of a hostile symbol": ["trade", HOSTILE, "--models", "openai:a", "--csv", "CSV"],
    "trade without prices": ["trade", HOSTILE],
    "trade on a missing file": ["trade", "X", "--csv", f"{NAME}{HOSTILE}"],
    "trade with an unknown provider": ["trade", "X", "--csv", "CSV", "--models", f"{HOSTILE}:x"],
    "risk": ["risk", "PORTFOLIO", "--max-loss", "100", "--model", "openai:commenter"],
    "risk, the model refused": ["risk", "PORTFOLIO", "--max-loss", "100", "--model", "openai:no-reply"],
    "risk --json": ["risk", "PORTFOLIO", "--max-loss", "100", "--model", "openai:commenter", "--json"],
    "risk on a broken file": ["risk", "BROKEN"],
    "risk on a missing file": ["risk", NAME],
    "traces": ["traces"],
    "traces list": ["traces", "list"],
    "traces list --json": ["traces", "list", "--json"],
    "traces show": ["traces", "show", "TRACE"],
    "traces show --full": ["traces", "show", "TRACE", "--full"],
    "traces show last": ["traces", "show", "last", "-f"],
    "traces show of no trace": ["traces", "show", HOSTILE],
    "traces tail": ["traces", "tail", "--from-start", "-n", "3"],
    "traces export": ["traces", "export"],
    "models of no provider": ["models", HOSTILE],
    "models --live": ["models", "openai", "--live"],
    "models --live --json": ["models", "openai", "--live", "--json"],
    "doctor": ["doctor", "--offline"],
    "doctor --json": ["doctor", "--offline", "--json"],
    "no command": [f"x{HOSTILE}"],
    "no option": [f"--x{HOSTILE}"],
    "no number": ["traces", "list", "-n", HOSTILE],
    "help": ["--help"],
    "no words": [],
}


def words_of(command: str, place: Place) -> list[str]:
    files = {"CSV": place.csv, "PORTFOLIO": place.portfolio, "BROKEN": place.broken, "TRACE": place.trace_id}
    return [str(files.get(word, word)) for word in COMMANDS[command]]


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_commands_show_controls_as_text(place: Place, terminal: bool) -> None:
    for command in COMMANDS:
        screen = run_app(main, *words_of(command, place), terminal=terminal, width=80)
        assert_clean(screen)
        if "--json" in command:
            json.loads(screen.out)
    shown = run_app(main, "traces", "show", place.trace_id, "--full", width=2000).out
    assert "\\x1b]52;c;ZXZpbA==\\x07" in shown
    assert "[bold red]markup[/] [link=http://evil]a[/link] [/] :smile: \\" in shown
    assert "\\u202eevil\\u2066" in shown


def test_every_registered_command_does_with_a_hostile_argument_and_file(place: Place) -> None:
    """A command that is added later is covered too."""
    for command in app.registered_commands:
        assert command.name
        for words in ([HOSTILE], [str(place.csv)], [str(place.broken)], ["--help"]):
            assert_clean(run_app(main, command.name, *words, terminal=True, width=80))


def test_commands_of_the_observability_package_do_too(place: Place) -> None:
    for words in (["traces"], ["traces", "show", "last", "-f"], ["doctor", "--offline"], ["export"], [HOSTILE]):
        assert_clean(run_app(observability.main, *words, terminal=True, width=80))


def test_a_setting_that_names_a_hostile_file_is_shown_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (f"{NAME}.db", f"{NAME}.csv"):
        path = tmp_path / name
        if name.endswith(".csv"):
            path.write_text("no store " * 200)
        monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
        for words in (["traces", "show", "last"], ["doctor", "--offline"]):
            screen = run_app(main, *words, terminal=True, width=1000)
            assert_clean(screen)
            assert "\\x1b]0;owned\\x07" in OWN_STYLES.sub("", screen.text).replace("\n", "")


LOGS = f"""
import logging, sys, warnings
from src.observability.commands import running, terminal
import typer
app = typer.Typer(pretty_exceptions_enable=False)
@app.command()
def work():
    logging.getLogger("x").warning("log %s", {HOSTILE!r})
    warnings.warn({HOSTILE!r})
    print("print", {HOSTILE!r})
    raise RuntimeError({HOSTILE!r})
def report(error):
    raise error
sys.argv = ["moondev"]
terminal.run(lambda: running.run(app, report))
"""


def test_logs_warnings_prints_and_tracebacks_do_too() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, check=False, timeout=60)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1
    assert "log \\x1b]52" in err
    assert "RuntimeError: \\x1b]52" in err
    assert "print \\x1b]52" in out
    assert not FORBIDDEN.search(out + err)


def test_the_scripts_do_too(tmp_path: Path) -> None:
    name = f"{NAME}.py"
    (tmp_path / name).write_text(f"import openai  # {HOSTILE}\nopenai.OpenAI().chat.completions.create(**{{}})\n")
    (tmp_path / f"bad{name}").write_text("def (")
    (tmp_path / "pyproject.toml").write_text("[tool.check_direct_calls]\n")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for words in (
        ["check_direct_calls.py", "."],
        ["check_direct_calls.py", ".", "--format", "json"],
        ["check_direct_calls.py", ".", "--format", "sarif"],
        ["check_direct_calls.py", f"missing{NAME}"],
        ["migrate_to_factory.py", ".", "--jobs", "1"],
        ["migrate_to_factory.py", f"missing{NAME}"],
    ):
        done = warm.run(
            [sys.executable, str(ROOT / "scripts" / words[0]), *words[1:]],
            capture_output=True, check=False, cwd=tmp_path, env=environment, timeout=120,
        )  # fmt: skip
        text = (done.stdout + done.stderr).decode()
        assert text
        assert "Traceback" not in text
        assert not FORBIDDEN.search(text), (words, repr(text))


def test_the_progress_of_the_migration_stays_in_its_line(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"a{number}.py").write_text("import openai\n")
    pty = pytest.importorskip("pty")
    reading, terminal = pty.openpty()
    script = str(ROOT / "scripts" / "migrate_to_factory.py")
    warm.run(
        [sys.executable, script, ".", "--jobs", "1"],
        stdout=subprocess.DEVNULL, stderr=terminal, cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip
    os.close(terminal)
    assert b"\r3 of 3 files\r\n" in os.read(reading, 10_000)
    os.close(reading)
