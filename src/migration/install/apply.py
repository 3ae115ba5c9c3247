"""Apply changes to a checkout, all or none, with a backup from which they are undone byte for byte."""

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
    from collections.abc import Sequence

BACKUP = ".moondev-backup"
_MANIFEST = "manifest.json"
_VERSION = 1


class Refused(Exception):
    """An operation that is not carried out; the message says what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file.

    Attributes:
        path: Its path from the checkout's root, with / between its parts.
        before: Its bytes now; None where there is no such file.
        after: Its bytes afterwards; None where it is removed.
        mode: Its permissions afterwards; None keeps those that it has.
    """

    path: str
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
    folder = file.parent
    while folder != root:
        if folder.is_symlink():
            raise Refused(f"{folder} is a link: what lies behind it is not changed. Put a folder in its place.")
        folder = folder.parent
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise Refused(f"{file} is no plain file, so it is not replaced. Move it away.")
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}. Nothing was changed.") from error


def apply(root: Path, changes: Sequence[Change], pending: Sequence[tuple[str, str]] = ()) -> Path:
    """Make all changes, or none; return the backup folder with what was there before.

    Args:
        root: The checkout.
        changes: The changes.
        pending: Files that their owner has to change, each with what is to be done; see `pending`.

    Raises:
        Refused: one could not be made; those before it were undone.
    """
    backup = _new_backup(root)
    applied: list[tuple[Change, int | None]] = []
    try:
        entries = _back_up(root, changes, backup, pending)
        for change, entry in zip(changes, entries, strict=True):
            _refuse_changed(root, change)
            applied.append((change, entry["mode"]))
            _put(root, change.path, change.after, change.mode, backup)
    except BaseException as error:
        for change, mode in reversed(applied):
            with contextlib.suppress(OSError):
                _put(root, change.path, change.before, mode, backup)
        _delete_backup(backup)
        if isinstance(error, Refused | OSError):
            why = getattr(error, "strerror", None) or str(error)
            what = getattr(error, "filename", None)
            raise Refused(f"{f'{what}: ' if what else ''}{why}. What was done was taken back; try again.") from error
        raise
    return backup


def _back_up(
    root: Path, changes: Sequence[Change], backup: Path, pending: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Copy what changes into the backup, and write its manifest; return the manifest's entries."""
    for change in changes:
        if change.before is not None:
            _write(backup / "files" / change.path, change.before, None)
    entries = [_entry(root, change) for change in changes]
    after = {change.path: change.after for change in changes}
    waiting = [
        {"path": path, "digest": _digest(after.get(path) or read(root, path)), "advice": advice}
        for path, advice in pending
    ]
    manifest = {"version": _VERSION, "entries": entries, "pending": waiting}
    _write(backup / _MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode(), None)
    return entries


def _refuse_changed(root: Path, change: Change) -> None:
    if read(root, change.path) != change.before:
        raise Refused(f"{change.path} was changed meanwhile")


def installed_digests(root: Path) -> dict[str, str]:
    """Return the digests of the files that installations wrote and did not remove since, by path.

    An installation writes only what differs, so the newest manifest alone lists only what changed last.

    Raises:
        Refused: a manifest cannot be read.
    """
    latest: dict[str, str | None] = {}
    for manifest in _manifests(root):
        latest |= {entry["path"]: entry["after"] for entry in _load(manifest)["entries"]}
    return {path: after for path, after in latest.items() if after}


def pending(root: Path) -> list[tuple[str, str]]:
    """Return the files that installations asked their owner to change and that are as they were, with the advice.

    Raises:
        Refused: a manifest or a file cannot be read.
    """
    items = [item for manifest in _manifests(root) for item in _load(manifest).get("pending", ())]
    return [(item["path"], item["advice"]) for item in items if _digest(read(root, item["path"])) == item["digest"]]


def roll_back(root: Path) -> list[str]:
    """Take the newest installation back, and return the paths that are as they were.

    Raises:
        Refused: there is none, or files were changed since: then nothing is touched.
    """
    manifests = _manifests(root)
    if not manifests:
        raise Refused(f"there is nothing to take back: {root / BACKUP} holds no installation.")
    backup = manifests[-1].parent
    entries = _load(manifests[-1])["entries"]
    # An interrupted run leaves files that are still as they were before.
    changed = [
        entry["path"]
        for entry in entries
        if _digest(read(root, entry["path"])) not in (entry["after"], entry["before"])
    ]
    if changed:
        raise Refused(
            f"changed since the installation: {', '.join(changed[:8])}{' ...' if changed[8:] else ''}. Nothing was "
            f"taken back. What was there before is in {backup / 'files'}: copy from there, or undo the "
            "changes and say --roll-back again."
        )
    restored = []
    for entry in entries:
        copy = backup / "files" / entry["path"]
        before = copy.read_bytes() if entry["before"] else None
        if _digest(before) != entry["before"]:
            raise Refused(f"{copy} is not what was put there. Nothing was taken back; use git to restore the files.")
        restored.append(Change(path=entry["path"], before=None, after=before, mode=entry["mode"]))
    for change in restored:
        _put(root, change.path, change.after, change.mode, backup)
    _delete_backup(backup)
    return [change.path for change in restored]


def _entry(root: Path, change: Change) -> dict[str, Any]:
    file = root / change.path
    mode = file.stat().st_mode & 0o7777 if file.exists() else None
    return {"path": change.path, "before": _digest(change.before), "after": _digest(change.after), "mode": mode}


def _digest(data: bytes | None) -> str | None:
    return None if data is None else digest(data)


def digest(data: bytes) -> str:
    """Return the digest of a file's bytes that manifests hold."""
    return hashlib.sha256(data).hexdigest()


def _new_backup(root: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = root / BACKUP / stamp
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}. Nothing was changed.") from error
    return folder


def _manifests(root: Path) -> list[Path]:
    """Return the manifests of all installations, the oldest first."""
    return sorted((root / BACKUP).glob(f"*/{_MANIFEST}"))


def _load(manifest: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{manifest} cannot be read ({error}); use git to restore the files.") from error
    if content.get("version") != _VERSION:
        raise Refused(f"{manifest} was written by another version of this script; use that one.")
    return content


def _put(root: Path, path: str, data: bytes | None, mode: int | None, backup: Path) -> None:
    file = root / path
    if data is not None:
        _write(file, data, mode, backup)
        return
    file.unlink(missing_ok=True)
    _remove_empty_folders(file.parent, root)


def _remove_empty_folders(folder: Path, root: Path) -> None:
    """Remove a folder, and those around it, that hold nothing but the interpreter's own caches."""
    while folder != root and folder.is_dir():
        entries = list(folder.iterdir())
        if any(entry.name != "__pycache__" for entry in entries):
            return
        for cache in entries:
            for file in cache.iterdir():
                file.unlink()
            cache.rmdir()
        folder.rmdir()
        folder = folder.parent


def _write(file: Path, data: bytes, mode: int | None, backup: Path | None = None) -> None:
    """Write a file whole or not at all; without a mode, a file that exists keeps its own.

    The temporary file lies in the backup where that is on the same device, so that what a killed run leaves behind is
    deleted when the installation is undone.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        mode = file.stat().st_mode & 0o7777 if file.exists() else 0o644
    folder = file.parent if backup is None or backup.stat().st_dev != file.parent.stat().st_dev else backup
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _delete_backup(folder: Path) -> None:
    """Delete a backup that is no longer needed, as far as it can be deleted."""
    for file in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            file.rmdir() if file.is_dir() else file.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
