"""`moondev alerts`: what each command prints, and how it ends."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from src.cli import main
from src.models.limits import budgets
from src.observability.alerts.state_file import state_path
from src.observability.store.budgets import BudgetStore
from tests.commands import Screen, run_app
from tests.servers import Reply, Server
from tests.unit.observability.alerting import NOW, add_calls, rules_of

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
[destination.team]
kind = "slack"
url_env = "ALERT_URL"

[[rule]]
name = "spend"
kind = "cost"
threshold = 5
to = ["log", "team"]

[[rule]]
name = "errors"
kind = "error_rate"
threshold = "20%"

[[rule]]
name = "day"
kind = "budget"
threshold = "80%"
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOONDEV_ALERTS", str(rules_of(tmp_path, FILE).path))
    return tmp_path / "traces.db"


def alerts(*words: str, **options: Any) -> Screen:
    return run_app(main, "alerts", *words, **options)


def add_recent_calls(store: Path, count: int, **changes: Any) -> None:
    add_calls(store, count, ago_s=NOW - time.time() + 60, **changes)


@pytest.mark.usefixtures("within_one_hour")
def test_check_says_what_holds_and_ends_so(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_recent_calls(store, 30, cost_usd=0.1)
    quiet = alerts("check", width=80)
    assert quiet.code == 0
    assert "1 of 3 rules have too little to measure" in quiet.err
    assert max(map(len, quiet.out.splitlines())) <= 80
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    (budget,) = budgets.current()
    BudgetStore(store).reserve([budget.window_at(time.time(), None)], 4.5, time.time() + 600)
    loud = alerts("check", "--json")
    document = json.loads(loud.out)
    assert loud.code == 1
    assert [(row["name"], row["holds"]) for row in document["rules"]] == [
        ("spend", False), ("errors", False), ("day", True),
    ]  # fmt: skip
    assert (
        "the day's budget of $5.00 (everything): $0.00 spent, $4.50 reserved" in document["rules"][2]["reading"]["text"]
    )
    assert not state_path(store).exists()


def test_watching_once_notifies_and_listing_shows_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_recent_calls(store, 30, cost_usd=1.0)
    with Server(lambda _: Reply(503)) as server:
        monkeypatch.setenv("ALERT_URL", f"{server.url}/secretpath")
        watched = alerts("watch", "--once")
        assert len(server.received) == 1
    assert "firing spend: cost $30.00 of 30 calls in 1 h" in watched.out
    assert "[FIRING] spend (warning): cost $30.00" in caplog.text
    assert "3 rules of" in watched.err
    listed = json.loads(alerts("list", "--json").out)
    assert [row["state"] for row in listed["rules"]] == ["firing", "ok", "ok"]
    assert listed["waiting"][0]["problem"] == "HTTP 503"
    assert listed["checked_by"] is None
    shown = alerts("list", width=80)
    assert "waits since" in shown.err
    assert "secretpath" not in shown.text + watched.text + caplog.text


def test_testing_prints_what_came_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda request: Reply(body=b"ok")) as server:
        monkeypatch.setenv("ALERT_URL", f"{server.url}/secretpath")
        tried = alerts("test")
        assert tried.code == 0
        assert "team (slack): HTTP 200: ok" in tried.out
        assert "[TEST] test (info)" in server.received[0].json["text"]
        dry = json.loads(alerts("test", "spend", "--dry-run", "--json").out)
        assert "of the rule spend (cost &gt;= $5.00, 1 h)" in dry[1]["body"]["text"]
        assert len(server.received) == 1
        monkeypatch.setenv("ALERT_URL", "")
        missing = alerts("test", "team")
    assert missing.code == 1
    assert "ALERT_URL is not set" in missing.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("test", "nobody"), "'nobody' is neither a rule nor a destination"),
        (("watch", "--every", "5"), "--every is '5': give a duration with its unit"),
        (("check", "--file", "/no/such.toml"), "/no/such.toml cannot be read: No such file or directory."),
    ],
)
def test_wrong_input_is_one_line_and_code_2(store: Path, words: tuple[str, ...], problem: str) -> None:
    screen = alerts(*words)
    assert (screen.code, screen.out) == (2, "")
    assert problem in screen.err


def test_without_a_file_it_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_ALERTS", "off")
    assert "There is no file of rules: write alerts.toml" in alerts("list").err
