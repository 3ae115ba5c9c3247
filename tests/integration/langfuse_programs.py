"""Programs that use Langfuse's own SDK beside ours, and what they stored."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from src.observability.store.spool import Spool
from tests.warm import run_program

if TYPE_CHECKING:
    from src.observability.store.spool import TraceRow

ROOT = Path(__file__).parents[2]
KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1234567890", "LANGFUSE_SECRET_KEY": "sk-lf-1234567890"}
OURS = "from src.observability import observe_agent, get_tracker, flush, tracing\n"
LANGFUSE = "import langfuse\nfrom langfuse import Langfuse, get_client, observe\n"
END = "\nget_client().flush()\nleft = flush(20)\nassert left == 0, left\n"


def run(script: str, db: Path, **variables: str) -> str:
    """Run a program and return what it wrote to standard error."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE", "OTEL"))}
    environment = {**inherited, "MOONDEV_TRACE_DB": str(db), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT)}
    done = run_program(script, environment=environment | variables, timeout_s=90)
    assert done.returncode == 0, done.stderr
    return done.stderr


def stored(db: Path) -> dict[str, TraceRow]:
    """Return the stored rows by name; no name is stored twice."""
    rows = Spool(db).rows_after(0)
    assert not [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    return {row.name: row for row in rows}
