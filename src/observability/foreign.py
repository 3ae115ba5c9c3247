"""Observe a call that goes to a model without the factory, and read what its reply tells."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from src.observability import encoding, tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class ForeignCall:
    """Record the result of one such call."""

    def __init__(self, observation: tracing.Observation) -> None:
        self._observation = observation

    def finish(self, result: Any) -> Any:
        """Record a result and return it unchanged; one that came from the factory was measured there already."""
        if getattr(result, "observation_id", None) is not None:
            self._observation.set(TYPE="span").update(output=getattr(result, "content", None))
            return result
        model = getattr(result, "model", None)
        usage = getattr(result, "usage", None)
        counts = _counts(usage)
        self._observation.update(output=result)
        self._observation.set(
            MODEL=model if isinstance(model, str) else None,
            RESPONSE_MODEL=model if isinstance(model, str) else None,
            USAGE_DETAILS=encoding.json_text(counts) if counts else None,
            INPUT_TOKENS=counts.get("input"),
            OUTPUT_TOKENS=counts.get("output"),
        )
        return result


def _counts(usage: object) -> dict[str, int]:
    """Return input and output tokens under either SDK's names."""
    found: dict[str, int] = {}
    for bucket, spellings in {
        "input": ("prompt_tokens", "input_tokens"),
        "output": ("completion_tokens", "output_tokens"),
    }.items():
        for name in spellings:
            count = getattr(usage, name, None)
            if isinstance(count, int):
                found[bucket] = count
    return found


@contextmanager
def observe_call(
    func: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> Iterator[ForeignCall]:
    """Open a generation named after the function, with its arguments as input."""
    name = getattr(func, "__qualname__", "call")
    with tracing.observe(name, "generation", input={"args": list(args), "kwargs": dict(kwargs)}) as observation:
        yield ForeignCall(observation)
