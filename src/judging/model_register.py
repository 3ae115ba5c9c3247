"""Know until when models were trained: what is decided about the time before shows no skill.

A register is a TOML file that MOONDEV_MODEL_REGISTER names, with a table for each model:

    ["openai:gpt-4o-2024-08-06"]
    cutoff = 2023-10-01                 # the end of its training data
    release = 2024-08-06
    source = "https://platform.openai.com/docs/models/gpt-4o"
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE: Final = "MOONDEV_MODEL_REGISTER"
# A margin, since providers state cut-offs by the month, and models know some of what came after.
MARGIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Training:
    """Until when a model was trained, when it came out, and who says so."""

    cutoff: date
    release: date
    source: str

    @property
    def known_until(self) -> datetime:
        """Return the time from which on its decisions count as made after its training."""
        return datetime.combine(max(self.cutoff, self.release), datetime.min.time(), UTC) + MARGIN


def book_of_models(models: Iterable[str], as_of_ns: int) -> str:
    """Return `after` where each model is known to be older than a time, as without any model; else `inside`."""
    register = read_register()
    as_of = datetime.fromtimestamp(as_of_ns / 1e9, UTC)
    for model in models:
        training = register.get(model)
        if training is None or as_of <= training.known_until:
            return "inside"
    return "after"


def read_register() -> dict[str, Training]:
    """Return the register; an empty one where no file is named.

    Raises:
        ValueError: the file cannot be read, or says what cannot be; the message names it.
    """
    name = os.environ.get(VARIABLE, "").strip()
    if not name:
        return {}
    path = Path(name).expanduser()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{VARIABLE} names {path}, which cannot be read: {error}.") from error


@lru_cache(maxsize=4)
def _read(path: Path, changed_ns: int) -> dict[str, Training]:  # noqa: ARG001 - a changed file is read again
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {model: _training(path, model, table) for model, table in tables.items()}


def _training(path: Path, model: str, table: Any) -> Training:
    values = table if isinstance(table, dict) else {}
    cutoff, release, source = (values.get(name) for name in ("cutoff", "release", "source"))
    if not (type(cutoff) is date and type(release) is date and isinstance(source, str) and source.strip()):
        raise ValueError(
            f"{path}: [{model!r}] needs cutoff and release as dates (2023-10-01), and the source that states them."
        )
    return Training(cutoff=cutoff, release=release, source=source)
