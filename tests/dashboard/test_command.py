"""The command: one line with the link, a port in use, Ctrl-C, and what it warns of."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from src.cli import main
from tests import warm
from tests.commands import run_app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.xdist_group("dashboard command")
def test_it_prints_its_link_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from src.cli import main; main()", "dashboard", "--no-open"]
    environment = {**os.environ, "MOONDEV_TRACE_DB": str(tmp_path / "t.db"), "COLUMNS": "40"}
    with warm.Program(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Dashboard: http://127.0.0.1:")
        link = line.partition(" ")[2].strip()
        with urllib.request.urlopen(link, timeout=120) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
            assert "HttpOnly" in answer.headers["set-cookie"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link, timeout=120)  # noqa: S310 - as above
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "Stopped." in err
    assert not (tmp_path / "t.db").exists()  # nothing is made by looking


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        screen = run_app(main, "dashboard", "--no-open", "--port", str(port))
    assert screen.code == 2
    assert f"Port {port} of 127.0.0.1 is in use: give another one with --port" in " ".join(screen.err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--host", "no.such.host.invalid"), "is no address of this machine"),
        (("--host", "192.0.2.1"), "is reached from other machines"),
        (("--port", "0"), "--port"),
        (("--csv", "missing.csv"), "missing.csv"),
        (("--db", "notes.txt"), "is no trace store"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("a note of mine, and no store at all. " * 40)
    screen = run_app(main, "dashboard", "--no-open", *words)
    assert screen.code in (1, 2)
    assert says in " ".join(screen.err.split())
    assert "Traceback" not in screen.err
