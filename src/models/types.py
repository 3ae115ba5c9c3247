"""Hold the frozen records that cross the boundary between callers, the template and adapters."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from src.models.lazy_reply import LazyReply
from src.models.text_like import TextLike

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

# Provider-neutral reasons why a model stopped. Anything a provider invents passes through unchanged.
FINISH_STOP = "stop"
FINISH_LENGTH = "length"
FINISH_TOOL_CALLS = "tool_calls"
FINISH_CONTENT_FILTER = "content_filter"

# The index of a piece of a tool call that has none.
UNNUMBERED = -2


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Hold one image of a message: `data` bytes with their `media_type`, or a `url`.

    `detail` (low, high, auto) is for providers that look at images with more or less care; others never see it.
    """

    media_type: str = "image/png"
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """Hold one text of a message that also has images."""

    text: str


@dataclass(frozen=True, slots=True)
class RawPart:
    """Hold one part of another kind, such as sound, video or a file, in the words of the provider it is for."""

    content: Mapping[str, object] = field(repr=False)

    @property
    def kind(self) -> str:
        """Return what kind it is: its `type`."""
        return str(self.content.get("type"))


Part: TypeAlias = TextPart | ImagePart | RawPart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Hold one call of a tool that a model asks for; `arguments` is the JSON text as the model wrote it.

    `replay` is what its provider wants to see again when the conversation goes on, such as a signature of its thoughts;
    only the adapter that wrote it reads it.
    """

    id: str
    name: str
    arguments: str
    replay: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """Hold a piece of a tool call in a stream; pieces with the same `index` belong together.

    -1 is a whole call; UNNUMBERED goes on with the last one, unless it has an id or a name of its own.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    replay: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one turn of a conversation; `content` is a text, or parts where images are among it."""

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None

    @property
    def text(self) -> str:
        """Return the text of the message without its images."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """Ask for structured output: a JSON Schema, and the Pydantic model it came from where there is one."""

    name: str
    schema: Mapping[str, object]
    model: type | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bound one request, in seconds: connecting, each read, and the whole call with its retries."""

    connect: float = 10.0
    read: float = 120.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Hold one validated request. None means: not sent, so that the provider's default holds.

    `adjusted` says what differs from what the caller asked, because the model would have refused it.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    tools: tuple[Mapping[str, object], ...] = ()
    tool_choice: object = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    options: Mapping[str, object] = field(default_factory=dict)
    adjusted: Mapping[str, str] = field(default_factory=dict)

    @property
    def system(self) -> str | None:
        """Return the system prompt, several joined by a blank line, or None."""
        texts = [message.text for message in self.messages if message.role == "system"]
        return "\n\n".join(texts) if texts else None

    def parameters(self) -> dict[str, object]:
        """Return the parameters that were given, by the names a trace shows."""
        given: dict[str, object] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "top_p": self.top_p,
            "stop": list(self.stop) or None,
            "seed": self.seed,
            "reasoning_effort": self.reasoning_effort,
            "response_format": self.response_format.name if self.response_format else None,
            "tools": len(self.tools) or None,
            **self.options,
        }
        return {name: value for name, value in given.items() if value is not None}


def _add(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right


def _anew(known: tuple[int | None, ...], later: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Return what is known of one side of a usage when more is told of it.

    Where the later counts sum to the same, those that tell more of its parts stand; a later first count goes with its
    own parts, unless it is the same as before and they are left out.
    """
    parts = [count for count in later if count is not None]
    if later[0] is None or later[0] == known[0]:
        return tuple(own if new is None else new for own, new in zip(known, later, strict=True))
    told = [count for count in known if count is not None]
    return known if len(told) > len(parts) and sum(told) == sum(parts) else later


@dataclass(frozen=True, slots=True)
class Usage:
    """Count tokens in buckets that exclude one another and sum to the provider's total. Unknown is None, not 0.

    `input` excludes what was read from or written to a prompt cache, `output` excludes reasoning.
    """

    input: int | None = None
    input_cached_tokens: int | None = None
    input_cache_creation: int | None = None
    output: int | None = None
    output_reasoning_tokens: int | None = None

    @property
    def input_tokens(self) -> int | None:
        """Return all input tokens, cached ones included; None where the provider told none."""
        return _add(_add(self.input, self.input_cached_tokens), self.input_cache_creation)

    @property
    def output_tokens(self) -> int | None:
        """Return all output tokens, reasoning included; None where the provider told none."""
        return _add(self.output, self.output_reasoning_tokens)

    @property
    def total_tokens(self) -> int | None:
        """Return the sum of all buckets; None where either side is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens

    def details(self) -> dict[str, int]:
        """Return the buckets that are known, by the names that Langfuse shows."""
        buckets = {name: getattr(self, name) for name in self.__slots__}
        return {name: count for name, count in buckets.items() if count is not None}

    def updated(self, later: Usage) -> Usage:
        """Return this usage with what a later event of the same stream tells anew, of the input and of the output."""
        own, new = self._counts(), later._counts()
        return Usage(*_anew(own[:3], new[:3]), *_anew(own[3:], new[3:]))

    def _counts(self) -> tuple[int | None, ...]:
        return (
            self.input,
            self.input_cached_tokens,
            self.input_cache_creation,
            self.output,
            self.output_reasoning_tokens,
        )

    def __add__(self, other: Usage) -> Usage:
        """Sum two usages bucket by bucket; a bucket unknown on one side keeps the other's count."""
        return Usage(*(_add(own, new) for own, new in zip(self._counts(), other._counts(), strict=True)))

    # Existing agents read usage as a dictionary with the provider's field names.

    def _legacy(self) -> dict[str, int | None]:
        counts = {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
        }
        return {**counts, **self.details()}

    def __getitem__(self, name: str) -> int | None:
        """Return a count by a provider's field name, such as `usage["completion_tokens"]`."""
        return self._legacy()[name]

    def get(self, name: str, default: int | None = None) -> int | None:
        """Return a count by a provider's field name, or `default` where it is unknown."""
        count = self._legacy().get(name)
        return default if count is None else count


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold a price in US dollars, its source (`provider`, `genai-prices 0.2.3`, `own table`, `local`) and date."""

    usd: float
    source: str
    date: str | None = None
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rates:
    """Hold dollars per million tokens by usage bucket, or the catalogue's own tiered price where it is not flat."""

    per_million: Mapping[str, float]
    source: str
    date: str
    tiered: object = None


@dataclass(frozen=True, slots=True)
class Completion:
    """Hold what an adapter read out of one reply of its provider; `notes` go to the generation's metadata."""

    content: str
    model: str | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    response_id: str | None = None
    reported_cost_usd: float | None = None
    service_tier: str | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    raw: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Hold one piece of a streamed reply. The last one carries finish reason, usage, cost and whole tool calls.

    `refusal`, `choice` (which of several replies it is a piece of: the first is taken) and `whole` (a reply that ends a
    stream and repeats it) are what adapters tell the template.
    `reply`, on the last one, is the whole reply as `generate_response` would have returned it. With `response_format`
    its `parsed` is the value; where the streamed text did not fit and was repaired, `reply.content` is the repaired
    text, while the chunks before stay as they were streamed.
    """

    content: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    model: str | None = None
    usage: Usage | None = None
    tool_deltas: tuple[ToolDelta, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    response_id: str | None = None
    reported_cost_usd: float | None = None
    cost_usd: float | None = None
    service_tier: str | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    refusal: str = ""
    choice: int | None = None
    whole: Completion | None = field(default=None, repr=False)
    reply: ModelResponse | None = field(default=None, repr=False, compare=False)

    @property
    def parsed(self) -> object:
        """Return the value of a structured reply; None but on the last chunk."""
        return self.reply.parsed if self.reply is not None else None

    def __str__(self) -> str:
        """Return the text, so that a chunk prints as what it says."""
        return self.content


@dataclass(frozen=True, slots=True)
class ModelResponse(TextLike):
    """Hold a model's reply with what it took. `str(reply)` is its text."""

    content: str
    model_name: str
    provider: str = ""
    usage: Usage | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    latency_ms: float = 0.0
    finish_reason: str | None = None
    reasoning: str | None = None
    parsed: object = None
    tool_calls: tuple[ToolCall, ...] = ()
    attempts: int = 1
    trace_id: str | None = None
    observation_id: str | None = None
    response_id: str | None = None
    raw_response: object = field(default=None, repr=False, compare=False)

    def __eq__(self, other: object) -> bool:
        """Compare with a string as the text, and with another reply in all that they hold."""
        if isinstance(other, str):
            return self.content == other
        if not isinstance(other, ModelResponse):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    def __hash__(self) -> int:
        """Hash as the text does, to which a reply may be equal."""
        return hash(self.content)


_COMPARED = tuple(item.name for item in fields(ModelResponse) if item.compare)
_RAW_SLOT: Any = ModelResponse.__dict__["raw_response"]


def _raw_response(reply: ModelResponse) -> object:
    """Return the SDK's own object, which is made when it is first asked for."""
    found = _RAW_SLOT.__get__(reply)
    return found.typed() if isinstance(found, LazyReply) else found


# Nearly nobody reads it, and to make it takes longer than all else that is done with a reply.
setattr(ModelResponse, "raw_response", property(_raw_response, _RAW_SLOT.__set__))  # noqa: B010 - a type checker sees the field
