"""Define the protocol of the private hooks that a call needs of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.errors import ModelError
    from src.models.limits.limiter import Limiter
    from src.models.retry import RetryPolicy
    from src.models.types import Chunk, Completion, ModelRequest, Operation, Timeouts


class ModelHooks(Protocol):
    """A model as a call sees it; `BaseModel` documents what each hook returns and raises.

    Calls are typed against this protocol and not against BaseModel, which is built on top of them.
    """

    model_name: str
    retry_policy: RetryPolicy
    limiter: Limiter | None
    reply_max_bytes: int
    agent: str | None

    @property
    def provider(self) -> str: ...  # noqa: D102 - see BaseModel
    @property
    def operation(self) -> Operation: ...  # noqa: D102 - see BaseModel

    def _fitted(self, request: ModelRequest) -> ModelRequest: ...
    def _build(self, request: ModelRequest, *, stream: bool) -> Any: ...
    def _send(self, payload: Any, timeouts: Timeouts) -> Any: ...
    async def _asend(self, payload: Any, timeouts: Timeouts) -> Any: ...
    def _read(self, raw: Any, request: ModelRequest) -> Completion: ...
    def _open_stream(self, payload: Any, timeouts: Timeouts) -> Iterator[Any]: ...
    async def _aopen_stream(self, payload: Any, timeouts: Timeouts) -> AsyncIterator[Any]: ...
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]: ...
    def _classify(self, error: BaseException) -> ModelError: ...
    def _explain(self, error: ModelError) -> None: ...
    def _is_free(self, model: str) -> bool: ...
