"""Let an agent of the user's decide in a back-test, by the name of its code.

The name is `package.module:Thing`, `path/to/file.py:Thing`, or that of an entry point in the group `moondev.agents`.
The thing is a class that is made without arguments, an object, or a function. Its `decide(view)`, or the function
itself, gets the market as of then, and returns BUY, SELL or NOTHING, as a text, as a pair with a confidence, as a
mapping or as an object with `action` and `confidence`; None is an abstention.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import math
import numbers
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.judging.backtest.as_of import LookAheadError
from src.judging.backtest.choices import Choice
from src.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from src.agents.ledger_entries import Circumstances
    from src.judging.backtest.as_of import AsOfView
    from src.observability.tracing.observation import Observation
    from src.prompts import Prompt

PREFIX: Final = "agent:"
GROUP: Final = "moondev.agents"
_ACTIONS: Final = ("BUY", "SELL", "NOTHING")
_UNREAD: Final = ("target", "stop", "stop_loss", "take_profit", "size", "quantity", "horizon", "symbol")
_FORM: Final = "give package.module:Class, path/to/file.py:Class, or the name of an installed agent"


class AgentError(ValueError):
    """An agent cannot be loaded or does not keep to the protocol; the message names it and what is wrong."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an agent returned; `action` is None for an abstention."""

    action: str | None
    confidence: float | None = None


class UserAgent:
    """A decider that runs an agent's code.

    Its name ends in digits of its source, so that a changed agent is another decider, and decides anew. An agent
    states `models = ("openai:gpt-4o",)` where it asks any, and `models = ()` where it asks none. Of one that says
    nothing, what it costs is read from its trace, and what its models were trained on is unknown.

    Raises:
        AgentError: there is no such agent.
    """

    def __init__(self, name: str) -> None:
        agent, source = _load(name)
        where, colon, attribute = name.rpartition(":")
        label = f"{Path(where).stem if where.endswith('.py') else where}{colon}{attribute}"
        self.name = f"{PREFIX}{label}@{hashlib.sha256(source).hexdigest()[:8]}"
        self._decide = _decide_of(agent, name)
        models = getattr(agent, "models", None)
        if models is not None and (isinstance(models, str) or not all(isinstance(item, str) for item in models)):
            raise AgentError(f"The agent {name} has models = {models!r:.60}: give a tuple of provider:model.")
        fewest_bars: Any = getattr(agent, "fewest_bars", 1)
        if not isinstance(fewest_bars, int) or fewest_bars < 1:
            raise AgentError(f"The agent {name} has fewest_bars = {fewest_bars!r:.60}: give a whole number above 0.")
        self.models = tuple(models or ())
        self.fewest_bars = fewest_bars
        self.prompt: Prompt | None = None
        self.is_free = models is not None and not self.models
        self.trained_models = self.models if models is not None else (self.name,)

    def decide(self, view: AsOfView, where: Circumstances) -> Choice:
        """Return the agent's choice.

        Raises:
            LookAheadError: it read past the view, even where it caught the error itself.
            AgentError: it raised something else, or returned no decision.
        """
        if self.is_free:
            answer = self._answer(view)
            return _choice(answer)
        return self._observed(view, where)

    def _observed(self, view: AsOfView, where: Circumstances) -> Choice:
        """Let it decide in a run of its own, of which its model calls become part; write the decision."""
        from src.observability.tracing.agent_runs import observe_agent

        with observe_agent("backtest_agent", agent_name=self.name, trading_pair=view.symbol) as run:
            failure = None
            try:
                answer = self._answer(view)
            except ModelError as error:
                answer, failure = _Answer(None), error
            choice = _with_costs(_choice(answer, failure=failure), run)
            return _written(choice, self, view, where, run)

    def _answer(self, view: AsOfView) -> _Answer:
        try:
            answer = self._decide(view)
        except (LookAheadError, ModelError):
            raise
        except Exception as error:
            self._refuse_peeks(view)
            raise AgentError(f"{self.name} failed at {view.as_of:%Y-%m-%d %H:%M} UTC: {_described(error)}") from error
        self._refuse_peeks(view)
        return _read(answer, self.name)

    def _refuse_peeks(self, view: AsOfView) -> None:
        """Raise where the agent read past its view, and caught that error itself."""
        if view.peeks:
            raise LookAheadError(f"{self.name} read past its view: {view.peeks[0]}")


def _load(name: str) -> tuple[Any, bytes]:
    """Return an agent, and the source of its module."""
    where, colon, attribute = name.rpartition(":")
    if not colon:
        return _registered(name)
    if not where or not attribute:
        raise AgentError(f"{name!r:.80} names no agent: {_FORM}.")
    module = _module(where, name)
    thing: Any = module
    for part in attribute.split("."):
        if not hasattr(thing, part):
            raise AgentError(f"{where} has no {attribute!r:.60}: {_FORM}.")
        thing = getattr(thing, part)
    return _made(thing, name), _source(module)


def _registered(name: str) -> tuple[Any, bytes]:
    from importlib.metadata import entry_points

    points = entry_points(group=GROUP)
    chosen = next((point for point in points if point.name == name), None)
    if chosen is None:
        names = ", ".join(sorted(point.name for point in points)) or "none is installed"
        raise AgentError(f"{name!r:.60} is no installed agent ({names}): {_FORM}.")
    try:
        thing = chosen.load()
    except Exception as error:
        raise AgentError(f"The agent {name} cannot be loaded: {_described(error)}") from error
    return _made(thing, name), _source(sys.modules[chosen.module])


def _module(where: str, name: str) -> ModuleType:
    try:
        if where.endswith(".py"):
            return _module_of_file(Path(where).expanduser(), name)
        with _importable(Path.cwd()):
            return importlib.import_module(where)
    except AgentError:
        raise
    except Exception as error:
        raise AgentError(f"The agent {name} cannot be loaded: {_described(error)}") from error


def _module_of_file(path: Path, name: str) -> ModuleType:
    if not path.is_file():
        raise AgentError(f"The agent {name} cannot be loaded: there is no file {path}.")
    module_name = f"moondev_agent_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None  # noqa: S101 - of a path that ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up
    with _importable(path.resolve().parent):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported, as `python -m` lets those of the present one."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _source(module: ModuleType) -> bytes:
    try:
        return inspect.getsource(module).encode()
    except (OSError, TypeError):
        return module.__name__.encode()


def _made(thing: Any, name: str) -> Any:
    if not inspect.isclass(thing):
        return thing
    try:
        return thing()
    except Exception as error:
        raise AgentError(f"The agent {name} cannot be made without arguments: {_described(error)}") from error


def _decide_of(agent: Any, name: str) -> Callable[[AsOfView], Any]:
    decide = getattr(agent, "decide", None)
    function: Any = decide if callable(decide) else agent if inspect.isroutine(agent) else None
    if function is None:
        raise AgentError(f"The agent {name} has no decide(view), and is no function.")
    if inspect.iscoroutinefunction(function):
        raise AgentError(f"The agent {name} is asynchronous: give a plain decide(view), which may call asyncio.run.")
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise AgentError(f"The agent {name} is called as decide(view), and cannot be: {error}.") from error
    return function  # type: ignore[no-any-return]


def _read(answer: Any, name: str) -> _Answer:
    """Return what an agent decided; only what is plainly one of the three actions counts."""
    if answer is None:
        return _Answer(None)
    confidence: Any = None
    if isinstance(answer, Mapping):
        _refuse_unread(answer, name)
        action, confidence = answer.get("action"), answer.get("confidence")
    elif isinstance(answer, tuple) and len(answer) == 2:
        action, confidence = answer
    elif hasattr(answer, "action"):
        action, confidence = answer.action, getattr(answer, "confidence", None)
    else:
        action = answer
    text = str(getattr(action, "value", action)).strip().upper()
    if text not in _ACTIONS:
        raise AgentError(f"{name} returned {answer!r:.80}: return BUY, SELL or NOTHING, with a confidence or without.")
    if confidence is None:
        return _Answer(text)
    is_number = isinstance(confidence, numbers.Real | Decimal) and not isinstance(confidence, bool)
    if not is_number or not (math.isfinite(confidence) and (confidence == 0 or 1 <= confidence <= 100)):
        raise AgentError(
            f"{name} returned the confidence {confidence!r:.60}: return a number from 0 to 100; 85 is 85%, and 0.85 is "
            "refused as a share."
        )
    return _Answer(text, float(confidence))


def _refuse_unread(answer: Mapping[Any, Any], name: str) -> None:
    """Refuse what would change a decision's outcome and is not judged here, and a second spelling of a key."""
    keys = [str(key).strip().casefold() for key in answer]
    unread = [key for key in keys if key in _UNREAD or (key in ("action", "confidence") and key not in answer)]
    if unread or len(set(keys)) < len(keys):
        raise AgentError(
            f"{name} returned {dict(answer)!r:.80}: `action` and `confidence` alone are judged, each once; a target, a "
            "stop, a size or a horizon is not."
        )


def _choice(answer: _Answer, *, failure: ModelError | None = None) -> Choice:
    return Choice(
        action=answer.action or "NOTHING",
        confidence=answer.confidence,
        status="failed" if failure is not None else "abstained" if answer.action is None else "decided",
    )


def _with_costs(choice: Choice, run: Observation) -> Choice:
    """Return the choice with what its trace cost until now."""
    from dataclasses import replace

    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None or run.trace_id is None:
        return choice
    calls = [row for row in spool.trace(run.trace_id) if row.type == "generation"]
    return replace(
        choice,
        cost_usd=float(sum(row.cost_usd or 0.0 for row in calls)),
        cost_unknown=any(row.cost_unknown or row.cost_usd is None for row in calls),
        calls=len(calls),
    )


def _written(choice: Choice, agent: UserAgent, view: AsOfView, where: Circumstances, run: Observation) -> Choice:
    import json
    from dataclasses import replace

    from src.agents.market.bars import microseconds
    from src.agents.market.timeframes import last_close
    from src.observability.ledger import without_secrets, write_decision
    from src.observability.store.ledger_records import DecisionRecord

    run.update(output={"action": choice.action, "confidence": choice.confidence, "status": choice.status})
    record = DecisionRecord(
        id=where.decision_id or "",
        time_ns=time.time_ns(),
        as_of_ns=microseconds(last_close(view.candles)) * 1_000,
        symbol=view.symbol,
        action=choice.action,
        status=choice.status,
        confidence=choice.confidence,
        price=view.price,
        horizons=where.horizons,
        agent=agent.name,
        models=json.dumps(list(agent.models) or [agent.name]),
        environment=where.environment or "backtest",
        book=where.book,
        run_id=where.run_id,
        trace_id=run.trace_id,
        observation_id=run.id,
        cost_usd=choice.cost_usd,
        cost_unknown=choice.cost_unknown,
    )
    is_stored = write_decision(record) if where.write is None else where.write(without_secrets(record))
    return replace(choice, is_written=is_stored)


def _described(error: BaseException) -> str:
    """Return an error with the line of the code that raised it, without secrets."""
    from src.observability.redaction import redact_text

    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return redact_text(f"{type(error).__name__}: {error}".partition("\n")[0]) + where
