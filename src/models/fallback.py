"""Ask models one after another until one answers."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.base_model import BaseModel
from src.models.call import recording
from src.models.call.lifecycle import Call
from src.models.errors import ModelError, ModelTimeout
from src.models.retry import Retries
from src.models.types import Completion, Cost, Timeouts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from src.models.call.steps import Steps
    from src.models.types import ModelRequest, Usage
    from src.observability.tracing.observation import Observation

# Set where a chain is a member of a swarm, which shows each member as exactly one generation.
_AS_MEMBER: ContextVar[bool] = ContextVar("moondev_as_member", default=False)


@contextmanager
def as_member() -> Iterator[None]:
    """Have every chain that is asked inside the block be one generation, its failed tries child events of it.

    Otherwise each try is a generation of its own, under one observation of type chain.
    """
    token = _AS_MEMBER.set(True)
    try:
        yield
    finally:
        _AS_MEMBER.reset(token)


class FallbackModel(BaseModel):
    """Ask the first model; where it fails, the next. The reply's `provider` and `model_name` say which one answered.

    An error that a retry cannot cure fails over at once, any other after the model's own retries. All tries share
    the deadline of the call: each may take its share of what is left, so that the last one is always reached. A
    stream fails over until its first chunk has been handed out.

    Raises:
        ModelError: the last model's error, where all failed; its notes tell the others'.
    """

    provider: ClassVar[str] = "fallback"

    def __init__(self, models: Sequence[BaseModel]) -> None:
        if not models:
            raise ValueError("A fallback chain needs at least one model.")
        first = models[0]
        super().__init__(first.model_name, timeouts=first.timeouts, retry_policy=first.retry_policy)
        self.models = tuple(each for model in models for each in _each(model))
        self.provider = first.provider  # type: ignore[misc] # a chain answers to its first model's name

    def __repr__(self) -> str:
        """Return the models in their order."""
        return f"FallbackModel({' -> '.join(f'{model.provider}:{model.model_name}' for model in self.models)})"

    @override
    def is_available(self) -> bool:
        """Tell whether any of the models can be asked."""
        return any(model.is_available() for model in self.models)

    @override
    def _fitted(self, request: ModelRequest) -> ModelRequest:
        return request  # each model fits it to itself

    @override
    def _steps(self, request: ModelRequest) -> Steps:
        if _AS_MEMBER.get():
            return OneGeneration(self.models, request).steps()
        return self._tries(request, stream=False)

    @override
    def _stream_steps(self, request: ModelRequest) -> Steps:
        if _AS_MEMBER.get():
            return OneGeneration(self.models, request).stream_steps()
        return self._tries(request, stream=True)

    def _tries(self, request: ModelRequest, *, stream: bool) -> Steps:
        """Make each try a generation under one observation named `fallback`."""
        from src.observability.tracing import observation as tracing

        chain = tracing.start("fallback", "chain")
        chain.update(metadata={"models": [f"{model.provider}:{model.model_name}" for model in self.models]})
        began = time.monotonic()
        failed: list[ModelError] = []
        try:
            for position, model in enumerate(self.models):
                call: Call | None = None
                try:
                    fitted = model._fitted(_asked_of(model, request, time.monotonic() - began, self._left(position)))
                    call = Call(model, fitted, context=chain.context)
                    reply = yield from (call.stream_steps() if stream else call.steps())
                except ModelError as error:
                    error.provider, error.model = error.provider or model.provider, error.model or model.model_name
                    if self._left(position) == 1 or (call is not None and call.handed_out):
                        _note(error, failed)
                        raise
                    failed.append(error)
                    _tell(chain, error, self.models[position + 1])
                else:
                    chain.update(output=reply.content, metadata={"answered_by": f"{reply.provider}:{reply.model_name}"})
                    return reply
            raise AssertionError  # noqa: TRY301 - a chain has a last model, which has answered or raised
        except BaseException as error:
            category = getattr(error, "category", None) or tracing.builtins_category(error)
            chain.fail(getattr(error, "message", "") or str(error) or type(error).__name__, category)
            raise
        finally:
            chain.end()

    def _left(self, position: int) -> int:
        return len(self.models) - position


def _each(model: BaseModel) -> tuple[BaseModel, ...]:
    """Return the models of a chain within a chain, or the one that it is."""
    return model.models if isinstance(model, FallbackModel) else (model,)


def _note(error: ModelError, earlier: Sequence[ModelError]) -> None:
    """Add to the last model's error what kept the others from answering."""
    for each in earlier:
        error.add_note(f"asked before, {each}")


def _asked_of(model: BaseModel, request: ModelRequest, elapsed_s: float, tries_left: int) -> ModelRequest:
    """Return the request to one model of the chain, with its share of the time that is left."""
    given = request.timeouts
    left = given.total - elapsed_s
    if left <= 0:
        raise ModelTimeout(f"no answer within {given.total:g} s", provider=model.provider, model=model.model_name)
    share = left / tries_left
    limits = Timeouts(min(given.connect, share), min(given.read, share), share)
    return replace(request, model=model.model_name, timeouts=limits)


def _tell(observation: Observation, error: ModelError, following: BaseModel) -> None:
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


def _sum(one: Cost | None, other: Cost | None) -> Cost | None:
    if one is None or other is None:
        return None
    names = [*one.details, *(name for name in other.details if name not in one.details)]
    details = {name: one.details.get(name, 0.0) + other.details.get(name, 0.0) for name in names}
    source = one.source if one.source == other.source else f"{other.source}, {one.source}"
    return Cost(one.usd + other.usd, source, one.date or other.date, details)


class OneGeneration(Call):
    """Run a chain as one call: one generation, tokens and money summed over all tries."""

    def __init__(self, models: Sequence[BaseModel], request: ModelRequest) -> None:
        self._others = list(models[1:])
        self._whole = request
        self._earlier: list[tuple[Usage | None, Cost | None]] = []
        self._errors: list[ModelError] = []
        super().__init__(models[0], _asked_of(models[0], request, 0.0, len(models)))

    @override
    def _answer(self) -> Generator[Any, Any, tuple[Completion, object]]:
        while True:
            try:
                self._fit_request()
                return (yield from super()._answer())
            except ModelError as error:
                self._next(error)

    @override
    def _open(self) -> Generator[Any, Any, tuple[Any, Any]]:
        while True:
            try:
                self._fit_request()
                return (yield from super()._open())
            except ModelError as error:
                self._next(error)

    def _fit_request(self) -> None:
        self._request = self._model._fitted(self._request)
        recording.asked(self._observation, self._model.provider, self._request)

    def _next(self, error: ModelError) -> None:
        """Turn to the next model, or raise where there is none."""
        error.provider, error.model = self._model.provider, self._request.model
        if not self._others:
            _note(error, self._errors)
            raise error
        self._errors.append(error)
        self._earlier.append(super()._totals(Completion("")))
        self._usage = self._reported_usd = None
        following = self._others.pop(0)
        _tell(self._observation, error, following)
        elapsed = self._clock() - self._began
        request = _asked_of(following, self._whole, elapsed, 1 + len(self._others))
        limits = replace(request.timeouts, total=elapsed + request.timeouts.total)
        self._model, self._request = following, replace(request, timeouts=limits)
        self._retries = Retries(following.retry_policy, limits.total)

    @override
    def _totals(self, completion: Completion) -> tuple[Usage | None, Cost | None]:
        """Sum tokens and money over all tries; money that is unknown for one is unknown for all."""
        usage, cost = super()._totals(completion)
        for earlier, spent in self._earlier:
            if earlier is None:
                continue
            usage = earlier if usage is None else usage + earlier
            cost = _sum(cost, spent)
        return usage, cost
