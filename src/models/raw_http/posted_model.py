"""Trace requests that a program makes itself with an HTTP library, and change nothing about them.

The address, headers and body are the program's, and it gets the library's own response object and exceptions. Nothing
is retried. The recorded generation is that of a model's call: messages, parameters, the reply's text, tokens, cost,
latency and failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models import guard
from src.models.base_model import BaseModel
from src.models.errors import MalformedResponse, ModelError
from src.models.limits import rate_limit_headers, reply_size
from src.models.raw_http import embeddings, request_body, response_body
from src.models.raw_http.addresses import Route, route
from src.models.retry import NO_RETRIES
from src.models.types import Completion, ModelRequest, Timeouts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["PostedModel", "apost", "post"]

# The program's own time limits hold, or none.
_UNLIMITED = Timeouts(connect=1e6, read=1e6, total=1e6)


class _Exchange:
    """A request as the program makes it, and its response or exception."""

    def __init__(self, url: object, via: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]):
        self.url, self.via, self.arguments, self.options = url, via, arguments, options
        self.response: Any = None
        self.raised: Exception | None = None

    def send(self) -> Any:
        """Make the request, or an awaitable of it."""
        return self.via(self.url, *self.arguments, **self.options)

    def outcome(self, failure: ModelError | None) -> Any:
        """Return the response, or raise the exception, that the program gets from the library."""
        if self.raised is not None:
            raise self.raised
        if self.response is None and failure is not None:
            raise failure
        return self.response


class PostedModel(BaseModel):
    """The model that answers one request of the program's own; its calls are recorded as those of other models."""

    provider: ClassVar[str] = "posted"
    _repairs = False

    def __init__(self, body: Mapping[str, Any], destination: Route, exchange: _Exchange | None = None) -> None:
        self._body = body
        super().__init__(
            request_body.model_of(self._body, destination),
            timeouts=_UNLIMITED,
            retry_policy=NO_RETRIES,
            reply_max_mb=embeddings.LARGEST_MB if destination.is_for_embeddings else None,
        )
        self.provider = destination.provider  # type: ignore[misc] # each instance has its own
        self.operation = "embeddings" if destination.is_for_embeddings else "chat"  # type: ignore[misc] # as above
        self._exchange, self._route = exchange, destination

    def request(self) -> ModelRequest:
        """Return the request as it is recorded."""
        body = self._body
        return ModelRequest(
            model=self.model_name,
            messages=request_body.messages_of(body, self._route),
            timeouts=self.timeouts,
            tools=request_body.tools_of(body),
            options=request_body.parameters_of(body),
        )

    @override
    def _is_free(self, model: str) -> bool:
        return self.provider == "ollama" and not model.endswith(("-cloud", ":cloud")) and "." not in self._host()

    def _host(self) -> str:
        host = self._route.endpoint.partition("/")[0]
        return "" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - compared with, not bound to

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> _Exchange | None:
        return self._exchange

    @override
    def _send(self, payload: _Exchange, timeouts: Timeouts) -> bytes:
        try:
            payload.response = payload.send()
        except Exception as error:
            payload.raised = error
            raise
        return self.body_of(payload.response)

    @override
    async def _asend(self, payload: _Exchange, timeouts: Timeouts) -> bytes:
        try:
            payload.response = await payload.send()
        except Exception as error:
            payload.raised = error
            raise
        return self.body_of(payload.response)

    def body_of(self, response: Any) -> bytes:
        """Return a response's body, which the library holds for the program to read again.

        Raises:
            ModelError: it is an error response, or cannot be read.
        """
        status, headers = getattr(response, "status_code", None), getattr(response, "headers", None)
        try:
            body = response.content
        except Exception as error:  # the program gets this again when it reads the body
            raise MalformedResponse(f"the reply could not be read: {type(error).__name__}: {error}") from error
        if not isinstance(body, bytes) or not isinstance(status, int):
            raise MalformedResponse(f"the reply is {type(response).__name__}, whose body is not known")
        if headers is not None:
            raw_headers = ((str(name).encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
                    for name, value in headers.items())  # fmt: skip
            rate_limit_headers.record(self.provider, raw_headers)
        if len(body) > self.reply_max_bytes:  # the program has it all the same; no text of this size is recorded
            raise reply_size.too_long(self.reply_max_bytes)
        if status >= 400:
            raise response_body.refusal(status, body, headers or {}, self._route)
        return body

    @override
    def _read(self, raw: bytes, request: ModelRequest) -> Completion:
        return response_body.completion(raw, self._route, request.model)


def post(url: object, via: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Make a request, and trace it where a model answers; return what `via` returns and raise what it raises."""
    exchange = _Exchange(url=url, via=via, arguments=arguments, options=options)
    destination = route(str(url))
    if destination is None:
        return exchange.send()
    model, failure = _make_model(exchange, destination), None
    try:
        model._run(model.request())
    except ModelError as error:
        failure = error
    return exchange.outcome(failure)


async def apost(
    url: object, via: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Do what `post` does, where `via` is awaited."""
    exchange = _Exchange(url=url, via=via, arguments=arguments, options=options)
    destination = route(str(url))
    if destination is None:
        return await exchange.send()
    model, failure = _make_model(exchange, destination), None
    try:
        await model._arun(model.request())
    except ModelError as error:
        failure = error
    return exchange.outcome(failure)


def _make_model(exchange: _Exchange, destination: Route) -> PostedModel:
    guard.install()
    return PostedModel(request_body.body_of(exchange.arguments, exchange.options), destination, exchange)
