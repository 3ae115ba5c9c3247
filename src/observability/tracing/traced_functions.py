"""Observe functions that call a model without the factory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from src.observability import attributes as names
from src.observability.spans import double_counting, encoding
from src.observability.tracing import observation as tracing
from src.observability.tracing.call_arguments import call_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_ITEMS = 10_000
_log = logging.getLogger("moondev.observability")


class ForeignCall:
    """One such call; records what the function returned or yielded."""

    def __init__(self, observation: tracing.Observation, model: object) -> None:
        self._observation = observation
        self._requested_model = model if isinstance(model, str) else None
        self._from_factory = False
        self._has_counts = False
        self._has_failed = False
        self._items: list[object] = []

    def finish(self, result: Any) -> Any:
        """Record a result and return it unchanged; the factory has measured its own replies already."""
        try:
            self._record(result)
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code, whatever it returns
            _log.exception("What a call returned could not be recorded.")
        return result

    def _record(self, result: Any) -> None:
        if getattr(result, "observation_id", None) is not None:
            self._from_factory = True
            self._observation.set(TYPE="span").returned(result)
            return
        model, usage = _get(result, "model"), _get(result, "usage")
        response_model = model if isinstance(model, str) else None
        counts = _counts(usage)
        self._has_counts = bool(counts)
        self._observation.update(output=result)
        self._observation.set(
            MODEL=response_model,
            RESPONSE_MODEL=response_model,
            USAGE_DETAILS=encoding.json_text(counts) if counts else None,
            INPUT_TOKENS=_sum(counts, "input"),
            OUTPUT_TOKENS=_sum(counts, "output"),
            CACHE_READ_TOKENS=counts.get("input_cached_tokens"),
            CACHE_WRITE_TOKENS=counts.get("input_cache_creation"),
            REASONING_TOKENS=counts.get("output_reasoning_tokens"),
        )

    def add(self, item: object) -> None:
        """Record an item that a generator function yields; of a very long one, only the first ones."""
        if len(self._items) < _MOST_ITEMS:
            self._items.append(item)

    def fail(self) -> None:
        """Note that the call raised."""
        self._has_failed = True

    def close(self) -> None:
        """Record what is known when the call has ended, in whatever way."""
        if self._items:
            texts = [item for item in self._items if isinstance(item, str)]
            only_texts = len(texts) == len(self._items)
            self._observation.update(output="".join(texts) if only_texts else self._items)
        own = self._observation.id
        if self._from_factory or (own is not None and double_counting.encloses_generation(int(own, 16))):
            self._observation.set(TYPE="span")  # the generations inside have been measured
            return
        self._observation.set(OPERATION="chat", REQUEST_MODEL=self._requested_model)
        self._observation.set_default(MODEL=self._requested_model)
        if self._has_failed and not self._has_counts:
            # Langfuse's server would count the tokens of the input, and price them.
            self._observation.set(COST_DETAILS=encoding.json_text({"total": 0.0}))
            self._observation.update(metadata={names.USAGE_KNOWN: False})


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _counts(usage: object) -> dict[str, int]:
    """Return the tokens in buckets that do not overlap, by the rule of each SDK.

    OpenAI's prompt_tokens and input_tokens include cached tokens, and its output tokens include reasoning; both are
    also counted in `*_details` (platform.openai.com/docs/api-reference/chat/object). Anthropic's input_tokens exclude
    what was read from and written to the cache (docs.anthropic.com/en/api/messages).
    """
    input_tokens = _first(usage, "prompt_tokens", "input_tokens")
    output_tokens = _first(usage, "completion_tokens", "output_tokens")
    input_details = _first(usage, "prompt_tokens_details", "input_tokens_details", kind=object)
    output_details = _first(usage, "completion_tokens_details", "output_tokens_details", kind=object)
    cached = _first(input_details, "cached_tokens")
    reasoning = _first(output_details, "reasoning_tokens")
    buckets = {
        "input": input_tokens if input_tokens is None or not cached else input_tokens - cached,
        "input_cached_tokens": cached or _first(usage, "cache_read_input_tokens"),
        "input_cache_creation": _first(usage, "cache_creation_input_tokens"),
        "output": output_tokens if output_tokens is None or not reasoning else output_tokens - reasoning,
        "output_reasoning_tokens": reasoning,
    }
    if any(count is not None and count < 0 for count in buckets.values()):
        return {}  # counts that contradict one another
    always = ("input", "output")
    return {name: count for name, count in buckets.items() if count or (count is not None and name in always)}


def _first(value: object, *spellings: str, kind: type = int) -> Any:
    """Return the first attribute or item, by one of its spellings, that has a value of the kind."""
    values = (_get(value, name) for name in spellings)
    return next((item for item in values if item is not None and isinstance(item, kind)), None)


def _sum(counts: Mapping[str, int], side: str) -> int | None:
    return sum(count for name, count in counts.items() if name.startswith(side)) if side in counts else None


@contextmanager
def observe_call(
    func: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> Iterator[ForeignCall]:
    """Open a generation named after the function, with its arguments as input."""
    name = getattr(func, "__qualname__", "call")
    with tracing.observe(name, "generation", input=call_arguments(func, args, kwargs)) as observation:
        call = ForeignCall(observation, kwargs.get("model"))
        try:
            yield call
        except BaseException:
            call.fail()
            raise
        finally:
            call.close()
