from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Langfuse


@pytest.fixture
def langfuse(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Langfuse() as server:
        monkeypatch.setenv("LANGFUSE_HOST", server.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-tracing")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-tracing-secret")
        yield server
