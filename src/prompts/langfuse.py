"""Ask Langfuse's prompt management, and give it a prompt, by the routes that its SDK 5.0.4 uses."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from src.observability.delivery.destinations import langfuse_destination
from src.observability.delivery.http_post import ask, post_json
from src.observability.delivery.requester import Requester
from src.observability.network import display_url
from src.observability.redaction import redact_text
from src.prompts.records import Prompt, PromptError, PromptMissing, body_of, make_prompt

if TYPE_CHECKING:
    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome
    from src.observability.settings import Settings

_ROUTE: Final = "/api/public/v2/prompts"
_MOST_BYTES: Final = 4_000_000
_LARGEST_VERSION: Final = 65_535  # the server stores it in 16 bits


class ServerSilent(Exception):
    """The server gave no answer that says anything of the prompt; the message says why."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project of a Langfuse server.

    Attributes:
        key: Tells it from others, and holds no secret.
        host: The address as it may be shown.
        is_offline: Whether nothing may be asked, so that copies alone serve.
    """

    key: str
    host: str
    is_offline: bool
    _destination: Destination

    def fetch(self, name: str, *, version: int | None, label: str | None, timeout_s: float) -> Prompt:
        """Return a version of a prompt.

        Raises:
            PromptMissing: the server has no such prompt, version or label.
            PromptError: it has one that cannot be used.
            ServerSilent: it gave no answer.
        """
        wanted: dict[str, str | int] = {"version": version} if version is not None else {"label": label or ""}
        outcome = self._send(
            lambda client, to: ask(client, to, f"{_ROUTE}/{quote(name, safe='')}", wanted, most_bytes=_MOST_BYTES),
            timeout_s,
        )
        what = f"version {version}" if version is not None else f"the label {label}"
        if outcome.status == 404 and outcome.json() is not None:
            raise PromptMissing(f"{self.host} has no prompt {name!r} with {what}.")
        content = outcome.json() if outcome.status == 200 else None
        if not isinstance(content, dict):
            raise ServerSilent(_reason(outcome))
        return self._prompt(name, content)

    def push(self, prompt: Prompt, *, labels: tuple[str, ...], timeout_s: float) -> Prompt:
        """Make a prompt's next version on the server; return it as the server has it now.

        Raises:
            PromptError: the server refuses it.
            ServerSilent: it gave no answer; the version may have been made.
        """
        body = {
            "name": prompt.name,
            "type": prompt.kind,
            "prompt": body_of(prompt),
            "config": dict(prompt.config),
            "labels": list(labels),
            "commitMessage": f"{prompt.version} sha256 {prompt.digest[:16]}",
        }
        url = f"{self._destination.api_url}{_ROUTE}"
        outcome = self._send(lambda client, to: post_json(client, to, url, orjson.dumps(body)), timeout_s)
        content = outcome.json() if outcome.status in (200, 201) else None
        if isinstance(content, dict):
            return self._prompt(prompt.name, content)
        if outcome.status is not None and 400 <= outcome.status < 500 and outcome.status not in (408, 429):
            raise PromptError(f"{self.host} does not take {prompt.name!r}: {_reason(outcome)}.")
        raise ServerSilent(_reason(outcome))

    def _send(self, send: Any, timeout_s: float) -> Outcome:
        if self.is_offline:
            raise ServerSilent("MOONDEV_OFFLINE is set")
        destination = replace(
            self._destination, connect_timeout_s=timeout_s, ask_timeout_s=timeout_s, timeout_s=timeout_s
        )
        with closing(Requester(destination)) as server:
            return server.request(send)

    def _prompt(self, name: str, content: dict[str, Any]) -> Prompt:
        version = content.get("version")
        if not isinstance(version, int) or not 0 < version <= _LARGEST_VERSION or content.get("name") != name:
            raise ServerSilent(f"it answered with something else than the prompt {name!r}")
        labels = content.get("labels")
        return make_prompt(
            name,
            content.get("prompt"),
            config=content.get("config") or None,
            number=version,
            labels=tuple(sorted(map(str, labels))) if isinstance(labels, list) else (),
            source="langfuse",
            langfuse_version=version,
            place=f"{self.host}: the prompt {name!r}, version {version}",
        )


def project_of(settings: Settings) -> Project | None:
    """Return the project whose keys are set; None without keys."""
    public, secret = settings.langfuse_public_key, settings.langfuse_secret_key
    if not public or not secret:
        return None
    key = hashlib.sha256(f"{settings.langfuse_host}\n{public}".encode()).hexdigest()[:12]
    destination = langfuse_destination(settings.langfuse_host, public, secret, switches=settings.langfuse)
    host = display_url(destination.api_url or "")
    return Project(key=key, host=host, is_offline=settings.offline, _destination=destination)


def _reason(outcome: Outcome) -> str:
    if outcome.status is None:
        return redact_text(outcome.detail)
    if outcome.status in (401, 403):
        return f"it does not accept the keys ({outcome.status}): check LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"
    return redact_text(f"it answered {outcome.status} {outcome.first_words()}".strip())
