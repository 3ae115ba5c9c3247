"""Bound what a request can cost before it is sent: a token for each byte of it, and the longest replies it asks for."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from src.models import capabilities
from src.models.call.billing import requested_tier
from src.models.pricing import prices
from src.models.types import ImagePart, RawPart
from src.models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.types import ModelRequest, Operation

_OUTPUT_TOKENS: Final = 8_192  # where neither the request nor the model's documentation bounds the reply
_TOKENS_OF_A_PICTURE: Final = 6_000
# For this model OpenAI multiplies the tokens of a picture by 33: 2,833, and 5,667 for each of at most eight tiles.
_TOKENS_OF_A_PICTURE_BY_MODEL: Final = {"gpt-4o-mini": 49_000}
_HIDDEN_TOKENS: Final = 1_024  # that a provider may add to a prompt: its template, instructions for tools
_ROUNDING_BYTES: Final = 256  # lengths are rounded up to these, so that prices are looked up a few times
_CHEAPER_TIERS: Final = frozenset({"flex", "batch"})  # than the standard one, which is taken where they are not listed
# Options of the providers' own, at whatever depth, that bound a reply's length or request several replies.
_LENGTHS: Final = frozenset(
    {"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"}
)
_COUNTS: Final = frozenset({"n", "best_of", "candidate_count", "candidateCount"})
_DEEPEST: Final = 4


def highest_usd(provider: str, request: ModelRequest, operation: Operation) -> float | None:
    """Return the most that a request can cost in US dollars; None where its price is not known; vectors are free."""
    tier = requested_tier(provider, request) if request.options else None
    tokens = _input_tokens(provider, request)
    longest = 0 if operation == "embeddings" else _output_tokens(provider, request)
    return _price(provider, request.model, tier, tokens, longest, int(time.time() // 3600))


def _input_tokens(provider: str, request: ModelRequest) -> int:
    size = attached = pictures = 0
    for message in request.messages:
        content = message.content
        size += _bytes(content if isinstance(content, str) else message.text)
        for call in message.tool_calls:
            size += _bytes(call.name) + _bytes(call.arguments) + _bytes(call.replay)
        for part in () if isinstance(content, str) else content:
            if isinstance(part, RawPart) and part.kind == "text":
                size += _bytes(str(part.content))
            elif isinstance(part, RawPart):
                attached += _bytes(str(part.content))
                pictures += 1
            elif isinstance(part, ImagePart):
                pictures += 1
    for tool in request.tools:
        size += _bytes(str(tool))
    if request.response_format is not None:
        size += _bytes(str(request.response_format.schema))
    if request.options:
        size += _bytes(str(request.options))
    # A file of many bytes has never more tokens than the model reads.
    size += min(attached, capabilities.of(provider, request.model).context or attached) if attached else 0
    tokens = -(-size // _ROUNDING_BYTES) * _ROUNDING_BYTES + _HIDDEN_TOKENS
    return tokens + pictures * _picture(request.model) if pictures else tokens


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _picture(model: str) -> int:
    matches = (tokens for name, tokens in _TOKENS_OF_A_PICTURE_BY_MODEL.items() if name in model)
    return next(matches, _TOKENS_OF_A_PICTURE)


def _output_tokens(provider: str, request: ModelRequest) -> int:
    """Return how long all replies together may be: an option of the provider's own may win over `max_tokens`."""
    if request.max_tokens is not None and not request.options:
        return request.max_tokens
    lengths, replies = [] if request.max_tokens is None else [request.max_tokens], 1
    for name, value in _whole_numbers(request.options):
        if name in _LENGTHS:
            lengths.append(value)
        elif name in _COUNTS:
            replies = max(replies, value)
    longest = max(lengths, default=0) or capabilities.of(provider, request.model).max_output or _OUTPUT_TOKENS
    return longest * replies


def _whole_numbers(options: Mapping[str, object], depth: int = 0) -> Iterator[tuple[str, int]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            if depth < _DEEPEST:
                yield from _whole_numbers(value, depth + 1)
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield name, value


@functools.lru_cache(maxsize=1024)
def _price(
    provider: str, model: str, tier: str | None, input_tokens: int, output_tokens: int, hour: int  # noqa: ARG001 - some prices change by the hour
) -> float | None:  # fmt: skip
    usage = Usage(input=input_tokens, output=output_tokens)
    standard = prices.price(provider, (model,), usage).total
    if tier is None or standard is None:
        return standard
    of_tier = prices.price(provider, (model,), usage, tier=tier).total
    if of_tier is None:
        return standard if tier in _CHEAPER_TIERS else None
    return max(standard, of_tier)  # a provider that has no room in a cheaper tier may answer in the standard one
