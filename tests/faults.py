"""Break tracing at each of its seams, to check that no model call fails because of it.

`pytest tests/contract --faults commit` runs any tests that way; those that look at what was recorded are left out.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from src.observability.delivery import exporter, http_post
from src.observability.redaction import redactor
from src.observability.spans import encoding, light_tracer, otlp, rows
from src.observability.store.file import StoreFile
from src.observability.store.progress import Progress
from src.observability.store.queries import Queries
from src.observability.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

# The fixtures of tests that look at what was recorded, or at how tracing copes: with tracing broken they mean nothing.
LOOKING: Final = frozenset({"spool", "sink", "langfuse", "caplog", "capsys"})

_DISK = sqlite3.OperationalError("disk I/O error")
_FULL = sqlite3.OperationalError("database or disk is full")
_BUG = RuntimeError("a bug in tracing")

SEAMS: Final[dict[str, tuple[tuple[object, str, Exception], ...]]] = {
    "start": ((light_tracer.LightTracer, "start", _BUG),),
    "text": ((encoding, "text", _BUG), (encoding, "json_text", _BUG)),
    "redact": ((redactor, "_redactor", _BUG),),
    "encode": ((otlp, "encode_attribute", _BUG), (otlp, "encode_span", _BUG)),
    "row": ((rows, "span_record", _BUG),),
    "open": ((StoreFile, "open", _BUG), (StoreFile, "trouble", _DISK)),
    "begin": ((Writer, "_begin", _DISK),),
    "insert": ((Writer, "_insert", _FULL),),
    "commit": ((Writer, "_commit_records", _DISK),),
    "corrupt": ((Writer, "_commit_records", sqlite3.DatabaseError("file is not a database")),),
    "post": ((http_post, "_post", _BUG),),
    "acknowledge": ((Progress, "acknowledge", _DISK), (Progress, "acknowledge_scores", _DISK)),
    "lease": ((Progress, "lease", _DISK),),
    "read": ((Progress, "read_batch", _DISK), (Queries, "pending", _DISK)),
    "wake": ((exporter.Exporter, "wake", _BUG),),
}
DELIVERING: Final = frozenset({"post", "acknowledge", "lease", "read", "wake"})


class Faults:
    """The seams that were broken; `hits` counts how often one was reached."""

    def __init__(self) -> None:
        self.hits = 0

    def strike(self, seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name, error in SEAMS[seam]:
            monkeypatch.setattr(owner, name, self._raising(error))

    def _raising(self, error: Exception) -> Callable[..., Any]:
        def strike(*_: object, **__: object) -> Any:
            self.hits += 1
            raise type(error)(*error.args)  # a new one each time: a shared one would collect the tracebacks of all

        return strike
