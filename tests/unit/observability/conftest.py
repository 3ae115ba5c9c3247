from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from src.observability.delivery import langfuse_server
from src.observability.delivery.exporter import Exporter
from tests.servers import Langfuse

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def langfuse(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Langfuse() as server:
        monkeypatch.setenv("LANGFUSE_HOST", server.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-tracing")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-tracing-secret")
        yield server


@pytest.fixture
def nothing_known() -> Iterator[None]:
    """Forget what is known of the servers that tests asked."""
    langfuse_server.forget_all()
    yield
    langfuse_server.forget_all()


@pytest.fixture(autouse=True)
def stopped_exporters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the exporters of a test: their threads would go on with a store that is gone."""
    exporters: list[Exporter] = []
    initialise = Exporter.__init__

    def remember(self: Exporter, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options)
        exporters.append(self)

    monkeypatch.setattr(Exporter, "__init__", remember)
    yield
    for exporter in exporters:
        exporter.shutdown(0.0)
