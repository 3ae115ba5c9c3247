"""The workflow that ships with the check: it parses, and its command does what it says."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
yaml: Any = importlib.import_module("yaml" if importlib.util.find_spec("yaml") else "yaml_ft")  # as LibCST takes it
WORKFLOW = ROOT / ".github" / "workflows" / "direct-calls.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))  # type: ignore[no-any-return] # a mapping, or the tests fail


@pytest.fixture
def step(workflow: dict[Any, Any]) -> dict[str, Any]:
    (job,) = workflow["jobs"].values()
    (check_step,) = [step for step in job["steps"] if "run" in step]
    return dict(check_step)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a small checkout that holds the check and no other module of this project."""
    folder = tmp_path / "checkout"
    (folder / "src" / "my agents").mkdir(parents=True)
    (folder / "src" / "good.py").write_text("import os\n", encoding="utf-8")
    (folder / "src" / "migration").mkdir()
    shutil.copy(ROOT / "src" / "migration" / "__init__.py", folder / "src" / "migration")
    shutil.copytree(
        ROOT / "src" / "migration" / "check",
        folder / "src" / "migration" / "check",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "check_direct_calls.py", folder / "scripts")
    (folder / "pyproject.toml").write_text("[tool.check_direct_calls]\npaths = ['src']\n", encoding="utf-8")
    return folder


def run(step: dict[str, Any], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the step's command as a runner does, in bash with its flags."""
    inputs = {"PATHS": "", "FROM": "", **environment}
    assert set(inputs) == set(step["env"])
    (folder.parent / "temp").mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        command,
        cwd=folder,
        env={**inputs, "PATH": path, "RUNNER_TEMP": str(folder.parent / "temp")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_as_it_is_and_when_called(workflow: dict[Any, Any]) -> None:
    triggers = workflow[True]  # YAML 1.1 reads the word `on` so
    assert set(triggers) == {"push", "pull_request", "workflow_call"}
    for declaration in triggers["workflow_call"]["inputs"].values():
        assert declaration["type"] == "string"
        assert "default" in declaration
    assert workflow["permissions"] == {"contents": "read"}


def test_no_input_reaches_the_shell_as_text(workflow: dict[Any, Any], step: dict[str, Any]) -> None:
    assert "${{" not in step["run"]
    assert all(action["uses"].count("@") == 1 for job in workflow["jobs"].values() for action in job["steps"]
               if "uses" in action)  # fmt: skip


def test_passes_on_a_clean_checkout(step: dict[str, Any], checkout: Path) -> None:
    done = run(step, checkout)
    assert (done.returncode, done.stdout) == (0, "")


def test_fails_and_annotates_the_next_direct_call(step: dict[str, Any], checkout: Path) -> None:
    (checkout / "src" / "bad.py").write_text("import os\nimport openai\n", encoding="utf-8")
    done = run(step, checkout)
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=src/bad.py,line=2,")


def test_reads_the_paths_that_are_given_and_expands_nothing(step: dict[str, Any], checkout: Path) -> None:
    (checkout / "src" / "bad.py").write_text("import openai\n", encoding="utf-8")
    assert run(step, checkout, PATHS="src/good.py scripts").returncode == 0
    assert run(step, checkout, PATHS="src/good.py src/bad.py").returncode == 1
    assert run(step, checkout, PATHS="src/*.py").returncode == 2
    assert run(step, checkout, PATHS="$(touch ran) `touch ran`; touch ran").returncode == 2
    assert not (checkout / "ran").exists()


def test_takes_the_check_from_elsewhere_and_does_not_read_it(step: dict[str, Any], checkout: Path) -> None:
    elsewhere = checkout / ".direct-calls-check"
    elsewhere.mkdir()
    for name in ("scripts", "src"):
        shutil.move(checkout / name, elsewhere / name)
    (elsewhere / "src" / "adapter.py").write_text("import openai\n", encoding="utf-8")
    (checkout / "src").mkdir()
    (checkout / "src" / "bad.py").write_text("import openai\n", encoding="utf-8")
    (checkout / "pyproject.toml").unlink()
    done = run(step, checkout, FROM="owner/name")
    assert (done.returncode, done.stdout.count("::error"), done.stdout.count("src/bad.py")) == (1, 1, 1)
