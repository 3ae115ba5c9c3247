"""Messages of alerts reach real servers and programs: once, late rather than never, and without their secrets."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.observability import get_tracker
from src.observability.alerts import forms, messages, outbox
from src.observability.alerts.background import Background
from src.observability.alerts.rules import Destination
from src.observability.alerts.state_file import state_path
from src.observability.alerts.watcher import Watcher
from src.observability.store import leases
from src.observability.store.leases import lease_owner
from tests.servers import Received, Reply, Server, eventually
from tests.unit.observability.alerting import NOW, Clock, Desk, add_calls, add_decision, rules_of
from tests.warm import run_program

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "T0SECRETWEBHOOKPATH9f8e7d6c5b4a"
RULE = '[[rule]]\nname = "errors"\nkind = "error_rate"\nthreshold = "20%"\nwindow = "1h"\nto = ["team"]\n'
TEAM = '[destination.team]\nkind = "webhook"\nurl_env = "ALERT_URL"\ntimeout = "10s"\n'
FORMS = {
    "slack": ('kind = "slack"\nurl_env = "ALERT_URL"\n', f"/services/{SECRET}", b"ok"),
    "discord": ('kind = "discord"\nurl_env = "ALERT_URL"\n', f"/api/webhooks/1/{SECRET}", b""),
    "telegram": (
        'kind = "telegram"\ntoken_env = "ALERT_TOKEN"\nchat_id = -100\nurl = "ADDRESS"\n',
        f"/bot123:{SECRET}/sendMessage",
        b'{"ok":true,"result":{}}',
    ),
    "webhook": ('kind = "webhook"\nurl = "ADDRESS/in"\ntoken_env = "ALERT_TOKEN"\n', "/in", b'{"id":1}'),
}


def failing(desk: Desk) -> Desk:
    """Store calls of which each failed, so that the rule fires."""
    add_calls(desk.store, 30, level="ERROR", error_category="timeout", agent="whale")
    return desk


def desk_at(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Desk:
    monkeypatch.setenv("ALERT_URL", f"{server.url}/{SECRET}")
    return failing(Desk(folder, TEAM + RULE, **options))


def statuses(server: Server) -> list[str]:
    return [request.json["status"] for request in server.received]


@pytest.mark.parametrize("kind", list(FORMS))
def test_each_service_gets_its_form_and_no_log_its_secret(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    table, path, answer = FORMS[kind]
    with Server(lambda _: Reply(body=answer)) as server:
        monkeypatch.setenv("ALERT_URL", server.url + path)
        monkeypatch.setenv("ALERT_TOKEN", f"123:{SECRET}")
        text = f"[destination.team]\n{table}{RULE}".replace("ADDRESS", server.url)
        desk = failing(Desk(tmp_path, text.replace('to = ["team"]', 'to = ["team", "log"]')))
        assert not desk.check().waiting
        (request,) = server.received
    assert request.path == path
    words = "error rate 100 % of 30 calls in 1 h (95 % interval 88.6 % to 100 %); timeout 30"
    body = request.json
    shown = body.get("text" if kind in ("slack", "telegram") else "content" if kind == "discord" else "message")
    assert words in shown
    assert body.get("allowed_mentions") == ({"parse": []} if kind == "discord" else None)
    assert body.get("chat_id") == ("-100" if kind == "telegram" else None)
    assert request.headers.get("authorization") == (f"Bearer 123:{SECRET}" if kind == "webhook" else None)
    assert "[FIRING] errors (warning)" in shown
    assert words in caplog.text
    assert SECRET not in caplog.text + state_path(desk.store).read_bytes().decode(errors="replace")


def test_texts_keep_to_each_services_limits_and_call_nobody() -> None:
    document = messages.trial_message(NOW) | {"text": "<!channel> @everyone & \U0001f600" * 1_000}
    bodies = {
        kind: forms.payload(Destination(name="d", kind=kind, chat_id="1"), document, NOW)
        for kind in ("slack", "discord", "telegram")
    }
    assert len(bodies["discord"]["content"].encode("utf-16-le")) // 2 == 2_000
    assert len(bodies["telegram"]["text"].encode("utf-16-le")) // 2 == 4_096
    slack = bodies["slack"]["blocks"][1]["text"]["text"]
    assert "<" not in slack
    assert "&lt;!channel&gt; @everyone &amp;" in slack
    assert max(len(slack), len(bodies["slack"]["text"])) <= 3_000


REFUSALS: dict[str, tuple[Callable[[], Reply], float]] = {
    "500": (lambda: Reply(500, b"oops"), 10.0),
    "429 with Retry-After": (lambda: Reply(429, headers={"retry-after": "77"}), 77.0),
    "429 of Discord": (lambda: Reply(429, b'{"retry_after": 33.5}'), 33.5),
    "429 of Telegram": (lambda: Reply(429, b'{"ok":false,"parameters":{"retry_after":44}}'), 44.0),
    "410": (lambda: Reply(410, b"no_service"), 10.0),
    "a redirect": (lambda: Reply(302, headers={"location": "/elsewhere"}), 10.0),
    "no answer": (lambda: Reply(silent=True), 10.0),
    "an answer that never comes": (lambda: Reply(hang=True), 10.0),
}


def test_a_message_that_is_not_taken_waits_and_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, (refusal, wait_s) in REFUSALS.items():
        folder, replies = tmp_path / name, [refusal(), Reply()]
        folder.mkdir()
        with Server(lambda _, replies=replies: replies.pop(0)) as server:  # type: ignore[misc] # bound default
            monkeypatch.setenv("ALERT_URL", f"{server.url}/{SECRET}")
            desk = failing(Desk(folder, TEAM.replace("10s", "500ms" if refusal().hang else "60s") + RULE))
            (item,) = desk.check().waiting
            assert item.attempts == 1, name
            assert item.next_at - desk.clock.now == pytest.approx(wait_s), name
            assert len(desk.check(wait_s - 1).waiting) == 1, name
            assert len(server.received) == 1, name
            assert not desk.check(2).waiting, name
            assert statuses(server) == ["firing", "firing"], name
            assert server.received[0].json["id"] == server.received[1].json["id"]
    assert SECRET not in caplog.text


def test_a_telegram_that_answers_200_without_ok_has_not_taken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply(body=b'{"ok":false,"description":"chat not found"}')) as server:
        monkeypatch.setenv("ALERT_TOKEN", "1:x")
        place = Destination(name="t", kind="telegram", url=server.url, token_env="ALERT_TOKEN", chat_id="1")
        result = outbox.send(place, messages.trial_message(NOW), NOW)
    assert not result.is_sent
    assert "chat not found" in result.detail


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "ALERT_URL is not set"),
        (f"http://hooks.example/{SECRET}", "begins with http://"),
        (f"hooks.example/{SECRET}", "must begin with https:// or http://"),
        (f"https://me:{SECRET}@hooks.example/", "holds a user or a password"),
        (f"https://hooks.example/{SECRET} ", None),
    ],
)
def test_an_address_that_cannot_be_used_is_named_by_its_variable(
    value: str, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_URL", value)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    place = Destination(name="t", kind="slack", url_env="ALERT_URL")
    detail = outbox.send(place, messages.trial_message(NOW), NOW).detail
    assert problem is None or problem in detail
    assert SECRET not in detail


def test_a_restart_and_a_second_process_notify_nobody_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply()) as server:
        desk = desk_at(server, tmp_path, monkeypatch, owner=lease_owner())
        desk.check()
        second = Watcher(desk.store, desk.rules, "elsewhere|1|b", clock=desk.clock)
        assert not second.run_once().is_leading
        desk.watcher.leave()
        assert second.run_once().is_leading
        assert desk.check().is_leading is False
        assert statuses(server) == ["firing"]


def test_ends_follow_their_beginnings_after_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up = False
    with Server(lambda _: Reply() if up else Reply(503)) as server:
        desk = desk_at(server, tmp_path, monkeypatch)
        desk.check()
        add_calls(desk.store, 400, ago_s=-10)
        assert [item.message["status"] for item in desk.check(20).waiting] == ["firing", "resolved"]
        up = True
        before = len(server.received)
        desk.check(30)
        assert statuses(server)[before:] == ["firing", "resolved"]


def test_a_hanging_destination_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = {"other": 0}

    def answer(request: Received) -> Reply:
        if request.path == "/slow":  # it answers once the other destination has been served
            return Reply(before=lambda: release.update(seen=eventually(lambda: release["other"] > 0)))
        release["other"] += 1
        return Reply()

    with Server(answer) as server:
        tables = "".join(
            f'[destination.{name}]\nkind = "webhook"\nurl = "{server.url}/{name}"\ntimeout = "60s"\n'
            for name in ("slow", "quick")
        )
        desk = failing(Desk(tmp_path, tables + RULE.replace('["team"]', '["slow", "quick"]')))
        assert not desk.check().waiting
    assert release == {"other": 1, "seen": True}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_killed_before_it_notes_a_delivery_leaves_it_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    def answer(_: Received) -> Reply:
        if killed or not child:
            return Reply()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed.append(child)
        return Reply()

    child = 0
    with Server(answer) as server:
        desk = desk_at(server, tmp_path, monkeypatch)
        ready, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(ready, 1)
            Watcher(desk.store, desk.rules, lease_owner(), clock=desk.clock).run_once()
            os._exit(1)
        os.write(go, b"x")
        assert eventually(lambda: bool(killed))
        (item,) = desk.watcher.state_file.waiting()
        assert desk.check().is_leading  # the dead process's lease binds nobody
        assert statuses(server) == ["firing", "firing"]
        assert [request.json["id"] for request in server.received] == [item.message["id"]] * 2
        assert not desk.check().waiting
        assert len(server.received) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_checks_only_once_its_parent_does_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda _: Reply()) as server:
        desk = desk_at(server, tmp_path, monkeypatch)
        background = Background(desk.store, desk.rules.path, clock=Clock())
        background.run_once()
        answers, words = os.pipe()
        orders, order = os.pipe()
        child = os.fork()
        if child == 0:
            background.run_once()
            first = background._followed.watcher().state_file.leader() == background._followed._owner
            os.write(words, b"y" if first else b"n")
            os.read(orders, 1)
            background.run_once()
            second = background._followed.watcher().state_file.leader() == background._followed._owner
            background.wake()
            os.write(words, b"y" if second and background.thread is not None else b"n")
            os._exit(0)
        assert os.read(answers, 1) == b"n"
        background._followed.leave()
        os.write(order, b"x")
        assert os.read(answers, 1) == b"y"
        os.waitpid(child, 0)
        assert statuses(server) == ["firing"]


PROGRAM = """
import json, os, sys
document = json.load(sys.stdin)
print(document["rule"], sys.argv[1], "SHELL" if os.path.exists("made") else "no shell")
open(sys.argv[2], "a").write(document["status"] + "\\n")
sys.exit(int(sys.argv[3]))
"""


def command_of(tmp_path: Path, code: int) -> str:
    program = tmp_path / "notify.py"
    program.write_text(PROGRAM, encoding="utf-8")
    words = [sys.executable, str(program), "$(touch made); x", str(tmp_path / "out"), str(code)]
    return f'[destination.team]\nkind = "command"\ncommand = {json.dumps(words)}\ntimeout = "60s"\n{RULE}'


def test_a_command_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    desk = failing(Desk(tmp_path, command_of(tmp_path, 0), offline=True))
    assert not desk.check().waiting
    assert (tmp_path / "out").read_text() == "firing\n"


def test_a_command_that_fails_or_hangs_is_run_again(tmp_path: Path) -> None:
    desk = failing(Desk(tmp_path, command_of(tmp_path, 3)))
    (item,) = desk.check().waiting
    assert item.problem == "exit code 3: errors $(touch made); x no shell"
    script = f"sleep 300 & echo $! > {tmp_path}/pid.new && mv {tmp_path}/pid.new {tmp_path}/pid; wait"
    sleeper = Destination(name="s", kind="command", command=("sh", "-c", script), timeout_s=1.0)
    assert "took longer than 1 s, and was ended" in outbox.send(sleeper, messages.trial_message(NOW), NOW).detail
    if (tmp_path / "pid").exists():  # the shell had come that far
        owner = f"{lease_owner().partition('|')[0]}|{(tmp_path / 'pid').read_text().strip()}|x"
        assert eventually(lambda: leases.is_free(owner, NOW + 60, owner="another", now=NOW))
    missing = Destination(name="s", kind="command", command=("/no/such/program",))
    assert "cannot be run: No such file" in outbox.send(missing, messages.trial_message(NOW), NOW).detail


def test_offline_nothing_is_sent_and_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply()) as server:
        result = desk_at(server, tmp_path, monkeypatch, offline=True).check()
        assert (result.checked[0].news, result.waiting, server.received) == ("firing", (), [])


def test_a_trading_process_checks_the_rules_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: Reply()) as server:
        monkeypatch.setenv("ALERT_URL", f"{server.url}/{SECRET}")
        rule = '[[rule]]\nname = "silence"\nkind = "no_decision"\nthreshold = "30m"\nto = ["team"]\n'
        rules = rules_of(tmp_path, f'every = "1s"\n{TEAM}{rule}')
        add_decision(tmp_path / "traces.db", "last", ago_s=0)
        monkeypatch.setenv("MOONDEV_ALERTS", str(rules.path))
        tracker = get_tracker()
        assert eventually(lambda: statuses(server) == ["firing"])
        thread = tracker.pipeline.alerts and tracker.pipeline.alerts.thread
        tracker.shutdown(0.0)
        assert thread
        assert thread.daemon
        assert eventually(lambda: not thread.is_alive())
        with sqlite3.connect(state_path(tmp_path / "traces.db")) as db:
            assert db.execute("SELECT count(*) FROM lease").fetchone() == (0,)


def test_without_a_file_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom src.observability import get_tracker, observe_agent\n"
        "with observe_agent('a'): pass\n"
        "print(get_tracker().pipeline.alerts, [n for n in sys.modules if n.startswith('src.observability.alerts.')])"
    )
    environment = {"MOONDEV_TRACE_DB": str(tmp_path / "t.db"), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(Path.cwd())}
    done = run_program(script, environment={**environment, "HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert done.stdout.split() == [
        "None", "['src.observability.alerts.location',", "'src.observability.alerts.start']",
    ], done.stderr  # fmt: skip


def test_a_file_that_becomes_wrong_leaves_the_rules_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = rules_of(tmp_path, RULE.replace("team", "log")).path
    background = Background(tmp_path / "t.db", path, clock=Clock())
    assert background.run_once() >= 30
    path.write_text("[[rule]]\n", encoding="utf-8")
    for _ in range(2):
        background.run_once()
    assert caplog.text.count("rule number 1: name is missing. The rules hold as they were read before.") == 1
    add_calls(tmp_path / "t.db", 30, level="ERROR")
    background.run_once()
    assert "[FIRING] errors (warning)" in caplog.text
