"""Keep the compiled patterns in the user's cache folder, so that a process begins with them ready.

Compiling takes a quarter of a second, loading half a millisecond. A file counts only if it is the user's own, nobody
else may write it, and its digest is right; anything else is compiled anew and written over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.redaction.rules.gates import Gate

_DIGEST = 32
_OTHERS_MAY_WRITE = 0o022


def database(rows: Sequence[Gate]) -> Any:
    """Return Hyperscan's database of these patterns.

    Raises:
        Exception: there is no library, or it does not run on this processor.
    """
    import hyperscan

    expressions = [gate.pattern.encode() for gate in rows]
    flags = [
        (hyperscan.HS_FLAG_CASELESS if gate.caseless else 0) | (hyperscan.HS_FLAG_SINGLEMATCH if gate.once else 0)
        for gate in rows
    ]
    place = _place(expressions, flags, str(getattr(hyperscan, "__version__", "")))
    kept = _read(place)
    if kept is not None:
        with contextlib.suppress(Exception):  # of another processor, for instance: it is compiled anew
            return hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    made.compile(expressions=expressions, ids=list(range(len(rows))), elements=len(rows), flags=flags)
    with contextlib.suppress(OSError):  # a folder that may not be written: the next process compiles again
        _write(place, hyperscan.dumpb(made))
    return made


def _place(expressions: Sequence[bytes], flags: Sequence[int], version: str) -> Path:
    import platformdirs

    told = repr((expressions, flags, version, platform.machine(), platform.processor()))
    key = hashlib.sha256(told.encode()).hexdigest()[:24]
    return Path(platformdirs.user_cache_dir("moondev", appauthor=False)) / f"redaction-{key}.hs"


def _read(place: Path) -> bytes | None:
    try:
        with place.open("rb") as file:
            about = os.fstat(file.fileno())
            if hasattr(os, "geteuid") and (about.st_uid != os.geteuid() or about.st_mode & _OTHERS_MAY_WRITE):
                return None
            told = file.read()
    except OSError:
        return None
    body = told[_DIGEST:]
    return body if body and hashlib.sha256(body).digest() == told[:_DIGEST] else None


def _write(place: Path, body: bytes) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        Path(name).replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
