"""What a person sees: on terminals of any width and encoding, and at the command line's edges."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from src.cli import main
from src.observability import __main__ as observability
from src.observability import observe_agent
from tests.commands import run_app
from tests.long import IS_LONG
from tests.servers import Server, chat_reply, decision
from tests.unit.observability.test_spool import record

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.spool import Spool

STYLES = re.compile(r"\x1b\[[0-9;]*m")
SIGNS = "₿ — „quoted“ … → 日本 § ±"  # no accented letters, which a market's name must not have
MODEL = "meta-llama/llama-3.3-70b-instruct-with-a-long-name"


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    rows = [
        f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00,{100 + n % 5},{103 + n % 5},{99 + n % 5},{101 + n % 5},7"
        for n in range(80)
    ]
    file = tmp_path / "p.csv"
    file.write_text("\n".join(["Date,Open,High,Low,Close,Volume", *rows]))
    return file


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    return monkeypatch


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_signs_that_a_terminal_lacks_are_replaced(
    encoding: str, prices: Path, openai: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The decision was paid for: what it says must come out, whatever the terminal."""
    portfolio = tmp_path / "p.json"
    position = {"symbol": SIGNS, "value_usd": 9000.0, "pnl_usd": -1.0}
    portfolio.write_text(json.dumps({"equity_usd": 1e4, "start_equity_usd": 1e4, "positions": [position]}))
    with Server(lambda _: chat_reply(decision("BUY", 70, SIGNS))) as server:
        openai.setenv("OPENAI_BASE_URL", server.url + "/v1")
        words = [
            ["doctor", "--offline"],
            ["risk", str(portfolio), "--rules-only"],
            ["trade", SIGNS, "--models", "openai:a,openai:b", "--csv", str(prices)],
            ["traces"],
            ["traces", "show", "last", "--full"],
            ["traces", "show", SIGNS],
            ["traces", "tail", "--from-start", "-n", "1"],
            ["models", "claude"],
            ["--help"],
            ["models", SIGNS],
        ]
        # In a short run every command in two encodings, and in the others those that show what the model wrote.
        commands = words if IS_LONG or encoding in ("ascii", "cp1252") else words[2:4]
        for terminal in (False, True) if IS_LONG else (encoding == "cp1252",):
            for command in commands:
                screen = run_app(main, *command, encoding=encoding, terminal=terminal, width=100)
                assert screen.code == (2 if SIGNS in command[1:] and command[0] != "trade" else 0), screen.err
                assert "Traceback" not in screen.err
    shown = run_app(main, "traces", "show", "last", "--full", encoding=encoding, width=300).out
    expected = {"ascii": '? - "quoted" . > ?? ? ?', "cp1252": "? — „quoted“ … > ?? § ±", "utf-8": SIGNS}
    assert expected.get(encoding, '? - "quoted" . > ?? § ±') in shown


def test_a_c_locale_does_not_stop_a_decision(prices: Path) -> None:
    with Server(lambda _: chat_reply(decision("BUY", 70, SIGNS))) as server:
        environment = {
            **os.environ, "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "", "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": server.url + "/v1",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", "from src.cli import main; main()", "trade", "BTC-日₿", "--models", "openai:a",
             "--csv", str(prices)],
            capture_output=True, env=environment, check=False, timeout=60,
        )  # fmt: skip
        prompt = str(server.received[0].json["messages"])
    assert done.returncode == 0, done.stderr
    assert "Market: BTC-日₿" in prompt
    assert b"BTC-??" in done.stdout
    assert b'"quoted"' in done.stdout.replace(b"\n", b" ")
    assert b"`-- " in done.stdout or b"+-- " in done.stdout


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_what_identifies_is_whole_at_every_width(width: int, prices: Path, openai: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply(decision("BUY", 70, "because " * 60))) as server:
        openai.setenv("OPENAI_BASE_URL", server.url + "/v1")
        trade = run_app(
            main, "trade", "ABC", "--models", f"openai:gpt-4o,openai:{MODEL}", "--csv", str(prices),
            terminal=True, width=width,
        )  # fmt: skip
    traces = json.loads(run_app(main, "traces", "list", "--json").out)
    listed, models, doctor = (
        run_app(main, *words, terminal=True, width=width)
        for words in (["traces", "list"], ["models", "openai"], ["doctor", "--offline"])
    )
    for screen in (trade, listed, models, doctor):
        lines = STYLES.sub("", screen.out).splitlines()
        assert max(map(len, lines)) <= width
        assert "…" not in screen.out
    row = STYLES.sub("", listed.out).splitlines()[1].split()
    assert len(row[0]) >= 12
    assert traces[0]["trace_id"].startswith(row[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row[1])
    assert re.fullmatch(r"\d\d:\d\d:\d\d", row[2])
    assert row[-1].startswith("$") or row[-1] == "unknown"
    table = STYLES.sub("", trade.out)
    assert re.search("openai:gpt-4o +BUY", table)
    assert traces[0]["trace_id"] in table
    assert "cost" in table
    if width >= 80:
        assert "latency" in table
        assert "errors" in listed.out
    if width >= 120:
        assert row[0] == traces[0]["trace_id"]
        assert f"openai:{MODEL}" in table


def test_a_narrow_terminal_shows_each_row_as_lines() -> None:
    with observe_agent("momentum") as run:
        pass
    screen = run_app(main, "traces", "list", terminal=True, width=40)
    text = STYLES.sub("", screen.out)
    assert max(map(len, text.splitlines())) <= 40
    assert re.search(rf"trace +{str(run.trace_id)[:12]}", text)
    assert re.search(r"started \(UTC\) +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text)
    assert re.search(r"cost +unknown|cost +\$", text)


def test_ids_that_begin_alike_are_shown_as_far_as_they_differ(spool: Spool) -> None:
    for number in (1, 2):
        spool.append(record(number))  # ids that differ in the last digit alone
    shown = {line.split()[0] for line in run_app(main, "traces", "list", terminal=True, width=80).out.splitlines()[1:]}
    assert len(shown) == 2
    for trace_id in shown:
        assert run_app(main, "traces", "show", trace_id).code == 0
    ambiguous = run_app(main, "traces", "show", "0000000000")
    assert ambiguous.code == 2
    assert f"{1:032x}" in ambiguous.err
    assert "give more of the id" in ambiguous.err


def test_without_colours_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with observe_agent("momentum"):
        pass
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[0-9;]*(3[0-8]|9[0-7])m")
    assert not coloured.search(run_app(main, "doctor", "--offline", terminal=True, width=80).out)
    assert "\x1b" not in run_app(main, "traces", "list", width=80).text


def test_lists_and_their_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        with observe_agent(f"agent-{number}"):
            pass
    assert len(run_app(main, "traces", "-n", "2").out.splitlines()) == 3
    assert run_app(main, "traces", "-n", "2").out == run_app(main, "traces", "list", "-n", "2").out
    assert [item["name"] for item in json.loads(run_app(main, "traces", "--json", "-n", "1").out)] == ["agent-2.run"]
    for words in (
        ("traces", "list", "-n", "0"), ("traces", "-n", "-1"), ("traces", "list", "--limit", "x"),
        ("traces", "tail", "-n", "-1"), ("traces", "tail", "-n", "0"), ("traces", "tail", "--interval", "nan"),
        ("traces", "list", "-n", "99999999999999999999"), ("traces", "export", "--timeout", "-1"),
    ):  # fmt: skip
        refused = run_app(main, *words)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert words[-1] in refused.err
        assert words[-2] in refused.err or "--" in refused.err
    misplaced = run_app(main, "traces", "-n", "2", "show", "last")
    assert (misplaced.code, "after its name" in misplaced.err) == (2, True)
    for nothing in ("", " ", "zz", "f" * 40, "%"):
        assert run_app(main, "traces", "show", nothing).code == 2


def test_a_missing_store_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nowhere" / "t.db"
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    for words in (("traces", "list", "--json"), ("traces", "--json")):
        screen = run_app(main, *words)
        assert (screen.code, json.loads(screen.out)) == (0, [])
        assert str(path) in screen.err
    plain = run_app(main, "traces")
    assert (plain.code, plain.out) == (0, "")
    assert str(path) in plain.err
    shown = run_app(main, "traces", "show", "last")
    assert (shown.code, "MOONDEV_TRACE_DB" in shown.err) == (2, True)
    assert not path.parent.exists()


def test_a_file_of_somebody_else_is_named_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Date,Open,High,Low,Close\n" * 100)
    before = path.read_bytes()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    for words in (("traces",), ("traces", "show", "last"), ("traces", "tail", "-n", "1")):
        refused = run_app(main, *words)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "prices.csv is no trace store" in refused.err
    assert "no call is recorded" in run_app(main, "doctor", "--offline", width=400).out
    assert [item.name for item in tmp_path.iterdir()] == ["prices.csv"]
    assert path.read_bytes() == before


def test_a_decision_stands_where_nothing_can_be_recorded(
    tmp_path: Path, prices: Path, openai: pytest.MonkeyPatch
) -> None:
    with Server(lambda _: chat_reply(decision("BUY", 70))) as server:
        openai.setenv("OPENAI_BASE_URL", server.url + "/v1")
        openai.setenv("MOONDEV_TRACE_DB", str(prices))
        before = prices.read_bytes()
        decided = run_app(main, "trade", "ABC", "--models", "openai:a", "--csv", str(prices))
        as_json = run_app(main, "trade", "ABC", "--models", "openai:a", "--csv", str(prices), "--json")
    assert (decided.code, "ABC: BUY" in decided.out, "cannot be shown" in decided.err) == (0, True, True)
    assert (as_json.code, json.loads(as_json.out)["action"]) == (0, "BUY")
    assert prices.read_bytes() == before


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_that_makes_no_sense_is_refused_by_its_own_name(seconds: str, prices: Path) -> None:
    refused = run_app(main, "trade", "ABC", "--models", "local", "--csv", str(prices), "--timeout", seconds)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert f"--timeout is {seconds}" in refused.err


def test_paragraphs_of_a_help_fill_the_width() -> None:
    prose = run_app(main, "trade", "--help").out.partition("╭")[0].strip().splitlines()
    last = prose[-5:]
    assert [line for line, below in pairwise(last) if len(line.strip()) + len(below.split()[0]) < 78] == []


def test_version_and_help() -> None:
    assert run_app(main, "--version").out == f"moondev {metadata.version('moondev-observed')}\n"
    alone = run_app(main)
    assert alone.code == 0
    assert "moondev trade EURUSD --swarm" in alone.out.replace("\n", " ")
    package = run_app(observability.main)
    assert (package.code, "python -m src.observability doctor" in package.out.replace("\n", " ")) == (0, True)
    unknown = run_app(main, "trad")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "'trad'" in unknown.err
    assert "--help" in unknown.err
