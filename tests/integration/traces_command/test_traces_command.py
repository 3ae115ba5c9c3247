"""`moondev traces`, `report` and `quality` as their user runs them, in this process."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest

from src.insight.facts.schema import facts_path
from src.observability.commands.tree import draw
from src.observability.store.reader import StoreReader
from src.observability.store.spool import Spool
from tests.integration.traces_command.runs import HOSTILE, TRACES, generation, listed, moondev, record, widest
from tests.unit.observability.records import span_record

if TYPE_CHECKING:
    from pathlib import Path


FIELDS = {"trace_id", "name", "agent", "symbol", "session_id", "start", "status", "calls", "cost_usd", "scores"}


def test_last_is_the_newest_trace_but_those_of_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "own.db"))
    spool = Spool(tmp_path / "own.db")
    for number in range(21):
        spool.append(span_record(900 + number, name="moondev.doctor"))
    refused = moondev("traces", "show", "last")
    assert refused.code == 2
    assert "test traces of `doctor` alone" in refused.err
    spool.append(span_record(5, name="momentum.run"))
    for number in range(170):  # more than are looked at first
        spool.append(span_record(2_000 + number, name="moondev.doctor"))
    spool.close()
    shown = moondev("traces", "show", "last", "--json")
    assert json.loads(shown.out)["trace_id"] == f"{5:032x}", shown.text


def test_a_list_has_the_fields_of_the_contract() -> None:
    newest, second = listed("--limit", "2")
    assert set(newest) >= FIELDS
    assert {name: newest[name] for name in FIELDS - {"start"}} == {
        "trace_id": f"{TRACES:032x}", "name": "momentum.run", "agent": "momentum", "symbol": "BTC-USD",
        "session_id": "loop-2", "status": "ok", "calls": 1, "cost_usd": 0.25, "scores": {"pnl": 1.9},
    }  # fmt: skip
    assert newest["start"] == "2025-11-26T05:00:00.000000Z"
    assert second["start"] < newest["start"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--agent", "Momentum"], 20), (["--agent", "x"], 0), (["--model", "openai:gpt-4o", "--symbol", "btc-usd"], 15),
        (["--session", "loop-1"], 10), (["--status", "error"], 6),
        (["--category", "timeout", "--symbol", "ETH-USD"], 3),
        (["--status", "ok", "--min-cost", "0.25"], 20), (["--min-latency", "1100ms"], 0), (["--user", "u"], 20),
        (["--environment", "paper", "--tag", "momentum", "--provider", "openai"], 20), (["--score", "pnl>=1.85"], 1),
        (["--since", "2025-11-26", "--until", "2025-11-26T02:00:00+00:00"], 2), (["--since", "1h"], 0),
        (["--search", "PRICE 64,01"], 10), (["--search", "nowhere in it"], 0),
    ],
)  # fmt: skip
def test_filters_leave_what_they_say(words: list[str], count: int) -> None:
    assert len(listed(*words)) == count


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--status", "bad"], "--status is 'bad': give ok or error."),
        (["--since", "yesterday"], "--since is 'yesterday': give how long ago, such as 7d"),
        (["--since", "1d", "--until", "2d"], "--since is not before --until"),
        (["--min-cost", "lots"], "--min-cost is 'lots': give US dollars"),
        (["--min-cost", "nan"], "--min-cost is 'nan'"),
        (["--min-latency", "-3"], "--min-latency"),
        (["--score", "pnl>="], "--score is 'pnl>=': give a name, or a comparison"),
        (["--score", "pnl=inf"], "is no number that a score can have"),
        (["--score", "pnl<low"], "< compares numbers, and 'low' is none"),
        (["--agent", ""], "--agent is empty"),
        (["--search", " "], "--search is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words: list[str], message: str) -> None:
    screen = moondev("traces", "list", *words)
    assert screen.code == 2
    assert message in screen.err
    assert screen.err.count("\n") == 1
    assert screen.out == ""


def test_nothing_as_wanted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No trace matches these options" in moondev("traces", "list", "--agent", "x").err
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "none.db"))
    assert "There is no trace store at" in moondev("traces", "list", "--agent", "x").err
    assert json.loads(moondev("traces", "list", "--json", "--agent", "x").out) == []


def test_a_trace_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LANGFUSE_PUBLIC_KEY": "pk-lf-x", "LANGFUSE_SECRET_KEY": "sk-lf-x-0123456789",
                        "LANGFUSE_HOST": "https://user:pw@lf.example/", "MOONDEV_OFFLINE": ""}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    data = json.loads(moondev("traces", "show", "last", "--json").out)
    assert set(data) >= FIELDS
    assert data["links"] == [{"name": "Langfuse", "url": f"https://lf.example/trace/{TRACES:032x}"}]
    assert [(score["name"], score["value"]) for score in data["scores"]] == [("pnl", 1.9)]
    (decision,) = data["decisions"]
    assert (decision["action"], decision["votes"][0]["member"]) == ("BUY", "openai:gpt-4o")
    call = next(item for item in data["observations"] if item["type"] == "generation")
    assert call["input"] == [{"role": "user", "content": "price 64,029"}]
    assert (call["output"], call["tags"]) == (HOSTILE, ["momentum", "BTC-USD"])
    text = moondev("traces", "show", "last", terminal=True, width=80).out
    for words in ("session loop-2", "pnl = 1.9", "BTC-USD BUY at 70%", "openai:gpt-4o  BUY 70%", "lf.example/trace/"):
        assert words in text
    assert widest(text) <= 80


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_traces_are_saved_whole_and_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"saved.{suffix}"
    assert moondev("traces", "save", path).code == 0
    rows: list[dict[str, Any]]
    if suffix == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    elif suffix == "csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    assert [row["observation_id"] for row in rows] == [
        f"{trace * 10 + span + 1:016x}" for trace in range(TRACES) for span in (1, 0)
    ]
    call = rows[2]
    assert call["output"] == (f"'{HOSTILE}" if suffix == "csv" else HOSTILE)
    assert float(call["cost_usd"]) == 0.25
    assert rows[0]["cost_usd"] in (None, "")  # unknown is not 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208 - hidden files too
    few = tmp_path / f"few.{suffix.upper()}"
    assert moondev("traces", "save", few, "--symbol", "BTC-USD", "--status", "error", "-n", "2").code == 0
    assert "4 observations saved" in moondev("traces", "save", few, "--status", "error", "-n", "2").err


def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("before")
    assert "let it end in .jsonl, .csv or .parquet" in moondev("traces", "save", path).err
    screen = moondev("traces", "save", tmp_path / "no" / "folder.csv")
    assert screen.code == 2
    assert "No such file or directory" in screen.err
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["kept.txt"]  # noqa: PTH208 - hidden files too


def test_an_interrupted_save_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.search import records

    def cut(_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "flat", cut)
    (tmp_path / "a.jsonl").write_text("before")
    assert moondev("traces", "save", tmp_path / "a.jsonl").code == 130
    assert (tmp_path / "a.jsonl").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.jsonl"]  # noqa: PTH208 - hidden files too


def test_traces_are_chosen_by_their_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "t.db")
    for trace, prompt in enumerate(("a & b", "other")):
        spool.append(record(trace, 0, None, "run", {"langfuse.observation.prompt.name": prompt}))
    spool.close()
    with sqlite3.connect(spool.path) as connection:  # a row of a program before the column
        connection.execute("UPDATE observations SET prompt_name = NULL, repaired = NULL WHERE seq = 1")
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(spool.path))
    for prompt, trace in (("A & B", 0), ("other", 1)):
        (row,) = json.loads(moondev("traces", "list", "--json", "--prompt", prompt).out)
        assert int(row["trace_id"], 16) - 1 == trace


def test_tokens_that_nobody_knows_are_not_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "t.db")
    spool.append(generation(0, failed=True))
    spool.close()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(spool.path))
    head, row = moondev("traces", width=200).out.splitlines()
    assert "started (UTC)" in head
    assert re.split(r"  +", row)[-2] == "-"


def test_a_circle_of_parents_is_drawn_once_and_a_long_chain_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "t.db")
    for span, parent in ((0, None), (1, 3), (2, 1), (3, 2), (4, 4), (5, 3)):
        spool.append(record(1, span, parent, f"call{span}", {}))
    for span in range(1_200):
        spool.append(span_record(span, trace_id="f" * 32, span_id=f"{span:016x}",
                                 parent_span_id=f"{span - 1:016x}" if span else None, name=f"deep{span}"))  # fmt: skip
    spool.close()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(spool.path))
    screen = moondev("traces", "show", f"{2:032x}", width=80)
    assert screen.code == 0
    lines = screen.out.splitlines()
    for span in range(6):
        assert sum(f"call{span}" in line for line in lines) == 1
    assert [line.partition(" ")[2][:5] for line in lines if "its parents form a circle" in line] == ["call1", "call4"]
    nodes, depth = draw(StoreReader(spool.path).trace("f" * 32)).children, 0  # to print it takes seconds
    while nodes:
        nodes, depth = nodes[0].children, depth + 1
    assert depth == 1_200


def test_a_report_has_the_fields_of_the_contract_and_sums_up() -> None:
    data = json.loads(moondev("report", "--json", "--by", "symbol").out)
    for row in (data["total"], *data["rows"]):
        assert {"calls", "errors", "input_tokens", "output_tokens", "cost_usd", "unpriced", "p50_ms", "p95_ms"} <= set(
            row
        )
    assert {row["key"]: (row["calls"], row["errors"]) for row in data["rows"]} == {
        "BTC-USD": (15, 3),
        "ETH-USD": (15, 3),
    }
    assert (data["total"]["cost_usd"], data["total"]["unpriced"], data["total"]["p50_ms"]) == (6.0, 6, 1000.0)
    only = json.loads(moondev("report", "--json", "--by", "model", "--model", "openai:gpt-4o").out)
    assert [row["key"] for row in only["rows"]] == ["gpt-4o"]


def test_reports_fit_a_narrow_terminal_and_go_into_files(tmp_path: Path) -> None:
    period = ["--since", "2025-11-26", "--until", "2025-11-27"]
    for words in (
        ["report", "--by", "day"],
        ["report", "--by", "agent", *period],
        ["quality"],
        ["report", "--quality"],
    ):
        files = (tmp_path / "r.md", tmp_path / "r.html")
        screen = moondev(*words, "--md", files[0], "--html", files[1], terminal=True, width=80)
        assert screen.code == 0, screen.err
        assert widest(screen.out) <= 80
        for file in files:
            assert "\x1b" not in file.read_text()
            assert len(file.read_text()) > 500
    assert "--by is 'nothing': give one of" in moondev("report", "--by", "nothing").err
    assert "--by is 'nothing': give one of" in moondev("quality", "--by", "nothing").err


def test_quality_scores_are_stored_once_and_shown(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.db"
    with sqlite3.connect(store) as source, sqlite3.connect(own) as target:
        source.backup(target)
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(own))
    first = json.loads(moondev("quality", "--scores", "--json").out)
    assert first["scores_stored"] == 2 * TRACES
    assert json.loads(moondev("quality", "--scores", "--json").out)["scores_stored"] == 0
    assert len(listed("--score", "reply_form=valid", "--limit", "100")) == TRACES - TRACES // 5
    assert facts_path(own).exists()
