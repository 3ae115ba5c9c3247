"""Write replies in a provider's wire format, and parse the requests that it received.

A provider that speaks plain Chat Completions needs nothing here: the dialect of `chat.py` is taken. Any other has a
module named like its row of the factory's table, with a class named `Dialect` that fills in this one.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.models.types import Usage
    from tests.servers import Received, Reply


@dataclass(frozen=True)
class Tokens:
    """Count what a reply took, as exclusive buckets; None is not told."""

    input: int | None = 20
    cached: int | None = 5
    output: int | None = 7
    reasoning: int | None = 3


@dataclass(frozen=True)
class Says:
    """Describe one reply in no provider's words. `pieces` is its text as a stream brings it."""

    text: str = "hello"
    reasoning: str = ""
    tokens: Tokens | None = field(default_factory=Tokens)
    tools: Sequence[tuple[str, dict[str, Any]]] = ()
    finish: str = "stop"
    model: str = ""

    @property
    def pieces(self) -> list[str]:
        middle = len(self.text) // 2
        return [piece for piece in (self.text[:middle], self.text[middle:]) if piece]


@dataclass(frozen=True)
class RequestContent:
    """The content of a request, in no provider's words. Images are their bytes, or their address where told so."""

    model: str
    system: str | None
    texts: list[str]
    images: list[bytes | str] = field(default_factory=list)
    max_tokens: int | None = None
    temperature: float | None = None
    stop: list[str] | None = None
    tools: list[str] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    stream: bool = False


class Dialect(ABC):
    """Speak one provider's wire.

    Attributes:
        model: A model that this provider has, which sees images and takes tools and schemas natively where the
            provider has such models.
        text_only_model: A model that takes no images, where the provider has one.
        sees: Whether `model` takes images.
        stops: Whether `model` takes stop sequences.
        priced: Whether a call of `model` has a known cost.
        unsaid: Error categories that this provider cannot express.
        told: What of `Tokens` this wire can tell: names of its fields.
        settings: What `get_model` is given besides, for a variant.
        environment: Variables that are set, for a variant.
        engine: Whether calls go to an engine in this process and not over HTTP.
        reasons: Whether it can tell reasoning apart.
        stream_error_categories: What an error inside a stream may be told as.
        loopback: Whether its SDK has an HTTP client that only a real server can answer.
    """

    model: ClassVar[str]
    text_only_model: ClassVar[str | None] = None
    sees: ClassVar[bool] = True
    stops: ClassVar[bool] = True
    priced: ClassVar[bool] = True
    unsaid: ClassVar[frozenset[str]] = frozenset()
    reported_counts: ClassVar[frozenset[str]] = frozenset({"input", "cached", "output", "reasoning"})
    engine: ClassVar[bool] = False
    reasons: ClassVar[bool] = True
    stream_error_categories: ClassVar[frozenset[str]] = frozenset({"overloaded", "server"})
    loopback: ClassVar[bool] = False
    prefix: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}
    environment: ClassVar[Mapping[str, str]] = {}

    def base_url(self, origin: str) -> str:
        """Return the address to configure for a server at `origin`, such as http://127.0.0.1:8000."""
        return origin + self.prefix

    @abstractmethod
    def reply(self, says: Says) -> Reply:
        """Return a whole reply."""

    @abstractmethod
    def stream(self, says: Says) -> Reply:
        """Return a streamed reply, its usage included as this provider tells it."""

    @abstractmethod
    def error(self, category: str) -> Reply:
        """Return an error response of a category of `src.models.errors.CATEGORIES`.

        Only for those that come over the wire as a response: authentication, permission, model_not_found,
        invalid_request (refusing the parameter `temperature` by name), context_length, rate_limit, quota, overloaded,
        server, content_blocked.
        """

    @abstractmethod
    def stream_error(self) -> Reply:
        """Return a stream that began with 200, said a piece of text, and then tells an overload or server error."""

    @abstractmethod
    def zero_usage(self, text: str) -> Reply:
        """Return a reply whose usage is all zeros beside a text."""

    @abstractmethod
    def parse_request(self, request: Received) -> RequestContent:
        """Return what a request asked."""

    def expected_usage(self, tokens: Tokens) -> Usage:
        """Return the buckets that `tokens` must be read as, by what this wire can tell."""
        from src.models.types import Usage

        cached = tokens.cached if "cached" in self.reported_counts else None
        reasoning = tokens.reasoning if "reasoning" in self.reported_counts else None
        return Usage(
            input=tokens.input,
            input_cached_tokens=cached,
            output=tokens.output,
            output_reasoning_tokens=reasoning,
        )

    def listing(self, names: Sequence[str]) -> Reply:
        """Return the list of the provider's models; this one suits OpenAI's SDK, its likes, and Anthropic's."""
        from tests.servers import Reply

        data = [
            {"id": name, "object": "model", "type": "model", "created": 1, "owned_by": "x", "display_name": name,
             "created_at": "2026-01-01T00:00:00Z"}
            for name in names
        ]  # fmt: skip
        body = {"object": "list", "data": data, "has_more": False}
        return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})

    def empty(self) -> Reply:
        """Return a reply that says nothing."""
        return self.reply(Says(text=""))

    def blocked(self) -> Reply | None:
        """Return a 200 whose text was withheld by the provider's safety rules, or None where there is no such thing."""
        return self.reply(Says(text="", finish="content_filter"))
