"""Find the address of a trace in Langfuse, by what the store knows of delivery; no server is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from src.observability.delivery.destinations import langfuse_destination
from src.observability.network import display_url
from src.observability.settings import Settings, SettingsError
from src.observability.store.aliases import canonical, project_of

if TYPE_CHECKING:
    import sqlite3

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store


def langfuse_url(store: Store, trace_id: str, limits: Limits) -> str | None:
    """Return where Langfuse shows a trace.

    None where no keys are set, where the server never said whose they are, which it is asked once it has taken
    something, and where the trace is not delivered yet.
    """
    try:
        settings = Settings.read()
    except SettingsError:
        return None
    if not settings.langfuse_configured:
        return None
    destination = langfuse_destination(
        settings.langfuse_host,
        settings.langfuse_public_key or "",
        settings.langfuse_secret_key or "",
        scores_only=settings.langfuse_scores_only,
    )
    question = partial(
        _project, name=destination.name, trace_id=trace_id, is_delivered_here=not settings.langfuse_scores_only
    )
    project = store.ask(question, None, limits)
    if project is None:
        return None
    return (
        f"{display_url(destination.api_url or '')}/project/{quote(project, safe='')}/traces/{quote(trace_id, safe='')}"
    )


def _project(connection: sqlite3.Connection, name: str, trace_id: str, *, is_delivered_here: bool) -> str | None:
    """Return the id of the project that has a trace; None where that is not known."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'aliases'").fetchone():
        return None
    project = project_of(connection, name)
    if project is None:
        return None
    if is_delivered_here:
        last = connection.execute("SELECT max(seq) FROM observations WHERE trace_id = ?", (trace_id,)).fetchone()[0]
        row = connection.execute(
            "SELECT acked FROM destinations WHERE name = ?", (canonical(connection, name),)
        ).fetchone()
        if row is None or last is None or row[0] < last:
            return None
    return project.rpartition("/")[2]  # an id that a person chose is kept behind its server's address
