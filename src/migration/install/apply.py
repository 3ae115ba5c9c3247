"""Make changes to a checkout all or none, with a copy of what was there, and take them back byte for byte."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BACKUP = ".moondev-backup"
_MANIFEST = "manifest.json"
_VERSION = 1


class Refused(Exception):
    """Something cannot be done; the message says what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """Hold what becomes of one file: its bytes before (None where there is none) and after (None where it goes)."""

    path: str  # from the checkout's root, with / between its parts
    before: bytes | None
    after: bytes | None
    mode: int | None = None

    @property
    def kind(self) -> str:
        """Return what happens, in one word."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def read(root: Path, path: str) -> bytes | None:
    """Return a file of a checkout, None where there is none.

    Raises:
        Refused: it is something else than a file in the checkout, or cannot be read.
    """
    file = root / path
    inside = file.parent
    while inside != root:
        if inside.is_symlink():
            raise Refused(f"{inside} is a link: what lies behind it is not changed. Put a folder in its place.")
        inside = inside.parent
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise Refused(f"{file} is no plain file, so it is not replaced. Move it away.")
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}. Nothing was changed.") from error


def apply(root: Path, changes: Sequence[Change]) -> Path:
    """Make all changes, or none; return the folder with what was there before.

    Raises:
        Refused: one could not be made; those before it were taken back.
    """
    folder = _new_folder(root)
    done: list[Change] = []
    try:
        for change in changes:
            if change.before is not None:
                _write(folder / "files" / change.path, change.before, None)
        manifest = {"version": _VERSION, "entries": [_entry(root, change) for change in changes]}
        _write(folder / _MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode(), None)
        for change in changes:
            _unchanged(root, change)
            done.append(change)
            _put(root, change.path, change.after, change.mode, folder)
    except BaseException as error:
        for change in reversed(done):
            with contextlib.suppress(OSError):
                _put(root, change.path, change.before, None, folder)
        _forget(folder)
        if isinstance(error, Refused | OSError):
            why = getattr(error, "strerror", None) or str(error)
            what = getattr(error, "filename", None)
            raise Refused(f"{f'{what}: ' if what else ''}{why}. What was done was taken back; try again.") from error
        raise
    return folder


def _unchanged(root: Path, change: Change) -> None:
    if read(root, change.path) != change.before:
        raise Refused(f"{change.path} was changed meanwhile")


def installed(root: Path) -> dict[str, str]:
    """Return the digests of the files that the last installation wrote, by path."""
    manifest = _newest(root)
    entries = _load(manifest)["entries"] if manifest is not None else []
    return {entry["path"]: entry["after"] for entry in entries if entry["after"]}


def roll_back(root: Path) -> list[str]:
    """Take the newest installation back, and return the paths that are as they were.

    Raises:
        Refused: there is none, or files were changed since: then nothing is touched.
    """
    manifest = _newest(root)
    if manifest is None:
        raise Refused(f"there is nothing to take back: {root / BACKUP} holds no installation.")
    entries = _load(manifest)["entries"]
    # A file that is as it was before is one that an interrupted run did not come to.
    changed = [one["path"] for one in entries if _digest(read(root, one["path"])) not in (one["after"], one["before"])]
    if changed:
        raise Refused(
            f"changed since the installation: {', '.join(changed[:8])}{' ...' if changed[8:] else ''}. Nothing was "
            f"taken back. What was there before is in {manifest.parent / 'files'}: copy from there, or undo the "
            "changes and say --roll-back again."
        )
    back = []
    for entry in entries:
        kept = manifest.parent / "files" / entry["path"]
        before = kept.read_bytes() if entry["before"] else None
        if _digest(before) != entry["before"]:
            raise Refused(f"{kept} is not what was put there. Nothing was taken back; use git to restore the files.")
        back.append(Change(entry["path"], None, before, entry["mode"]))
    for change in back:
        _put(root, change.path, change.after, change.mode, manifest.parent)
    _forget(manifest.parent)
    return [change.path for change in back]


def _entry(root: Path, change: Change) -> dict[str, Any]:
    file = root / change.path
    mode = file.stat().st_mode & 0o7777 if file.exists() else None
    return {"path": change.path, "before": _digest(change.before), "after": _digest(change.after), "mode": mode}


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def digest(data: bytes) -> str:
    """Return the digest by which a file is known again."""
    return hashlib.sha256(data).hexdigest()


def _new_folder(root: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = root / BACKUP / stamp
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}. Nothing was changed.") from error
    return folder


def _newest(root: Path) -> Path | None:
    found = sorted((root / BACKUP).glob(f"*/{_MANIFEST}"))
    return found[-1] if found else None


def _load(manifest: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{manifest} cannot be read ({error}); use git to restore the files.") from error
    if told.get("version") != _VERSION:
        raise Refused(f"{manifest} was written by another version of this script; use that one.")
    return told


def _put(root: Path, path: str, data: bytes | None, mode: int | None, backup: Path) -> None:
    file = root / path
    if data is not None:
        _write(file, data, mode, backup)
        return
    file.unlink(missing_ok=True)
    _drop_empty(file.parent, root)


def _drop_empty(folder: Path, root: Path) -> None:
    """Remove folders that hold nothing any more but the interpreter's own caches."""
    while folder != root and folder.is_dir():
        rest = list(folder.iterdir())
        if any(one.name != "__pycache__" for one in rest):
            return
        for cache in rest:
            for file in cache.iterdir():
                file.unlink()
            cache.rmdir()
        folder.rmdir()
        folder = folder.parent


def _write(file: Path, data: bytes, mode: int | None, backup: Path | None = None) -> None:
    """Put a file in place, whole or not at all; an old one's mode stays unless another is given.

    What a killed run had begun to write lies in the backup, which goes when the installation is taken back.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        mode = file.stat().st_mode & 0o7777 if file.exists() else 0o644
    here = file.parent if backup is None or backup.stat().st_dev != file.parent.stat().st_dev else backup
    handle, temporary = tempfile.mkstemp(dir=here, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _forget(folder: Path) -> None:
    """Remove a backup that is needed no more."""
    for file in sorted(_below(folder), reverse=True):
        with contextlib.suppress(OSError):
            file.rmdir() if file.is_dir() else file.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _below(folder: Path) -> Iterable[Path]:
    return folder.rglob("*")
