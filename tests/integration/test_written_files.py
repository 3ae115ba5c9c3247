"""Files that reports and traces are written into, on a disk that is full."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from src.cli import main
from src.observability.store.spool import Spool
from tests.commands import run_app
from tests.unit.observability.records import span_record


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("report", "--md"), ("quality", "--html"), ("traces", "save")])
def test_a_full_disk_leaves_the_file_that_was_there_and_is_said_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    spool = Spool(tmp_path / "store" / "traces.db")
    spool.append(span_record(1))
    spool.close()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(spool.path))
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_text("before")
    path.chmod(0o640)
    usual = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> Any:
        """Open what is made anew as a file on a full disk."""
        return usual(Path("/dev/full"), mode.replace("x", "w")) if "x" in mode else usual(self, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        patch.setattr(Path, "chmod", lambda *_: None)
        screen = run_app(main, *words, path)
    assert screen.code == 2
    assert f"{path}: No space left on device: free some space, or name a file on another disk." in screen.err
    assert path.read_text() == "before"
    assert run_app(main, *words, path).code == 0
    assert path.read_text() != "before"
    assert os.listdir(folder) == ["a.jsonl"]  # noqa: PTH208 - hidden files too
    if words[0] != "traces":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
