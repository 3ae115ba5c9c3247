"""Define what this folder needs of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from src.observability.settings import Settings
    from src.observability.spans.processor import SpoolProcessor
    from src.observability.store.spool import Spool


class _Exporter(Protocol):
    @property
    def failing(self) -> bool: ...


class _OwnClient(Protocol):
    def make(self, *, registered: bool = False) -> None: ...


class Host(Protocol):
    """A pipeline as the modules of this folder use it: they lie below it, so it is passed to them."""

    settings: Settings
    spool: Spool | None
    provider: TracerProvider | None
    processor: SpoolProcessor | None

    @property
    def exporter(self) -> _Exporter | None: ...  # noqa: D102 - see Pipeline
    @property
    def own_client(self) -> _OwnClient: ...  # noqa: D102 - see Pipeline
    @property
    def public_key(self) -> str: ...  # noqa: D102 - see Pipeline
    def is_current(self) -> bool: ...  # noqa: D102 - see Pipeline
    def store_score(self, name: str, value: float | str | bool, **fields: object) -> str | None: ...  # noqa: D102
    def flush(self, timeout_s: float = 10.0) -> int: ...  # noqa: D102 - see Pipeline
