"""Know until when models were trained: what is decided about the time before shows no skill.

`known_training.py` has what is publicly stated. MOONDEV_MODEL_REGISTER names a TOML file with more, which wins:

    ["openai:gpt-4o-2024-08-06"]
    cutoff = 2023-10-01                 # the end of its training data, where that is stated
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

from src.judging.known_training import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE: Final = "MOONDEV_MODEL_REGISTER"
# A margin, since providers state cut-offs by the month, and models know some of what came after.
MARGIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Training:
    """Until when a model was trained, when it came out, and who says so.

    Attributes:
        cutoff: The end of its training data; None where no source states it.
        release: When it came out, which bounds the cut-off.
        source: Who says so.
        is_own: Whether the user's file says so, not the project.
    """

    cutoff: date | None
    release: date
    source: str
    is_own: bool = False

    @property
    def known_until(self) -> datetime:
        """Return the time from which on its decisions count as made after its training."""
        return datetime.combine(max(self.cutoff or self.release, self.release), datetime.min.time(), UTC) + MARGIN


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
    """Return the register by the models' names: what the project knows, and the user's file over that.

    Raises:
        ValueError: the file cannot be read, or says what cannot be; the message names it.
    """
    name = os.environ.get(VARIABLE, "").strip()
    if not name:
        return _shipped()
    path = Path(name).expanduser()
    try:
        return {**_shipped(), **_read(path, path.stat().st_mtime_ns)}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{VARIABLE} names {path}, which cannot be read: {error}.") from error


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Training]:
    return {
        name: Training(cutoff=row.cutoff, release=row.release, source=row.source) for row in ROWS for name in row.names
    }


@lru_cache(maxsize=4)
def _read(path: Path, changed_ns: int) -> dict[str, Training]:  # noqa: ARG001 - a changed file is read again
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {model: _training(path, model, table) for model, table in tables.items()}


def _training(path: Path, model: str, table: Any) -> Training:
    values = table if isinstance(table, dict) else {}
    cutoff, release, source = (values.get(name) for name in ("cutoff", "release", "source"))
    is_cutoff = cutoff is None or type(cutoff) is date
    if not (is_cutoff and type(release) is date and isinstance(source, str) and source.strip()):
        raise ValueError(
            f"{path}: [{model!r}] needs cutoff and release as dates (2023-10-01), and the source that states them; a "
            "cutoff that nobody states may be left out."
        )
    if cutoff is not None and cutoff > release:
        raise ValueError(f"{path}: [{model!r}] has a cutoff after its release: which of them is wrong?")
    return Training(cutoff=cutoff, release=release, source=source, is_own=True)
