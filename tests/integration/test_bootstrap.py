"""Setting up: what a person sees when it is stopped, cannot write, or lacks something."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import bootstrap

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
    for name in ("Makefile", "scripts/bootstrap.py", "pyproject.toml", "requirements.txt", "requirements-nodeps.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def start(project: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(project / "scripts" / "bootstrap.py"), "run"], env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def without(folder: Path, *modules: str) -> str:
    """Return a PYTHONPATH with which this Python lacks modules of its own, as Debian's does without python3-venv."""
    for name in modules:
        (folder / f"{name}.py").write_text(f"raise ImportError({name!r})")
    return str(folder)


def make(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "run", *(f"{name}={value}" for name, value in environment.items())]
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    return subprocess.run(command, cwd=project, env=own, capture_output=True, text=True, check=False)


def test_ctrl_c_while_installing_ends_with_one_line_and_leaves_no_process(project: Path) -> None:
    with start(project) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Making .venv" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=200)  # ends once nothing holds the pipes any more
    assert process.returncode == 130
    assert rest == ""
    assert errors.split("\n") == ["", "Stopped. Nothing is lost: the same make command goes on from here.", ""]


def test_a_place_that_cannot_be_written_is_named_in_one_line(project: Path) -> None:
    (project / ".venv.lock").mkdir()
    with start(project) as process:
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert errors == f"{project / '.venv.lock'}: Is a directory. Mend it and run the same make command again.\n"


def test_a_python_without_ensurepip_and_pip_says_what_to_install(project: Path, tmp_path: Path) -> None:
    with start(project, PYTHONPATH=without(tmp_path, "ensurepip", "pip")) as process:
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "apt install python3-venv" in errors
    assert not (project / ".venv").exists()


def test_a_python_without_ensurepip_alone_installs_with_its_own_pip(project: Path, tmp_path: Path) -> None:
    (project / "requirements.txt").write_text(f"nothing-of-the-kind==1 --hash=sha256:{'0' * 64}\n")
    with start(project, PYTHONPATH=without(tmp_path, "ensurepip"), PIP_NO_INDEX="1") as process:
        out, errors = process.communicate(timeout=200)
    assert out.endswith("Making .venv ...\n  Installing packages ...\n")
    assert "No matching distribution found for nothing-of-the-kind" in errors
    assert "run the same make command again" in errors
    assert not list((project / ".venv").rglob("site-packages/pip"))


@pytest.mark.skipif(sys.platform != "linux", reason="the others are told from Linux")
def test_a_system_that_the_packages_are_not_made_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bootstrap.why_no_wheels() == ""
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "This is Linux riscv64." in bootstrap.why_no_wheels()
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))  # musl's answer
    assert "This is Linux x86_64 without glibc." in bootstrap.why_no_wheels()


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("", "No Python 3.11, 3.12, 3.13 or 3.14 is here."),
        ("/bin/false", "/bin/false is not Python 3.11, 3.12, 3.13 or 3.14."),
    ],
)
def test_a_python_of_another_version_is_refused_in_one_line(project: Path, python: str, words: str) -> None:
    done = make(project, PYTHON=python)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(words)
    assert len(done.stderr.splitlines()) == 2  # and make's own
