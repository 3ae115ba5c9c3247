"""Call a chain of models, one after another, until one answers."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.base_model import BaseModel
from src.models.call import recording, symbols
from src.models.call.billing import Bill
from src.models.call.lifecycle import Call
from src.models.call.membership import MEMBER
from src.models.errors import ModelError, ModelTimeout
from src.models.retry import Retries
from src.models.types import Completion, Timeouts
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from src.models.call.steps import Steps
    from src.models.types import ModelRequest
    from src.observability.tracing.observation import Observation


class FallbackModel(BaseModel):
    """A chain of models: where one fails, the next is called. A reply's `provider` and `model_name` say which answered.

    An error that no retry can cure fails over at once, any other after the model's own retries. All tries share the
    deadline of the call: each may take its share of the time that is left, so that the last model is always reached.
    A stream fails over until its first chunk has been emitted.

    Raises:
        ModelError: the last model's error, where all failed; its notes hold the others'.
    """

    provider: ClassVar[str] = "fallback"

    def __init__(self, models: Sequence[BaseModel]) -> None:
        if not models:
            raise ValueError("A fallback chain needs at least one model.")
        first = models[0]
        super().__init__(first.model_name, timeouts=first.timeouts, retry_policy=first.retry_policy, agent=first.agent)
        self.models = tuple(member for model in models for member in _members(model))
        self.provider = first.provider  # type: ignore[misc] # a chain goes by its first model's provider

    def __repr__(self) -> str:
        """Return the models in their order."""
        return redact_text(
            f"FallbackModel({' -> '.join(f'{model.provider}:{model.model_name}' for model in self.models)})"
        )

    @override
    def is_available(self) -> bool:
        """Tell whether any of the models is configured."""
        return any(model.is_available() for model in self.models)

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        return request  # each model fits it to itself

    @override
    def as_sdk(self) -> BaseModel:
        """Return the chain itself: no SDK has one."""
        return self

    @override
    def _steps(self, request: ModelRequest) -> Steps:
        if MEMBER.get() is not None:
            return OneGeneration(self.models, request).steps()
        return self._tries(request, stream=False)

    @override
    def _stream_steps(self, request: ModelRequest) -> Steps:
        if MEMBER.get() is not None:
            return OneGeneration(self.models, request).stream_steps()
        return self._tries(request, stream=True)

    def _tries(self, request: ModelRequest, *, stream: bool) -> Steps:
        """Trace each try as a generation, under one observation named `fallback`."""
        from src.observability.tracing import observation as tracing

        # Opened before the first step, while whoever asks is on the stack.
        chain = tracing.start("fallback", "chain", agent=self.agent, symbol=partial(symbols.symbol_of, request))
        chain.update(metadata={"models": [f"{model.provider}:{model.model_name}" for model in self.models]})
        return self._try_each(chain, request, stream=stream)

    def _try_each(self, chain: Observation, request: ModelRequest, *, stream: bool) -> Steps:
        from src.observability.tracing import observation as tracing

        started_at = time.monotonic()
        failures: list[ModelError] = []
        spent = Bill()
        try:
            for position, model in enumerate(self.models):
                tries_left = len(self.models) - position
                call: Call | None = None
                try:
                    share = _request_for(model, request, time.monotonic() - started_at, tries_left)
                    call = Call(model, model._fitted(share), context=chain.context, earlier=spent)
                    reply = yield from (call.stream_steps() if stream else call.steps())
                except ModelError as error:
                    error.provider, error.model = error.provider or model.provider, error.model or model.model_name
                    if error.cost is None:  # of a model that was not asked
                        error.usage, error.cost = spent.usage, spent.cost
                    if tries_left == 1 or (call is not None and call.has_emitted):
                        _add_notes(error, failures)
                        raise
                    failures.append(error)
                    spent = Bill(error.usage, error.cost)
                    _record_failover(chain, error, self.models[position + 1])
                else:
                    chain.update(output=reply.content, metadata={"answered_by": f"{reply.provider}:{reply.model_name}"})
                    return reply
            raise AssertionError  # noqa: TRY301 - the last model of a chain has answered or raised
        except BaseException as error:
            category = getattr(error, "category", None) or tracing.builtins_category(error)
            chain.fail(getattr(error, "message", "") or str(error) or type(error).__name__, category)
            raise
        finally:
            chain.end()


def _members(model: BaseModel) -> tuple[BaseModel, ...]:
    """Return the models of a chain inside a chain; any other model alone."""
    return model.models if isinstance(model, FallbackModel) else (model,)


def _add_notes(error: ModelError, earlier: Sequence[ModelError]) -> None:
    """Add the errors of the models before to the last model's."""
    for failure in earlier:
        error.add_note(f"asked before, {failure}")


def _request_for(model: BaseModel, request: ModelRequest, elapsed_s: float, tries_left: int) -> ModelRequest:
    """Return the request to one model of the chain, with its share of the time that is left."""
    timeouts = request.timeouts
    remaining_s = timeouts.total - elapsed_s
    if remaining_s <= 0:
        raise ModelTimeout(f"no answer within {timeouts.total:g} s", provider=model.provider, model=model.model_name)
    share_s = remaining_s / tries_left
    shared = Timeouts(connect=min(timeouts.connect, share_s), read=min(timeouts.read, share_s), total=share_s)
    return replace(request, model=model.model_name, timeouts=shared)


def _record_failover(observation: Observation, error: ModelError, following: BaseModel) -> None:
    observation.event(
        "fallback",
        level="WARNING",
        status_message=error.message,
        metadata={
            "category": error.category,
            "status": error.status,
            "failed": f"{error.provider}:{error.model}",
            "next": f"{following.provider}:{following.model_name}",
        },
    )


class OneGeneration(Call):
    """A chain run as one call: one generation, tokens and money summed up over all tries."""

    def __init__(self, models: Sequence[BaseModel], request: ModelRequest) -> None:
        self._following = list(models[1:])
        self._chain_request = request
        self._failures: list[ModelError] = []
        super().__init__(models[0], _request_for(models[0], request, 0.0, len(models)))

    @override
    def _obtain_completion(self) -> Generator[Any, Any, tuple[Completion, object]]:
        while True:
            try:
                self._fit_request()
                return (yield from super()._obtain_completion())
            except ModelError as error:
                self._fail_over(error)

    @override
    def _open(self) -> Generator[Any, Any, tuple[Any, Any]]:
        while True:
            try:
                self._fit_request()
                return (yield from super()._open())
            except ModelError as error:
                self._fail_over(error)

    def _fit_request(self) -> None:
        self._request = self._model._fitted(self._request)
        recording.write_request(self._observation, self._model.provider, self._request, "chat")

    def _fail_over(self, error: ModelError) -> None:
        """Turn to the next model; raise the error where there is none."""
        error.provider, error.model = self._model.provider, self._request.model
        if not self._following:
            _add_notes(error, self._failures)
            raise error
        self._failures.append(error)
        model = self._following.pop(0)
        _record_failover(self._observation, error, model)
        elapsed_s = self._clock() - self._started_at
        request = _request_for(model, self._chain_request, elapsed_s, 1 + len(self._following))
        timeouts = replace(request.timeouts, total=elapsed_s + request.timeouts.total)
        self._model, self._request = model, replace(request, timeouts=timeouts)
        self._retries = Retries(model.retry_policy, timeouts.total)
