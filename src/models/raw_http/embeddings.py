"""Read what a request for embeddings used; its vectors are not recorded, their number and length are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.models.errors import MalformedResponse
from src.models.fields import text
from src.models.pricing.reported import reported_cost
from src.models.protocols.chat_completions.usage import usage as openai_usage
from src.models.types import Completion
from src.models.usage import Usage

if TYPE_CHECKING:
    from src.models.raw_http.addresses import Route

LARGEST_MB: Final = 1_000.0  # of a reply: thousands of vectors are not unusual
_COUNTS: Final = ("prompt_eval_count", "promptTokenCount", "totalTokenCount")


def completion(body: bytes, route: Route, model: str) -> Completion:
    """Return the model, tokens and cost that a reply names; its content is empty.

    Raises:
        MalformedResponse: it is no reply to a request for embeddings.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedResponse(f"the reply is no JSON but {body[:80]!r}") from error
    vectors = _vectors(value)
    if vectors is None:
        raise MalformedResponse(f"the reply has no embeddings: {', '.join(map(repr, value))[:80]}")
    counts = value.get("usage")
    return Completion(
        content="",
        model=text(value, "model") or model,
        usage=_usage(value),
        reported_cost=reported_cost(route.provider, counts) if isinstance(counts, Mapping) else None,
        notes={"embeddings": len(vectors), "dimensions": _length(vectors[0]) if vectors else None},
    )


def texts_of(body: Mapping[str, Any]) -> Any:
    """Return the inputs of a request for embeddings, as the body has them, in any of the protocols."""
    for name in ("input", "prompt", "content", "requests"):
        if body.get(name) is not None:
            return body[name]
    return None


def _usage(value: Mapping[str, Any]) -> Usage | None:
    """Return the tokens; there are none of a reply. Gemini and Ollama name a single number, OpenAI an object."""
    usage = openai_usage(value.get("usage"))
    if usage is not None and usage.input_tokens is not None:
        return replace(usage, output=0, output_reasoning_tokens=None, contradiction=None)
    for holder in (value, value.get("usageMetadata")):
        for name in _COUNTS:
            count = holder.get(name) if isinstance(holder, Mapping) else None
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                return Usage(input=count, output=0)
    return None


def _vectors(value: Any) -> Sequence[Any] | None:
    if not isinstance(value, Mapping):
        return None
    for name in ("data", "embeddings"):
        if isinstance(value.get(name), list):
            return value[name]  # type: ignore[no-any-return] # a list, as the line before says
    return [value["embedding"]] if "embedding" in value else None


def _length(vector: Any) -> int | None:
    """Return how many numbers a vector has; None for one in base64."""
    for name in ("embedding", "values"):
        if isinstance(vector, Mapping) and name in vector:
            vector = vector[name]
    return len(vector) if isinstance(vector, list) else None
