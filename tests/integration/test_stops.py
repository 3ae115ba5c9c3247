"""A command that is stopped, or whose output nobody takes, ends with one line at most and a fitting exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src.observability import observe_agent
from tests import warm
from tests.servers import Langfuse, Reply, Server, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
MOONDEV = [sys.executable, "-c", "from src.cli import main; main()"]
MIGRATE = [sys.executable, str(ROOT / "scripts" / "migrate_to_factory.py")]
PORTFOLIO = '{"equity_usd": 9000, "start_equity_usd": 10000, "positions": []}'


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let a child inherit the default action: a shell starts what it runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(
    words: list[str], *, ready: Callable[[], bool] | None = None, **environment: str
) -> tuple[int, str, str]:
    """Start a command, press Ctrl-C once it is `ready`, or has written a line; return how it ended."""
    with warm.Program(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stderr is not None
        if ready is None:
            process.stderr.readline()
        else:
            assert eventually(ready)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("words", [["trade", "EURUSD", "--models", "openai:a,openai:b"], ["risk", "p.json"]])
def test_ctrl_c_while_models_think(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.json").write_text(PORTFOLIO)
    words = [str(tmp_path / word) if word == "p.json" else word for word in words]
    if words[0] == "risk":
        words += ["--max-loss", "100", "--model", "openai:a"]
    with Server(lambda _: Reply(hang=True)) as server:
        code, _, err = interrupted(
            [*MOONDEV, *words], ready=lambda: bool(server.received),
            OPENAI_KEY="sk-test-0123456789abcdef", OPENAI_BASE_URL=server.url + "/v1",
        )  # fmt: skip
    assert code == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Stopped."


def test_ctrl_c_while_tailing_a_store_that_is_not_there_yet() -> None:
    code, out, err = interrupted([*MOONDEV, "traces", "tail"])
    assert (code, out, err) == (130, "", "Stopped.\n")


def test_ctrl_c_while_delivering() -> None:
    with observe_agent("a"):
        pass
    with Langfuse() as langfuse:
        received = threading.Event()

        def refuse(_: object) -> Reply:
            received.set()
            return Reply(503)

        langfuse.answer = refuse
        keys = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk-lf-0123", "LANGFUSE_HOST": langfuse.url}
        words = [*MOONDEV, "traces", "export", "--follow"]
        code, out, err = interrupted(words, ready=received.is_set, **keys)
    assert code == 130
    assert "undelivered" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [["check_direct_calls.py", "--no-cache", "--jobs", "2", "."], ["migrate_to_factory.py", "--jobs", "2", "."]],
)
def test_ctrl_c_while_scripts_read(words: list[str], tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"agent_{number}.py").write_text(f"import openai\nopenai.OpenAI()\nNUMBER = {number}\n")
    group = warm.Program(
        [sys.executable, str(ROOT / "scripts" / words[0]), *words[1:]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
    )  # fmt: skip

    def has_children() -> bool:
        tasks = Path(f"/proc/{group.pid}/task")
        return any((task / "children").read_text().count(" ") >= 2 for task in tasks.iterdir())

    with group:
        if not Path("/proc/self/task").exists():
            pytest.skip("no /proc")
        assert eventually(has_children)
        os.killpg(group.pid, signal.SIGINT)  # as a terminal does: all processes of the group
        out, err = group.communicate(timeout=60)
    assert group.returncode == 130
    assert (out, err) == ("", "Stopped.\n")


@pytest.mark.parametrize(
    "words", [["traces"], ["traces", "--json"], ["traces", "tail", "--from-start"], ["models", "claude"]]
)
def test_a_reader_that_has_enough_ends_a_command_without_a_word(words: list[str]) -> None:
    with observe_agent("a"):
        pass
    reading, writing = os.pipe()
    os.close(reading)
    done = warm.run([*MOONDEV, *words], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["traces"], ["traces", "--json"], ["--version"], ["doctor", "--offline"]])
def test_an_output_that_cannot_be_written_is_said_in_one_line(words: list[str]) -> None:
    with observe_agent("a"):
        pass
    with Path("/dev/full").open("w") as full:
        done = warm.run([*MOONDEV, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2)
    lines = [line for line in done.stderr.splitlines() if "Langfuse keys" not in line]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]


def test_a_report_of_the_scripts_that_cannot_be_written_stops_them_before_they_write(tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    text = 'from openai import OpenAI\nclient = OpenAI()\nclient.chat.completions.create(model="m", messages=[])\n'
    agent.write_text(text)
    for report in ("nowhere/report.json", "."):
        done = warm.run(
            [*MIGRATE, str(agent), "--write", "--report", report],
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert report in done.stderr
        assert agent.read_text() == text
