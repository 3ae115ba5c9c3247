"""A store that does not exist yet holds nothing: lists and figures are empty, and its path is named beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from src.cli import main
from tests.commands import run_app

if TYPE_CHECKING:
    from pathlib import Path

_READING = [
    "traces list", "report", "quality", "advise", "decisions", "decisions list", "decisions report", "insight",
    "insight refresh", "paper", "paper --books", "prompts",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "traces.db"
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    return path


@pytest.mark.parametrize("words", _READING)
def test_lists_and_figures_are_empty_and_name_the_path(words: str, store: Path) -> None:
    screen = run_app(main, *words.split(), "--json")
    assert screen.code == 0
    assert isinstance(json.loads(screen.out), list | dict)
    assert screen.err.replace("\n", " ").count(f"There is no trace store at {store} yet.") == 1
    assert not store.parent.exists()


@pytest.mark.parametrize("words", ["traces show last", "traces save all.jsonl"])
def test_what_needs_something_of_it_is_refused(words: str, store: Path) -> None:
    screen = run_app(main, *words.split())
    assert screen.code == 2
    assert screen.err.count(f"error: There is no trace store at {store} yet.") == 1


@pytest.mark.parametrize(
    ("words", "beginning"),
    [("help", "moondev [OPTIONS] COMMAND"), ("help traces list", "moondev traces list [OPTIONS]"),
     ("traces help", "moondev traces [OPTIONS]"), ("version", "moondev "), ("--version", "moondev ")],
)  # fmt: skip
def test_help_and_version_are_commands_too(words: str, beginning: str) -> None:
    screen = run_app(main, *words.split())
    assert screen.code == 0
    assert beginning in screen.out


def test_an_unknown_option_names_the_nearest_alone() -> None:
    screen = run_app(main, "traces", "list", "--sinse", "7d")
    assert screen.code == 2
    assert screen.err.startswith("error: No such option: --sinse. Did you mean --since? See `")
