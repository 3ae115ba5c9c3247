"""Find the folders of this user's data and caches, and one in their place where there is no home folder."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

_log = logging.getLogger("moondev.observability")


class NoHome(ValueError):
    """A path begins with ~, and this user has no home folder."""


def data_folder() -> Path:
    """Return the folder for this user's data; it need not exist."""
    import platformdirs

    try:
        folder = Path(platformdirs.user_data_dir("moondev", appauthor=False))
    except RuntimeError:  # neither HOME nor an entry of the user
        folder = None
    if folder is not None and (folder.exists() or _can_make(folder)):
        return folder
    reason = "there is no home folder" if folder is None else f"{folder} cannot be made"
    return _fallback(reason)


def cache_folder() -> Path | None:
    """Return the folder for this user's caches; None where there is no home folder."""
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("moondev", appauthor=False))
    except RuntimeError:
        return None


def expanded(text: str) -> Path:
    """Return a path with its ~ replaced by the home folder.

    Raises:
        NoHome: there is none.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise NoHome(f"{text} begins with ~, and there is no home folder: give a path that begins with /") from error


def _can_make(folder: Path) -> bool:
    """Tell whether a folder that is not there could be made."""
    existing = next((parent for parent in folder.parents if parent.exists()), None)
    return existing is not None and existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


@lru_cache(maxsize=4)
def _fallback(reason: str) -> Path:
    """Return a folder of this user's below the system's folder for temporary files, and say so once.

    A folder that another user has put there is not used.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(tempfile.gettempdir()) / f"moondev-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        is_own = stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
        if not is_own or stat.S_IMODE(status.st_mode) & 0o022:
            folder = Path(tempfile.mkdtemp(prefix=f"moondev-{user}-"))
    except OSError:  # of a folder for temporary files that cannot be written either: the store says so
        return folder
    _log.warning(
        "Traces go to %s, since %s: they may be gone after a restart. Set HOME, or MOONDEV_TRACE_DB.", folder, reason
    )
    return folder
