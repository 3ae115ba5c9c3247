"""Break tracing at each of its seams, to see that no model call fails because of it.

`pytest tests/contract --faults commit` runs any tests that way; those that look at what was recorded are left out.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from src.observability.delivery import destinations, exporter
from src.observability.redaction import redactor
from src.observability.spans import encoding, light_tracer, otlp, rows
from src.observability.store.file import StoreFile
from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

# What tests ask for that look at what was recorded, or at how tracing copes: with tracing broken they mean nothing.
LOOKING: Final = frozenset({"spool", "sink", "langfuse", "caplog", "capsys"})

_DISK = sqlite3.OperationalError("disk I/O error")
_FULL = sqlite3.OperationalError("database or disk is full")
_BUG = RuntimeError("a bug in tracing")

SEAMS: Final[dict[str, tuple[tuple[object, str, Exception], ...]]] = {
    "start": ((light_tracer.LightTracer, "start", _BUG),),
    "text": ((encoding, "text", _BUG), (encoding, "json_text", _BUG)),
    "redact": ((redactor, "_redactor", _BUG),),
    "encode": ((otlp, "encode_attribute", _BUG), (otlp, "encode_span", _BUG)),
    "row": ((rows, "row", _BUG), ("src.observability.spans.processor", "row", _BUG)),
    "open": ((StoreFile, "open", _BUG), (StoreFile, "trouble", _DISK)),
    "begin": ((Spool, "_begin", _DISK),),
    "insert": ((Spool, "_insert", _FULL),),
    "commit": ((Spool, "_transaction", _DISK),),
    "corrupt": ((Spool, "_transaction", sqlite3.DatabaseError("file is not a database")),),
    "post": ((destinations, "_post", _BUG),),
    "acknowledge": ((Spool, "acknowledge", _DISK), (Spool, "acknowledge_scores", _DISK)),
    "lease": ((Spool, "lease", _DISK),),
    "read": ((Spool, "read_batch", _DISK), (Spool, "pending", _DISK)),
    "wake": ((exporter.Exporter, "wake", _BUG),),
}
DELIVERING: Final = frozenset({"post", "acknowledge", "lease", "read", "wake"})


class Faults:
    """Hold what was broken; `hits` counts how often that was reached."""

    def __init__(self) -> None:
        self.hits = 0

    def strike(self, seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name, error in SEAMS[seam]:
            target: Any = f"{owner}.{name}" if isinstance(owner, str) else owner
            if isinstance(owner, str):
                monkeypatch.setattr(target, self._raising(error))
            else:
                monkeypatch.setattr(target, name, self._raising(error))

    def _raising(self, error: Exception) -> Callable[..., Any]:
        def strike(*_: object, **__: object) -> Any:
            self.hits += 1
            raise type(error)(*error.args)  # another each time: one and the same would keep what was on the way of each

        return strike
