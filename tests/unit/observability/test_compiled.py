"""The compiled patterns are cached between processes, and checked before they are used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("hyperscan", reason="the fast engine is not installed on this platform")

from src.observability.redaction.engine import compiled
from src.observability.redaction.rules.gates import gates

if TYPE_CHECKING:
    from pathlib import Path

# Enough to be found: what is cached, and checked, is the same for a few patterns as for hundreds, which take long.
FEW = [gate for gate in gates() if gate.literals[:1] in (("sk-ant-",), ("sk-or-",))]
SECRET = b"key sk-ant-api03-" + b"a1B2" * 24


def hits(database: object) -> list[tuple[int, int]]:
    import hyperscan

    ends: list[tuple[int, int]] = []
    scratch = hyperscan.Scratch(database)  # type: ignore[arg-type] # as above
    database.scan(SECRET, lambda number, _start, end, _flags, _context: ends.append((end, number)), scratch=scratch)  # type: ignore[attr-defined] # hyperscan's
    return sorted(ends)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_process_loads_what_the_first_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hyperscan

    first = hits(compiled.database(gates()))
    assert first
    monkeypatch.setattr(hyperscan, "Database", None)  # compiling would now fail
    assert hits(compiled.database(gates())) == first
    assert [file.stat().st_mode & 0o777 for file in folder.iterdir()] == [0o600]


@pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX's")
@pytest.mark.parametrize("spoil", ["cut", "changed", "writable", "empty"])
def test_a_spoilt_file_is_compiled_anew(folder: Path, spoil: str) -> None:
    first = hits(compiled.database(FEW))
    (file,) = folder.iterdir()
    good = file.read_bytes()
    if spoil == "writable":
        file.write_bytes(good[:32] + bytes(len(good) - 32))
        file.chmod(0o666)
    else:
        file.write_bytes({"cut": good[:-1000], "changed": good[:-1] + b"?", "empty": b""}[spoil])
    assert hits(compiled.database(FEW)) == first
    assert file.read_bytes() == good
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_writable_folder_the_patterns_are_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "file" / "cache"))
    assert hits(compiled.database(FEW))


def test_other_patterns_are_cached_in_another_file(folder: Path) -> None:
    compiled.database(FEW)
    compiled.database(FEW[:-1])
    assert len(list(folder.iterdir())) == 2
