"""Write a text file whole or not at all: a disk that is full leaves what was there before."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text as UTF-8; a file that exists is replaced once the new one is whole.

    Devices, pipes and links are written to where they lead.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
            return
        with unfinished.open("x", encoding="utf-8") as file:
            if path.exists():
                unfinished.chmod(path.stat().st_mode & 0o777)
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
