"""Open agent runs, each the root of its trace or a child where an agent runs inside another."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from src.observability import attributes as names
from src.observability.current import get_pipeline
from src.observability.settings import environment_name
from src.observability.spans import encoding
from src.observability.spans import scope as scopes
from src.observability.tracing import carry
from src.observability.tracing.call_arguments import call_arguments
from src.observability.tracing.observation import observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context

    from src.observability.spans.scope import Scope
    from src.observability.tracing.observation import Observation

    F = TypeVar("F", bound=Callable[..., object])

# The longest metadata, as JSON, that is repeated on every observation of a run: Langfuse's SDK propagates no more.
_LONGEST_PROPAGATED: Final = 200
_LONGEST_RECORDED: Final = 100_000
_log = logging.getLogger("moondev.observability")


class observe_agent:  # noqa: N801 - used as a function: a context manager and a decorator
    """Open one agent run: the root of its trace, or a child where an agent runs inside another.

    Use as `with observe_agent("risk", trading_pair="BTC-USD") as run:` or as `@observe_agent("risk")`
    above a function, plain or async. The function's arguments and result are then input and output; a value longer
    than 100,000 characters is recorded as its type and length. Every observation that opens inside carries the run's
    session, user, tags and short metadata. The root is named `<agent_type>.run`.

    Args:
        agent_type: What kind of agent this is, such as `risk` or `trading`.
        agent_name: The agent's own name; the type where it has none.
        trading_pair: The symbol it looks at.
        session_id: One run of the process or loop; the process's own where not given.
        user_id: The user on whose behalf it runs.
        tags: Added to the agent's type and the symbol.
        environment: Where it trades, such as `paper` or `live`; the process's own where not given.
        metadata: What is known at the start: market_data, position, ... Values of at most 200 characters as JSON are
            set on every observation that opens inside too.
        input: The input of the run.
        name: Another name for the root, such as `trading_agent.swarm`.
    """

    def __init__(
        self,
        agent_type: str,
        *,
        agent_name: str | None = None,
        trading_pair: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        tags: Iterable[str] = (),
        environment: str | None = None,
        metadata: Mapping[str, object] | None = None,
        input: object = None,  # noqa: A002 - the field's name in Langfuse
        name: str | None = None,
    ) -> None:
        self._name = name or f"{agent_type}.run"
        self._input = input
        run = {"agent_name": agent_name or agent_type, "agent_type": agent_type, "trading_pair": trading_pair}
        self._run = {key: value for key, value in run.items() if value is not None}
        self._metadata = dict(encoding.mapping(metadata))
        self._tags = (agent_type, trading_pair or "", *((tags,) if isinstance(tags, str) else tags or ()))
        self._session_id = session_id
        self._user_id = user_id
        self._environment = environment
        self._open: list[tuple[AbstractContextManager[Observation], Context]] = []

    def _observe(self, arguments: object = None) -> AbstractContextManager[Observation]:
        try:
            scope = self._scope()
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("The run's scope could not be set; the agent runs on without it.")
            scope = None
        run_input = self._input if self._input is not None else arguments
        return observe(self._name, "agent", scope=scope, input=run_input, metadata={**self._run, **self._metadata})

    def _scope(self) -> Scope:
        context = otel_context.get_current()
        scope = current_scope().narrowed(
            session_id=self._session_id,
            user_id=self._user_id,
            tags=self._tags,
            trace_name=self._name if _begins_trace(otel_trace.get_current_span(context)) else None,
            agent=self._run["agent_name"],
            metadata={**self._run, **{key: value for key, value in self._metadata.items() if _is_short(value)}},
            environment=_environment(self._environment),
        )
        own = {names.SESSION_ID: self._session_id, names.USER_ID: self._user_id, names.ENVIRONMENT: self._environment}
        return scopes.overriding(scope, context, *(name for name, value in own.items() if value))

    def __enter__(self) -> Observation:
        """Open the run."""
        manager = self._observe()
        observation = manager.__enter__()
        self._open.append((manager, observation.context))
        return observation

    def __exit__(self, *failure: Any) -> None:
        """End the run; an exception marks it as failed and propagates."""
        # Threads and tasks may share one instance: each ends the run that is current in its context.
        context = otel_context.get_current()
        entry = next((entry for entry in reversed(self._open) if entry[1] is context), self._open[-1])
        self._open.remove(entry)
        manager, _ = entry
        manager.__exit__(*failure)

    async def __aenter__(self) -> Observation:
        """Open the run, for `async with`."""
        return self.__enter__()

    async def __aexit__(self, *failure: Any) -> None:
        """End the run."""
        self.__exit__(*failure)

    def __call__(self, func: F) -> F:
        """Run a function, plain or async, a generator or not, as one agent run each time it is called."""
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            return carry.within(func, lambda args, kwargs: self._observe(_call_input(func, args, kwargs)))
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def run_async(*args: object, **kwargs: object) -> object:
                with self._observe(_call_input(func, args, kwargs)) as observation:
                    result = await func(*args, **kwargs)
                    _record_result(observation, result)
                    return result

            return cast("F", run_async)

        @functools.wraps(func)
        def run(*args: object, **kwargs: object) -> object:
            with self._observe(_call_input(func, args, kwargs)) as observation:
                result = func(*args, **kwargs)
                _record_result(observation, result)
                return result

        return cast("F", run)


def _call_input(
    func: Callable[..., object], args: Iterable[object], kwargs: Mapping[str, object]
) -> dict[str, object] | None:
    """Return the arguments of a run's function; None where nothing is recorded. Never raises."""
    try:
        return None if get_pipeline().tracer is None else call_arguments(func, args, kwargs, _shortened)
    except Exception:  # noqa: BLE001 - tracing never breaks the traced code
        _log.exception("What a run was called with could not be recorded.")
        return None


def _record_result(run: Observation, result: object) -> None:
    """Record the result of a run's function. Never raises."""
    try:
        if run.recording:
            run.returned(_shortened(result))
    except Exception:  # noqa: BLE001 - tracing never breaks the traced code
        _log.exception("What a run returned could not be recorded.")


def _shortened(value: object) -> object:
    """Return a value; of a long one, such as all candles of a market, its type and length."""
    if value is None or type(value) in (bool, int, float) or getattr(value, "observation_id", None) is not None:
        return value
    try:
        size = len(encoding.text(value))
    except Exception:  # noqa: BLE001 - writing it reports what cannot be encoded
        return value
    return value if size <= _LONGEST_RECORDED else {"type": type(value).__name__, "characters": size}


def current_scope() -> Scope:
    """Return the scope of the run that this code is part of, else the process's own."""
    scope = otel_context.get_value(scopes.CONTEXT_KEY)
    return scope if isinstance(scope, scopes.Scope) else get_pipeline().default_scope()


def _begins_trace(parent: otel_trace.Span) -> bool:
    """Tell whether a run starts a trace, and so names it: Langfuse shows no other name until the root has arrived.

    A trace that another process started, or the program through Langfuse's SDK, has its name from there.
    """
    return not scopes.is_own_span(parent) and not parent.get_span_context().is_remote


def _is_short(value: object) -> bool:
    return value is not None and len(encoding.json_text(value)) <= _LONGEST_PROPAGATED


def _environment(text: str | None) -> str | None:
    name = environment_name(text) if text else None
    if text and name is None:
        _log.warning(
            "An environment is no name that Langfuse takes, and is left out: lower case letters, digits, - and _, at "
            "most 40, not starting with langfuse."
        )
    return name
