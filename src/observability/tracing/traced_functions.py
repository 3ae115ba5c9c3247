"""Observe a call that goes to a model without the factory, and read what its reply tells."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from src.observability.spans import double_counting, encoding
from src.observability.tracing import observation as tracing
from src.observability.tracing.call_arguments import arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_PIECES = 10_000
_log = logging.getLogger("moondev.observability")


class ForeignCall:
    """Record the result of one such call: what it returned, or what it yielded."""

    def __init__(self, observation: tracing.Observation, asked: object) -> None:
        self._observation = observation
        self._asked = asked if isinstance(asked, str) else None
        self._from_factory = False
        self._pieces: list[object] = []

    def finish(self, result: Any) -> Any:
        """Record a result and return it unchanged; one that came from the factory was measured there already."""
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
        answered = model if isinstance(model, str) else None
        counts = _counts(usage)
        self._observation.update(output=result)
        self._observation.set(
            MODEL=answered,
            RESPONSE_MODEL=answered,
            USAGE_DETAILS=encoding.json_text(counts) if counts else None,
            INPUT_TOKENS=_sum(counts, "input"),
            OUTPUT_TOKENS=_sum(counts, "output"),
            CACHE_READ_TOKENS=counts.get("input_cached_tokens"),
            CACHE_WRITE_TOKENS=counts.get("input_cache_creation"),
            REASONING_TOKENS=counts.get("output_reasoning_tokens"),
        )

    def hear(self, piece: object) -> None:
        """Note what a generator function yields; of a very long one, its beginning."""
        if len(self._pieces) < _MOST_PIECES:
            self._pieces.append(piece)

    def close(self) -> None:
        """Record what is known when the call is over, however it went."""
        if self._pieces:
            texts = [piece for piece in self._pieces if isinstance(piece, str)]
            whole = len(texts) == len(self._pieces)
            self._observation.update(output="".join(texts) if whole else self._pieces)
        own = self._observation.id
        if self._from_factory or (own is not None and double_counting.encloses_generation(int(own, 16))):
            self._observation.set(TYPE="span")  # what was asked inside is measured there
            return
        self._observation.set(OPERATION="chat", REQUEST_MODEL=self._asked)
        self._observation.set_default(MODEL=self._asked)


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _counts(usage: object) -> dict[str, int]:
    """Return the tokens in buckets that do not overlap, by the rule of either SDK.

    OpenAI's prompt_tokens and input_tokens include what was cached, and its output the reasoning, which stand apart in
    `*_details` (platform.openai.com/docs/api-reference/chat/object); Anthropic's input_tokens exclude both
    (docs.anthropic.com/en/api/messages).
    """
    given, answered = (
        _first(usage, "prompt_tokens", "input_tokens"),
        _first(usage, "completion_tokens", "output_tokens"),
    )
    inside = _first(usage, "prompt_tokens_details", "input_tokens_details", kind=object)
    cached = _first(inside, "cached_tokens")
    thought = _first(
        _first(usage, "completion_tokens_details", "output_tokens_details", kind=object), "reasoning_tokens"
    )
    found = {
        "input": given if given is None or not cached else given - cached,
        "input_cached_tokens": cached or _first(usage, "cache_read_input_tokens"),
        "input_cache_creation": _first(usage, "cache_creation_input_tokens"),
        "output": answered if answered is None or not thought else answered - thought,
        "output_reasoning_tokens": thought,
    }
    always = ("input", "output")
    return {name: count for name, count in found.items() if count or (count is not None and name in always)}


def _first(value: object, *spellings: str, kind: type = int) -> Any:
    found = (_get(value, name) for name in spellings)
    return next((one for one in found if one is not None and isinstance(one, kind)), None)


def _sum(counts: Mapping[str, int], side: str) -> int | None:
    return sum(count for name, count in counts.items() if name.startswith(side)) if side in counts else None


@contextmanager
def observe_call(
    func: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> Iterator[ForeignCall]:
    """Open a generation named after the function, with its arguments as input."""
    name = getattr(func, "__qualname__", "call")
    with tracing.observe(name, "generation", input=arguments(func, args, kwargs)) as observation:
        call = ForeignCall(observation, kwargs.get("model"))
        try:
            yield call
        finally:
            call.close()
