"""Define the frozen records that callers, calls and adapters exchange."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from src.models.lazy_reply import LazyReply
from src.models.text_like import TextLike
from src.models.usage import NO_USAGE
from src.models.usage import Cost as Cost  # noqa: PLC0414 - for those who import it from here
from src.models.usage import Usage as Usage  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
# What a call asks for, by OpenTelemetry's name of the operation.
Operation: TypeAlias = Literal["chat", "embeddings"]

# The `index` of a ToolDelta whose provider numbers none.
UNNUMBERED: Final = -2


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image in a message: `data` bytes with their `media_type`, or a `url`.

    `detail` (low, high, auto) is for providers that offer several resolutions; others never see it.
    """

    media_type: str = "image/png"
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text in a message that also has images, or one that `cache_control` marks for Claude's cache.

    The mark is sent to Claude as it is written; for other providers, which have no such marks, it is dropped.
    """

    text: str
    cache_control: Mapping[str, object] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RawPart:
    """A part of another kind, such as sound, video or a file, in the form of the provider that it is for."""

    content: Mapping[str, object] = field(repr=False)

    @property
    def kind(self) -> str:
        """Return the `type` of the part."""
        return str(self.content.get("type"))


Part: TypeAlias = TextPart | ImagePart | RawPart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to call a tool; `arguments` is the JSON text as the model wrote it.

    `replay` is what the provider must receive again when the conversation continues, such as a signature of its
    reasoning; only the adapter that wrote it reads it.
    """

    id: str
    name: str
    arguments: str
    replay: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of a tool call in a stream; pieces with the same `index` belong to the same call.

    The index -1 marks a whole call; UNNUMBERED continues the last call, unless the piece has its own id or name.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    replay: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `content` is a text, or parts where it contains more than text."""

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
    """A request for structured output: a JSON Schema, and the Pydantic model it came from where there is one."""

    name: str
    schema: Mapping[str, object]
    model: type | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a call in seconds: of connecting, of each read, and of the whole call with its retries."""

    connect: float = 10.0
    read: float = 120.0
    total: float = 300.0


@dataclass(frozen=True, slots=True)
class PromptLink:
    """The version of a prompt that a generation was asked with.

    Attributes:
        name: Its name.
        version: Its version in Langfuse's prompt management, which the generation is shown under; None without one.
        local_version: Its version as its file has it; None for a prompt of Langfuse's.
        digest: Digits of the SHA-256 of what it says.
        variables: What its variables were; None where the caller does not say.
    """

    name: str
    version: int | None
    local_version: str | None = None
    digest: str | None = None
    variables: Mapping[str, str] | None = None

    @property
    def variables_digest(self) -> str | None:
        """Return digits of the variables' SHA-256, to tell whether stored ones were redacted or cut; None for none."""
        return None if self.variables is None else digest_of_texts(self.variables)


def unread_choices(count: int) -> dict[str, object]:
    """Return the note on a reply with `count` choices, of which only the first is read; empty for a single one."""
    return {"unread_choices": count} if count > 0 else {}


def digest_of_texts(texts: Mapping[str, str]) -> str:
    """Return 32 digits of the SHA-256 of texts and their names."""
    content = json.dumps(sorted(texts.items()), ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A validated request. A parameter of None is not sent, so that the provider's default applies.

    `adjusted` says what differs from the caller's arguments, because the model would have refused them. `written` is
    the conversation in the body's fields, as a program wrote it for an SDK (`compat`), and takes the messages' place.
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
    prompt: PromptLink | None = None
    written: Mapping[str, object] | None = None

    @property
    def system(self) -> str | None:
        """Return the system prompt, several joined by a blank line, or None."""
        texts = [message.text for message in self.messages if message.role == "system"]
        return "\n\n".join(texts) if texts else None

    def parameters(self) -> dict[str, object]:
        """Return the parameters that are set, by the names that a trace shows."""
        parameters: dict[str, object] = {
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
        return {name: value for name, value in parameters.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Completion:
    """What an adapter reads from a provider's reply; `notes` become metadata of the generation."""

    content: str
    model: str | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    response_id: str | None = None
    reported_cost: Cost | None = None
    service_tier: str | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    raw: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed reply. The last chunk carries finish reason, usage, cost and whole tool calls.

    `reply`, on the last chunk, is the whole reply as `generate_response` would have returned it. With `response_format`
    its `parsed` is the value; where the streamed text did not fit and was repaired, `reply.content` is the repaired
    text, while the chunks before stay as they were streamed.

    Adapters alone set `refusal`, `choice` (the index of the choice that the chunk belongs to, of which the first is
    used) and `whole` (the complete reply with which some streams end).
    """

    content: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    model: str | None = None
    usage: Usage | None = None
    tool_deltas: tuple[ToolDelta, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    response_id: str | None = None
    reported_cost: Cost | None = None
    cost_usd: float | None = None
    service_tier: str | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    refusal: str = ""
    choice: int | None = None
    whole: Completion | None = field(default=None, repr=False)
    reply: ModelResponse | None = field(default=None, repr=False, compare=False)

    @property
    def parsed(self) -> object:
        """Return the value of a structured reply; None on all chunks but the last."""
        return self.reply.parsed if self.reply is not None else None

    def __str__(self) -> str:
        """Return the text, so that printing a chunk prints its text."""
        return self.content


@dataclass(frozen=True, slots=True)
class ModelResponse(TextLike):
    """A model's reply with its usage, cost and latency. `str(reply)` is its text.

    `cost` has the priced parts of all requests of the call and what else may have been billed; `cost_usd` is their sum,
    None unless all of it is known.
    `warnings` says what is wrong with a reply that came all the same, such as a prompt that the server has cut.
    """

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
    cost: Cost = field(default=Cost(unknown=(NO_USAGE,)), repr=False)
    warnings: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Compare the text with a string, or all fields but `raw_response` with another reply."""
        if isinstance(other, str):
            return self.content == other
        if not isinstance(other, ModelResponse):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    def __hash__(self) -> int:
        """Return the hash of the text, since a reply may be equal to a string."""
        return hash(self.content)


_COMPARED = tuple(item.name for item in fields(ModelResponse) if item.compare)
_RAW_SLOT: Any = ModelResponse.__dict__["raw_response"]


def _raw_response(reply: ModelResponse) -> object:
    """Return the SDK's own object, which is made when it is first read."""
    raw = _RAW_SLOT.__get__(reply)
    return raw.typed() if isinstance(raw, LazyReply) else raw


# Few callers read it, and making it takes longer than all other work on a reply.
setattr(ModelResponse, "raw_response", property(_raw_response, _RAW_SLOT.__set__))  # noqa: B010 - a type checker sees the field
