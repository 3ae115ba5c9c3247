"""Setting up: what a person sees when it is stopped, or cannot write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let a child inherit the default action: a shell starts what it runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("scripts/bootstrap.py", "pyproject.toml", "requirements.txt", "requirements-nodeps.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def start(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(project / "scripts" / "bootstrap.py"), "run"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_ctrl_c_while_installing_ends_with_one_line_and_leaves_no_process(project: Path) -> None:
    with start(project) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Making .venv" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=60)  # ends once nothing holds the pipes any more
    assert process.returncode == 130
    assert rest == ""
    assert errors.split("\n") == ["", "Stopped. Nothing is lost: the same make command goes on from here.", ""]


def test_a_place_that_cannot_be_written_is_named_in_one_line(project: Path) -> None:
    (project / ".venv.lock").mkdir()
    with start(project) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == f"{project / '.venv.lock'}: Is a directory. Mend it and run the same make command again.\n"
