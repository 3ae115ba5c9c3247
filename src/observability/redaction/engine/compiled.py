"""Cache Hyperscan's compiled patterns in the user's cache folder.

Compiling takes a quarter of a second, loading half a millisecond. A cached file is used only if the user owns it,
nobody else may write to it, and its digest matches; otherwise the patterns are compiled again and the file replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.observability import folders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.redaction.rules.gates import Gate

_DIGEST = 32  # bytes of SHA-256, before the serialized database
_OTHERS_MAY_WRITE = 0o022


def database(rows: Sequence[Gate], first: int = 0) -> Any:
    """Return Hyperscan's database of these patterns, numbered from `first` on, from the cache where it is there.

    Raises:
        Exception: Hyperscan is not installed, or does not run on this processor.
    """
    import hyperscan

    expressions = [gate.pattern.encode() for gate in rows]
    flags = [
        (hyperscan.HS_FLAG_CASELESS if gate.caseless else 0) | (hyperscan.HS_FLAG_SINGLEMATCH if gate.once else 0)
        for gate in rows
    ]
    numbers = [*range(first, first + len(rows))]
    path = _cache_path(expressions, flags, f"{first} " + str(getattr(hyperscan, "__version__", "")))
    serialized = None if path is None else _read(path)
    if serialized is not None:
        with contextlib.suppress(Exception):  # written on another processor, for instance: compile again
            return hyperscan.loadb(serialized, hyperscan.HS_MODE_BLOCK)
    compiled = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    compiled.compile(expressions=expressions, ids=numbers, elements=len(rows), flags=flags)
    if path is not None:
        with contextlib.suppress(OSError):  # the folder is not writable: the next process compiles again
            _write(path, hyperscan.dumpb(compiled))
    return compiled


def _cache_path(expressions: Sequence[bytes], flags: Sequence[int], version: str) -> Path | None:
    inputs = repr((expressions, flags, version, platform.machine(), platform.processor()))
    key = hashlib.sha256(inputs.encode()).hexdigest()[:24]
    folder = folders.cache_folder()
    return None if folder is None else folder / f"redaction-{key}.hs"


def _read(path: Path) -> bytes | None:
    """Return the serialized database of a file that can be trusted, or None."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE):
                return None
            content = file.read()
    except OSError:
        return None
    body = content[_DIGEST:]
    return body if body and hashlib.sha256(body).digest() == content[:_DIGEST] else None


def _write(path: Path, body: bytes) -> None:
    """Replace the file in one step, so that another process never reads half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
