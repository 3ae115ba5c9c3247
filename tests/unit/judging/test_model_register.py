"""The register of models: what ships with the project names its sources, and the user's file wins."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from src.cli.start import main
from src.judging.known_training import ROWS
from src.judging.model_register import book_of_models, read_register
from src.models.providers import PROVIDERS
from tests.commands import run_app

if TYPE_CHECKING:
    from pathlib import Path

LLAMA = "groq:llama-3.3-70b-versatile"


def ns(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 10**9


def test_each_row_has_a_source_and_dates_that_can_be() -> None:
    names = [name for row in ROWS for name in row.names]
    assert len(set(names)) == len(names)
    for row in ROWS:
        assert row.source.startswith("https://")
        assert row.cutoff is None or row.cutoff <= row.release <= date(2026, 11, 30)
        assert all(name.partition(":")[0] in PROVIDERS for name in row.names)


def test_a_model_is_after_its_training_a_month_after_its_release() -> None:
    assert book_of_models([LLAMA], ns(2024, 12, 20)) == "inside"
    assert book_of_models([LLAMA], ns(2025, 2, 1)) == "after"
    assert book_of_models([LLAMA, "openai:gpt-4o"], ns(2026, 2, 1)) == "inside"  # a name that moves


def test_the_user_s_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "register.toml"
    file.write_text(f'["{LLAMA}"]\nrelease = 2026-01-01\nsource = "https://example.com"\n')
    monkeypatch.setenv("MOONDEV_MODEL_REGISTER", str(file))
    assert book_of_models([LLAMA], ns(2025, 2, 1)) == "inside"
    assert read_register()[LLAMA].is_own
    assert len(read_register()) == sum(len(row.names) for row in ROWS)
    file.write_text(f'["{LLAMA}"]\ncutoff = 2026-05-01\nrelease = 2026-01-01\nsource = "https://example.com"\n')
    with pytest.raises(ValueError, match="has a cutoff after its release"):
        read_register()


def test_the_command_shows_who_says_so() -> None:
    (row, *_) = [
        item for item in json.loads(run_app(main, "models", "--training", "--json").out) if item["model"] == LLAMA
    ]
    assert (row["cutoff"], row["release"], row["counts_after"]) == ("2023-12-31", "2024-12-06", "2025-01-05")
    assert row["source"].endswith("llama3_3/MODEL_CARD.md")
    screen = run_app(main, "models", "groq", "--training", width=80)
    assert "MODEL_CAR" in screen.out
    assert max(map(len, screen.out.splitlines())) <= 80
