"""The page of alerts shows rules, states, what waits, and what is wrong with the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.dashboard import Content, open_stores
from tests.dashboard.conftest import opened
from tests.servers import Reply, Server
from tests.unit.observability.alerting import Desk, add_calls

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FILE = """
[destination.team]
kind = "webhook"
url_env = "ALERT_URL"

[[rule]]
name = "<b>errors</b>"
kind = "error_rate"
threshold = "20%"
to = ["team"]

[[rule]]
name = "spend"
kind = "cost"
threshold = 50
where = { agent = "whale" }
"""


def test_rules_states_and_waiting_messages_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply(503, b"<i>busy</i>")) as server:
        monkeypatch.setenv("ALERT_URL", server.url)
        desk = Desk(tmp_path, FILE)
        monkeypatch.setenv("MOONDEV_ALERTS", str(desk.rules.path))
        add_calls(desk.store, 30, level="ERROR")
        with opened(Content(stores=open_stores([desk.store]))) as client:
            assert "never checked" in client.get("/alerts").text
            desk.check()
            page, csv = client.get("/alerts").text, client.get("/alerts/rules.csv").text
            desk.rules.path.write_text("[[rule]]\n", encoding="utf-8")
            wrong = client.get("/alerts").text
    assert "&lt;b&gt;errors&lt;/b&gt;" in page
    assert "HTTP 503: &lt;i&gt;busy&lt;/i&gt;" in page
    assert "error rate 100 % of 30 calls in 15 min" in page
    assert "agent whale" in csv
    assert "rule number 1: name is missing" in wrong
