"""Give each test a folder of prompts and a store of its own, and forget what others have asked servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.prompts import langfuse_cache, lookup

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that MOONDEV_PROMPTS_DIR names, beside a store that does not exist yet."""
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    monkeypatch.setenv("MOONDEV_PROMPTS_DIR", str(prompts))
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "t.db"))
    langfuse_cache.forget_all()
    lookup._links.clear()
    return prompts
