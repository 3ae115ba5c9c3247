"""The `moondev` command as its user runs it.

In a process of its own where that is the point, or where its log is read; else in this one, which has all it needs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from src.cli import main
from src.observability import tracker
from src.observability.store.spool import Spool
from tests import warm
from tests.commands import run_app
from tests.long import rounds
from tests.servers import Langfuse, Reply, Server, chat_reply, decision
from tests.warm import run_program

ROOT = Path(__file__).resolve().parents[2]
CSV = "\n".join(
    ["Date,Open,High,Low,Close,Volume"]
    + [
        f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00,{100 + n % 5},{103 + n % 5},{99 + n % 5},{101 + n % 5},7"
        for n in range(80)
    ]
)


def moondev(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = "from src.cli import main; main()"
    return run_program(script, *words, environment={**os.environ, "PYTHONPATH": str(ROOT), **environment})


def moondev_here(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, with a tracker of its own."""
    outer = tracker.set_tracker(None)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            screen = run_app(main, *words)
        finally:
            used = tracker.set_tracker(outer)
            if used is not None:
                used.shutdown()
    return subprocess.CompletedProcess(words, screen.code, screen.out, screen.err)


def test_the_main_job_runs_on_the_embedded_model_and_draws_its_trace() -> None:
    words = ["trade", "EURUSD", "--swarm"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run_program("from src.cli import main; main()", *words, environment=environment, timeout_s=290)
    assert done.returncode == 0, done.stderr
    for label in ("local#1", "local#2", "local#3"):
        assert done.stdout.count(label) == 2  # its vote, and its generation in the tree
    assert "trading_agent.swarm" in done.stdout
    assert "Langfuse keys are not set" in done.stderr


def test_json_is_the_only_output_and_has_the_documented_keys(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(CSV)
    with Server(lambda _: chat_reply(decision("BUY", 70))) as server:
        done = moondev(
            "trade", "ABC", "--swarm", "--models", "openai:a,openai:b,claude", "--csv", str(file), "--json",
            OPENAI_KEY="sk-test-0123456789abcdef", OPENAI_BASE_URL=server.url + "/v1",
        )  # fmt: skip
    result = json.loads(done.stdout)
    assert {"symbol", "action", "confidence", "agreement", "reason", "trace_id", "cost_usd", "wall_ms", "votes"} <= set(
        result
    )
    assert (result["symbol"], result["action"], result["confidence"]) == ("ABC", "BUY", 70)
    assert [(vote["member"], vote["action"], vote["error_category"]) for vote in result["votes"]] == [
        ("openai:a", "BUY", None), ("openai:b", "BUY", None), ("claude", None, "unavailable"),
    ]  # fmt: skip
    assert {"latency_ms", "cost_usd", "confidence"} <= set(result["votes"][0])
    shown = moondev("traces", "show", result["trace_id"][:10])
    assert "openai:a" in shown.stdout
    assert result["trace_id"][:12] in moondev("traces", "list").stdout


def test_the_same_decision_with_langfuse_unreachable_and_one_line_about_what_waits(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(CSV)
    with Langfuse() as stopped:
        address = stopped.url
    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-x", "LANGFUSE_SECRET_KEY": "sk-lf-x-0123456789"}
    with Server(lambda _: chat_reply(decision("SELL", 66))) as server:
        openai = {"OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": server.url + "/v1"}
        words = ("trade", "ABC", "--models", "openai:a,openai:b", "--csv", str(file))
        away = moondev(*words, LANGFUSE_HOST=address, **keys, **openai)
        assert away.returncode == 0
        assert "SELL" in away.stdout
        assert away.stderr.count("wait for Langfuse") == 1
        with Langfuse() as langfuse:
            langfuse.answer = lambda _: Reply(400)
            refused = moondev("traces", "export", LANGFUSE_HOST=langfuse.url, **keys)
            assert "set aside" in refused.stderr
            langfuse.answer = lambda _: None
            back = moondev("traces", "export", "--again", LANGFUSE_HOST=langfuse.url, **keys)
            assert "had refused are sent again" in back.stdout
            assert "Everything is delivered" in back.stdout
            assert sorted(span.name for span in langfuse.spans) == ["openai:a", "openai:b", "trading_agent.swarm"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trade", "FOO"), "only for EURUSD and GOOGL"),
        (("trade", "EURUSD", "--csv", "missing.csv"), "does not exist"),
        (("trade", "EURUSD", "--models", "nobody:x"), "There is no provider"),
        (("trade", "EURUSD", "--models", ","), "names no model"),
        (("trade", "EURUSD", "--models", "local:nosuch"), "local/nosuch: there is no such model here"),
        (("trade", "EURUSD", "--quorum", "2"), "quorum"),
        (("risk", "missing.json"), "cannot be read"),
        (("traces", "show", "abc"), "There is no trace"),
    ],
)
def test_bad_input_gets_one_clear_error_and_exit_code_2(words: tuple[str, ...], message: str) -> None:
    done = moondev_here(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_that_gets_bad_input_ends_with_one_clear_error_and_exit_code_2() -> None:
    done = moondev("trade", "EURUSD", "--models", "nobody:x")
    assert done.returncode == 2
    assert done.stderr.count("There is no provider") == done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


def test_a_swarm_without_any_reply_decides_nothing_and_fails() -> None:
    done = moondev("trade", "EURUSD", "--models", "claude,openai", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["action"] == "NOTHING"


def test_the_doctor_prints_what_is_set_up_and_never_a_key() -> None:
    key = "sk-test-of-the-doctor-0123456789"
    with Langfuse() as langfuse, Server(lambda _: Reply(404)) as server:
        langfuse.answer = lambda request: Reply(body=b'{"data":[]}') if "projects" in request.path else None
        done = moondev(
            "doctor", OPENAI_KEY=key, OPENAI_BASE_URL=server.url, LANGFUSE_HOST=langfuse.url,
            LANGFUSE_PUBLIC_KEY="pk-lf-x", LANGFUSE_SECRET_KEY="sk-lf-secret-0123",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = " ".join(done.stdout.split())  # long findings are wrapped
    assert "set up (OPENAI_KEY)" in shown
    assert "answers and takes the keys" in shown
    assert "took the test observation and shows it" in shown
    assert "its made-up key is not" in shown
    assert "set ANTHROPIC_KEY" in shown
    for secret in (key, "sk-lf-secret-0123"):
        assert secret not in done.stdout + done.stderr


def test_a_provider_that_does_not_answer_ends_with_exit_code_1() -> None:
    done = moondev_here("models", "ollama", "--live", OLLAMA_HOST="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Is Ollama running?" in done.stderr


def test_the_doctor_names_a_missing_model_file() -> None:
    done = moondev_here("doctor", "--offline", "--json", MOONDEV_LOCAL_MODEL="/nowhere/mine.gguf")
    assert done.returncode == 1
    assert "MOONDEV_LOCAL_MODEL names /nowhere/mine.gguf" in done.stdout


def test_the_doctor_shows_the_newest_rate_limits_of_a_provider(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(CSV)
    limits = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    with Server(
        lambda _: replace(chat_reply(decision("BUY")), headers={"content-type": "application/json", **limits})
    ) as server:
        moondev_here(
            "trade", "ABC", "--models", "openai:a", "--csv", str(file),
            OPENAI_KEY="sk-test-0123456789abcdef", OPENAI_BASE_URL=server.url + "/v1",
        )  # fmt: skip
    assert "requests 59 of 60 left" in moondev_here("doctor", "--offline").stdout


def test_the_doctor_fails_where_the_keys_are_wrong() -> None:
    with Langfuse() as langfuse:
        langfuse.answer = lambda _: Reply(401)
        done = moondev_here(
            "doctor", LANGFUSE_HOST=langfuse.url, LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY="sk-lf-0123"
        )
    assert done.returncode == 1
    assert "refuses the keys" in done.stdout


def test_the_doctor_names_the_destination_that_refused_the_test_observation() -> None:
    with Langfuse() as langfuse:
        langfuse.answer = lambda request: Reply(body=b"{}") if "projects" in request.path else Reply(500)
        keys = {"LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk-lf-0123"}
        done = moondev_here("doctor", "--json", "--timeout", "1", **keys)
    details = {(finding["part"], finding["ok"]): finding["detail"] for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert "is stored" in details["test", True]
    assert "was not taken within 1 s" in details["test", False]
    assert "LANGFUSE_HOST" in details["test", False]


def test_the_doctor_accepts_a_server_that_only_takes_otlp() -> None:
    """It lists no projects and lets nothing be read back: the test observation is sent all the same."""
    with Langfuse() as langfuse:
        langfuse.answer = lambda request: None if request.path.endswith("otel/v1/traces") else Reply(404)
        keys = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk-lf-0123"}
        host = langfuse.url.replace("http://", "http://user:Passw0rdOfTheHost@")
        done = moondev_here("doctor", "--timeout", "4", LANGFUSE_HOST=host, **keys)
        assert [span.name for span in langfuse.spans] == ["moondev.doctor"]
    assert done.returncode == 0
    assert "took the test observation" in done.stdout
    assert "Passw0rdOfTheHost" not in done.stdout + done.stderr


def test_a_store_that_cannot_be_used_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id)")
    listed = moondev_here("traces", "list", MOONDEV_TRACE_DB=str(path))
    assert (listed.returncode, listed.stderr.count("another program")) == (2, 1)
    checked = moondev_here("doctor", "--offline", MOONDEV_TRACE_DB=str(path))
    assert checked.returncode == 1
    assert "no call is recorded" in checked.stdout
    exported = moondev_here(
        "traces", "export", LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY="sk-0", MOONDEV_OFFLINE="1"
    )
    assert exported.returncode == 2
    assert "MOONDEV_OFFLINE" in exported.stderr
    assert "Traceback" not in listed.stderr + checked.stderr + exported.stderr


def test_the_doctor_shows_a_damaged_store_and_the_one_kept_beside(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    Spool(path).close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)
    done = moondev_here("doctor", "--offline", MOONDEV_TRACE_DB=str(path))
    assert done.returncode == 1
    assert "a damaged store, kept" in done.stdout


def test_the_doctor_tests_another_otlp_endpoint_too() -> None:
    with Langfuse() as backend:
        done = moondev_here(
            "doctor", "--json", MOONDEV_OTLP="on",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=backend.url + "/api/public/otel/v1/traces",
        )  # fmt: skip
        assert [span.name for span in backend.spans] == ["moondev.doctor"]
        assert "made-up key" in str(backend.spans[0].attributes)
        assert "D0ct0rMadeUp" not in str(backend.spans[0].attributes)
    assert any("took the test observation" in finding["detail"] for finding in json.loads(done.stdout))


OBSERVABILITY = [sys.executable, "-m", "src.observability"]


def test_the_observability_package_has_commands_of_its_own(tmp_path: Path) -> None:
    """A checkout that adopts src/observability has no src/cli."""
    place = tmp_path / "checkout" / "src"
    shutil.copytree(ROOT / "src" / "observability", place / "observability")
    environment = {**os.environ, "MOONDEV_OFFLINE": "1", "MOONDEV_TRACE_DB": str(tmp_path / "t.db")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*OBSERVABILITY, *words]
        return warm.run(
            command, cwd=place.parent, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    assert any(finding["part"] == "test" and finding["ok"] for finding in json.loads(done.stdout))
    (test,) = json.loads(run("traces", "list", "--json").stdout)
    assert test["name"] == "moondev.doctor"
    assert "ok" in run("traces", "show", test["trace_id"], "--full").stdout
    assert "test traces of `doctor` alone" in run("traces", "show", "last").stderr
    assert run("export").returncode == 2
    assert run("traces", "show", "nothing").returncode == 2


def test_risk_judges_a_file(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(moondev_here("risk", "--example").stdout)
    done = moondev_here("risk", str(file), "--max-loss", "100", "--rules-only", "--json")
    assert json.loads(done.stdout)["action"] == "CLOSE_ALL"


CALLER = """
import os, sys
from src.models import ModelFactory
import src.models.adapters.openai
os.fork(), os.fork()  # four processes, which have only imported so far
model = ModelFactory.get_model("openai", "gpt-4o")
while True:
    reply = model.generate_response("s", "u")
    os.write(1, (reply.observation_id + "\\n").encode())
"""


def test_every_call_that_returned_survives_kill_9(tmp_path: Path) -> None:
    """Four processes share one store and are killed at no particular moment; then all is delivered, once."""
    kills = rounds(2, 100)
    returned: set[str] = set()
    with Server(lambda _: chat_reply("ok")) as server:
        environment = {
            **os.environ, "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": server.url + "/v1",
            "MOONDEV_TRACE_DB": str(tmp_path / "shared.db"),
        }  # fmt: skip
        for _ in range(kills):
            callers = warm.Program(
                [sys.executable, "-c", CALLER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
                start_new_session=True,
            )  # fmt: skip
            assert callers.stdout is not None
            first = b"".join(callers.stdout.readline() for _ in range(8))
            time.sleep(random.uniform(0.05, 0.3))
            os.killpg(callers.pid, signal.SIGKILL)
            returned |= {line for line in (first + callers.stdout.read()).decode().split("\n") if len(line) == 16}
            callers.communicate()
    with Langfuse() as langfuse:
        done = moondev(
            "traces", "export", MOONDEV_TRACE_DB=str(tmp_path / "shared.db"), LANGFUSE_HOST=langfuse.url,
            LANGFUSE_PUBLIC_KEY="pk-lf-x", LANGFUSE_SECRET_KEY="sk-lf-x-0123456789",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    arrived = [span.span_id for span in langfuse.spans]
    assert len(returned) > 4 * kills
    assert returned <= set(arrived)
    assert len(arrived) == len(set(arrived))
