"""Find the alerts file: the one that MOONDEV_ALERTS names, or the project's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from src.observability import dotenv_file, folders

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "MOONDEV_ALERTS"
_NAME: Final = "alerts.toml"
_OFF: Final = frozenset({"0", "false", "no", "off"})


class AlertsError(ValueError):
    """The alerts file cannot be used; the message names the file, the rule, the key, the reason and the remedy."""


def alerts_path(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Path | None:
    """Return the alerts file: the one that MOONDEV_ALERTS names, else alerts.toml of the project; None without any.

    The project is the working folder and those above it, up to the first that is marked as a project's.

    Raises:
        AlertsError: MOONDEV_ALERTS names a file that is not there.
    """
    text = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if text.lower() in _OFF:
        return None
    if text:
        try:
            path = folders.expanded(text).absolute()
        except folders.NoHome as error:
            raise AlertsError(f"{VARIABLE} cannot be used: {error}.") from error
        if not path.is_file():
            raise AlertsError(f"{VARIABLE} names {path}, which is no file: put it right, or unset it.")
        return path
    try:
        folder = folder or Path.cwd()
    except OSError:  # it has been deleted
        return None
    candidates = (folder, *folder.parents)[: dotenv_file.top_of_project(folder) + 1]
    return next((candidate / _NAME for candidate in candidates if (candidate / _NAME).is_file()), None)
