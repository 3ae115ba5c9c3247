"""A trace's page leads to Langfuse once the trace is there and the project is known; no page asks a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.dashboard import Content, open_stores
from src.observability import get_tracker, observe_agent
from tests.dashboard.conftest import opened
from tests.langfuse_server import DEFAULT_PROJECT, LangfuseServer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_delivered_trace_has_a_link_and_another_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        for name, value in (("HOST", server.url), ("PUBLIC_KEY", "pk-lf-1"), ("SECRET_KEY", "sk-lf-1")):
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        with observe_agent("delivered") as run:
            pass
        assert get_tracker().flush(60) == 0
        get_tracker().shutdown(0.0)
        store = tmp_path / "traces.db"
        with opened(Content(stores=open_stores([store]))) as client:
            asked = len(server.requests)
            page = client.get(f"/traces/{run.trace_id}").text
            assert f'href="{server.url}/project/{DEFAULT_PROJECT}/traces/{run.trace_id}"' in page
            with observe_agent("waiting") as later:
                pass
            page = client.get(f"/traces/{later.trace_id}").text
            assert "<bdi>waiting</bdi>" in page
            assert "Open in Langfuse" not in page
            monkeypatch.delenv("LANGFUSE_SECRET_KEY")
            assert "Open in Langfuse" not in client.get(f"/traces/{run.trace_id}").text
            assert len(server.requests) == asked
