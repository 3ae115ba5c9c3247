"""Define what a call needs of a model: the private hooks that an adapter fills in, seen from below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.errors import ModelError
    from src.models.limits.limiter import Limiter
    from src.models.retry import RetryPolicy
    from src.models.types import Chunk, Completion, ModelRequest, Timeouts


class ModelHooks(Protocol):
    """Describe a model as a call uses it; `BaseModel` says what each hook returns and raises.

    The call is typed against this protocol and not against BaseModel, which builds on the call.
    """

    model_name: str
    retry_policy: RetryPolicy
    limiter: Limiter | None

    @property
    def provider(self) -> str: ...  # noqa: D102 - see BaseModel

    def _fitted(self, request: ModelRequest) -> ModelRequest: ...
    def _build(self, request: ModelRequest, *, stream: bool) -> Any: ...
    def _send(self, payload: Any, timeouts: Timeouts) -> Any: ...
    async def _asend(self, payload: Any, timeouts: Timeouts) -> Any: ...
    def _read(self, raw: Any, request: ModelRequest) -> Completion: ...
    def _open_stream(self, payload: Any, timeouts: Timeouts) -> Iterator[Any]: ...
    async def _aopen_stream(self, payload: Any, timeouts: Timeouts) -> AsyncIterator[Any]: ...
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]: ...
    def _classify(self, error: BaseException) -> ModelError: ...
    def _is_free(self, model: str) -> bool: ...
