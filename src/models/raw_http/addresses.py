"""Recognise the addresses that models answer at: the path names the protocol, the host the provider."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from src.models.guard.hosts import HOSTS

Protocol = Literal[
    "chat", "responses", "completions", "messages", "gemini", "ollama_chat", "ollama_generate", "embeddings",
    "gemini_embeddings", "ollama_embeddings",
]  # fmt: skip

_PATHS: tuple[tuple[re.Pattern[str], Protocol], ...] = (
    (re.compile(r"/chat/completions/?$"), "chat"),
    (re.compile(r"/v\d+/responses/?$"), "responses"),
    (re.compile(r"/v\d+/completions/?$"), "completions"),
    (re.compile(r"/v1/messages/?$"), "messages"),
    (re.compile(r"/models/(?P<model>[^/:]+):(?:stream)?[gG]enerateContent$"), "gemini"),
    (re.compile(r"/api/chat/?$"), "ollama_chat"),
    (re.compile(r"/api/generate/?$"), "ollama_generate"),
    (re.compile(r"/models/(?P<model>[^/:]+):(?:batchE|e)mbedContents?$"), "gemini_embeddings"),
    (re.compile(r"/api/embed(?:dings)?/?$"), "ollama_embeddings"),
    (re.compile(r"/embeddings/?$"), "embeddings"),
)
_PROVIDERS: dict[Protocol, str] = {
    "messages": "claude",
    "gemini": "gemini",
    "gemini_embeddings": "gemini",
    "ollama_embeddings": "ollama",
    "ollama_chat": "ollama",
    "ollama_generate": "ollama",
}
_SUFFIXES = {".openai.azure.com": "openai", "-aiplatform.googleapis.com": "gemini"}
_OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Route:
    """What an address leads to; `model` is empty where the path does not name one."""

    provider: str
    protocol: Protocol
    model: str
    endpoint: str  # host and path, without credentials and query

    @property
    def is_for_embeddings(self) -> bool:
        """Tell whether it returns vectors and no text."""
        return self.protocol.endswith("embeddings")


def route(address: str) -> Route | None:
    """Return where an address leads; None where no model answers at it."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    for pattern, protocol in _PATHS:
        match = pattern.search(parts.path)
        if match:
            model = unquote(match.groupdict().get("model") or "")
            return Route(
                provider=_provider(host, port, protocol),
                protocol=protocol,
                model=model,
                endpoint=f"{host}{parts.path}",
            )
    return None


def _provider(host: str, port: int | None, protocol: Protocol) -> str:
    known = HOSTS.get(host) or next((name for suffix, name in _SUFFIXES.items() if host.endswith(suffix)), None)
    if known:
        return known
    return "ollama" if port == _OLLAMA_PORT else _PROVIDERS.get(protocol, "openai_compatible")
