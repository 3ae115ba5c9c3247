"""Give replies and chunks whose text is what reading the SDK's own object gives.

That may be an empty text, None, or the exception that reading raises, where a reply has no choice, part or block. A
well-formed reply is read from its JSON; for any other the SDK's object is made and read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.models.fields import field
from src.models.lazy_reply import LazyReply
from src.models.types import Chunk, ModelResponse

Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a program reads the objects of one SDK's calls.

    Attributes:
        reads: What an attribute of the factory's reply is read from, by the attribute.
        chunk_reads: The same for the events of a stream.
        is_shown: Tells whether an event of a stream is one that a program reads text from.
        plain: Reads the text of a well-formed reply from its JSON; raises LookupError or TypeError for any other.
    """

    reads: dict[str, Read]
    chunk_reads: dict[str, Read]
    is_shown: Callable[[Any], bool]
    plain: Read


def _google_text(raw: Any) -> str:
    """Return what `response.text` of the old Google SDK is.

    Raises:
        ValueError: the reply has no part, as the SDK says it.
    """
    candidates: list[Any] = list(field(raw, "candidates") or ())
    if len(candidates) != 1:
        reason = "requires a single candidate, but but `response.candidates` is empty."
        if candidates:
            reason = "retrieves the parts for a single candidate. This response contains multiple candidates."
        raise ValueError(f"Invalid operation: The `response.parts` quick accessor {reason}")
    parts = field(field(candidates[0], "content"), "parts") or ()
    if not parts:
        reason = field(candidates[0], "finish_reason")
        raise ValueError(
            "Invalid operation: The `response.text` quick accessor requires the response to contain a valid `Part`, "
            "but none were returned. The candidate's "
            f"[finish_reason](https://ai.google.dev/api/generate-content#finishreason) is {_number(reason)}."
        )
    texts = [field(part, "text") for part in parts]
    if any(text is None for text in texts):
        raise ValueError("Could not convert a part that is no text, such as `part.function_call`, to text.")
    return "\n".join(map(str, texts))


_REASONS: Final[tuple[str, ...]] = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
)


def _number(reason: Any) -> Any:
    """Return a finish reason as the old Google SDK prints it."""
    name = str(getattr(reason, "value", reason) or _REASONS[0])
    return _REASONS.index(name) if name in _REASONS else name


def _plain_genai(body: Any) -> Any:
    parts = body["candidates"][0]["content"]["parts"]
    if not parts or any(part.get("thought") or not isinstance(part["text"], str) for part in parts):
        raise TypeError("not one text")
    return "".join(part["text"] for part in parts)


_MODEL: Read = lambda raw: raw.model  # noqa: E731 - one of many
_CHAT: Final = Protocol(
    reads={
        "content": lambda raw: raw.choices[0].message.content,
        "finish_reason": lambda raw: raw.choices[0].finish_reason,
        "model_name": _MODEL,
    },
    chunk_reads={
        "content": lambda event: event.choices[0].delta.content,
        "finish_reason": lambda event: event.choices[0].finish_reason,
    },
    is_shown=lambda event: bool(getattr(event, "choices", None)),
    plain=lambda body: body["choices"][0]["message"]["content"],
)
_OLLAMA: Final = Protocol(
    reads={"content": lambda raw: raw.message.content},
    chunk_reads={"content": lambda event: event.message.content},
    is_shown=lambda event: True,  # noqa: ARG005 - one signature for all
    plain=lambda body: body["message"]["content"],
)
PROTOCOLS: Final[dict[str, Protocol]] = {
    "openai": _CHAT,
    "openai<1": _CHAT,
    "groq": _CHAT,
    "responses": Protocol(
        reads={"content": lambda raw: raw.output_text, "model_name": _MODEL},
        chunk_reads={},
        is_shown=lambda event: False,  # noqa: ARG005
        plain=lambda body: {}[body],
    ),
    "anthropic": Protocol(
        reads={"content": lambda raw: raw.content[0].text, "model_name": _MODEL},
        chunk_reads={"content": lambda event: event.delta.text},
        is_shown=lambda event: field(field(event, "delta"), "type") == "text_delta",
        plain=lambda body: body["content"][0]["text"],
    ),
    "google.genai": Protocol(
        reads={"content": lambda raw: raw.text},
        chunk_reads={"content": lambda event: event.text},
        is_shown=lambda event: True,  # noqa: ARG005
        plain=_plain_genai,
    ),
    "google.generativeai": Protocol(
        reads={"content": _google_text},
        chunk_reads={"content": _google_text},
        is_shown=lambda event: True,  # noqa: ARG005
        plain=_google_text,
    ),
    "ollama": _OLLAMA,
}


class SdkReply(ModelResponse):
    """A reply whose content, finish reason and model are what reading the SDK's own object gives."""

    __slots__ = ("_protocol", "_raw")
    _protocol: Protocol
    _raw: Any

    def __bool__(self) -> bool:
        """Return True, as for any object of an SDK; the factory's own replies are true where they have text."""
        return True

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Raise what reading the SDK's object raises, which is an AttributeError here."""
            reads = self._protocol.reads
            return reads[name](self.raw_response) if name in reads else super().__getattr__(name)


class SdkChunk(Chunk):
    """A chunk of a stream whose content and finish reason are what reading the SDK's own event gives."""

    __slots__ = ("_event", "_reads")
    _event: Any
    _reads: dict[str, Read]

    def __bool__(self) -> bool:
        """Return True, as for any object of an SDK."""
        return True


_FIELDS: Final = tuple(item.name for item in fields(ModelResponse) if item.name != "raw_response")


def as_sdk_gives(reply: ModelResponse, raw: Any, protocol: Protocol) -> ModelResponse:
    """Return a reply whose text is read from what the SDK has returned."""
    sdk_reply = SdkReply(**{name: getattr(reply, name) for name in _FIELDS}, raw_response=raw)
    object.__setattr__(sdk_reply, "_protocol", protocol)
    object.__setattr__(sdk_reply, "_raw", raw)
    return sdk_reply


def chunk_of(event: Any, protocol: Protocol) -> Chunk:
    """Return an event of a stream as a chunk."""
    chunk = SdkChunk()
    object.__setattr__(chunk, "_event", event)
    object.__setattr__(chunk, "_reads", protocol.chunk_reads)
    return chunk


def _read_reply(reply: SdkReply, name: str, slot: Any) -> Any:
    read = reply._protocol.reads.get(name)
    if read is None:
        return slot.__get__(reply)
    if name == "content" and isinstance(reply._raw, LazyReply):
        try:
            text = reply._protocol.plain(reply._raw)
        except (LookupError, TypeError, AttributeError):
            text = None
        if isinstance(text, str):
            return text
    return read(reply.raw_response)


def _read_chunk(chunk: SdkChunk, name: str, slot: Any) -> Any:
    read = chunk._reads.get(name)
    return slot.__get__(chunk) if read is None else read(chunk._event)


def _redirect(cls: type, base: type, names: tuple[str, ...], read: Callable[[Any, str, Any], Any]) -> None:
    """Have a class read some fields of its base by `read`; they are set as before."""
    for name in names:
        slot: Any = base.__dict__[name]
        setattr(cls, name, property(partial(_by_name, read, name, slot), slot.__set__))


def _by_name(read: Callable[[Any, str, Any], Any], name: str, slot: Any, record: Any) -> Any:
    return read(record, name, slot)


_redirect(SdkReply, ModelResponse, ("content", "finish_reason", "model_name"), _read_reply)
_redirect(SdkChunk, Chunk, ("content", "finish_reason"), _read_chunk)
