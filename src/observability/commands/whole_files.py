"""Write a file whole or not at all: a disk that is full leaves what was there before."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path, mode: int | None) -> Iterator[IO[bytes]]:
    """Give a file beside another one that replaces it once the block has ended, and is removed where that fails.

    Args:
        path: The file that is replaced, if it exists.
        mode: Who may read and write the new one; as a new file of this user where not set.

    Raises:
        OSError: it cannot be written; the error names the file to be replaced.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("xb") as file:
            if mode is not None:
                unfinished.chmod(mode)
            yield file
        unfinished.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def write_whole(path: Path, text: str) -> None:
    """Write a text as UTF-8; a file that exists is replaced once the new one is whole.

    Devices, pipes and links are written to where they lead.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            error.filename = str(path)
            raise
        return
    with replacing(path, path.stat().st_mode & 0o777 if path.exists() else None) as file:
        file.write(text.encode())
