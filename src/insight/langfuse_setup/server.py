"""Ask and tell a Langfuse server about a project's objects: pages are read whole, rate limits are kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability.delivery.destinations import langfuse_destination
from src.observability.delivery.http_post import ask, patch_json, post_json
from src.observability.delivery.langfuse_server import version_of
from src.observability.delivery.requester import Requester
from src.observability.network import display_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome
    from src.observability.settings import Settings

_PAGE: Final = 100  # the most that the server gives at once
_MOST_PAGES: Final = 1_000
_MOST_BYTES: Final = 64_000_000
_TRIES: Final = 4
_FIRST_WAIT_S: Final = 2.0
_LIMIT_WAIT_S: Final = 15.0  # where a 429 names no time; limits are counted by the minute
_LONGEST_WAIT_S: Final = 300.0
_NO_ROUTE: Final = (404, 405, 501)


class LangfuseProblem(Exception):
    """Nothing can be done with the server; the message names it, the reason, and what to check."""


class NoSuchRoute(Exception):
    """The server has no such route: it is too old for it, or keeps it off."""


class Refused(Exception):
    """The server does not take one object; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Project:
    """The project that the keys belong to."""

    id: str
    name: str
    host: str
    version: str | None

    @property
    def url(self) -> str:
        """Return its page."""
        return f"{self.host}/project/{self.id}"


class LangfuseApi:
    """The public API of one server, with the keys of one project.

    Args:
        settings: They name host and keys.
        pause: Waits for some seconds.
        note: Is told of long waits.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pause: Callable[[float], object] = time.sleep,
        note: Callable[[str], object] = lambda _: None,
    ) -> None:
        key, secret = settings.langfuse_public_key or "", settings.langfuse_secret_key or ""
        self._server = Requester(langfuse_destination(settings.langfuse_host, key, secret, switches=settings.langfuse))
        self.host = display_url(settings.langfuse_host)
        self._pause = pause
        self._note = note

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def project(self) -> Project:
        """Return the project of the keys, which proves both keys and address.

        Raises:
            LangfuseProblem: the server does not answer, is none, or refuses the keys.
        """
        try:
            content = self._get("/api/public/projects", {})
        except NoSuchRoute as error:
            raise LangfuseProblem(
                f"{self.host} is no Langfuse server, or a very old one: it does not say whose keys these are "
                "(HTTP 404). Check LANGFUSE_HOST."
            ) from error
        except Refused as error:
            raise LangfuseProblem(f"{self.host} does not say whose keys these are: {error}.") from error
        items = content.get("data")
        if not isinstance(items, list) or not items or not isinstance(items[0], dict) or not items[0].get("id"):
            raise LangfuseProblem(f"{self.host} answers as no Langfuse server does. Check LANGFUSE_HOST.")
        version = version_of(self._server.request, self._server.destination)
        name = items[0].get("name")
        return Project(id=str(items[0]["id"]), name=str(name or ""), host=self.host, version=version)

    def items(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Yield all objects of a list, page by page.

        Raises:
            NoSuchRoute: the server has no such list.
            Refused: it does not show it.
            LangfuseProblem: it does not answer.
        """
        for page in range(1, _MOST_PAGES):
            content = self._get(path, {**parameters, "page": page, "limit": _PAGE})
            rows = content.get("data")
            if not isinstance(rows, list):
                raise Refused("it answers with no list")
            yield from (row for row in rows if isinstance(row, dict))
            meta = content.get("meta")
            total = meta.get("totalPages") if isinstance(meta, dict) else None
            if not rows or not isinstance(total, int) or page >= total:
                return

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object, and return it as the server has it.

        It is sent again after a 429 alone: what else fails may have been taken, and a list shows whether it was.

        Raises:
            NoSuchRoute: the server has no such route.
            Refused: it does not take the object.
            LangfuseProblem: it does not answer.
        """
        return self._sent(post_json, path, body)

    def update(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change an object, and return it as the server has it; what the body does not name stays.

        Raises:
            NoSuchRoute: the server has no such route.
            Refused: it does not take the change.
            LangfuseProblem: it does not answer.
        """
        return self._sent(patch_json, path, body)

    def _sent(
        self, send: Callable[[httpx.Client, Destination, str, bytes], Outcome], path: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        content = orjson.dumps(body)
        for attempt in range(_TRIES):
            url = f"{self._server.destination.api_url}{path}"
            reply = self._server.request(lambda client, place, url=url: send(client, place, url, content))  # type: ignore[misc] # bound default
            if reply.status != 429:
                break
            self._wait(reply, attempt)
        return self._content(reply)

    def _get(self, path: str, parameters: dict[str, str | int]) -> dict[str, Any]:
        for attempt in range(_TRIES):
            reply = self._server.request(
                lambda client, place: ask(client, place, path, parameters, most_bytes=_MOST_BYTES)
            )
            is_passing = reply.status is None or reply.status == 429 or reply.status >= 500
            if not is_passing or reply.status == 501 or attempt == _TRIES - 1:
                break
            self._wait(reply, attempt)
        return self._content(reply)

    def _wait(self, reply: Outcome, attempt: int) -> None:
        usual_s = _LIMIT_WAIT_S if reply.status == 429 else _FIRST_WAIT_S * 2**attempt
        wait_s = min(usual_s if reply.wait_s is None else reply.wait_s, _LONGEST_WAIT_S)
        if reply.status == 429:
            self._note(f"{self.host} asks to wait: going on in {wait_s:.0f} s.")
        self._pause(wait_s)

    def _content(self, reply: Outcome) -> dict[str, Any]:
        """Return what a reply says, or raise what it means."""
        if reply.status is None:
            raise LangfuseProblem(f"{self.host} does not answer: {reply.detail}. Check LANGFUSE_HOST.")
        if reply.status in (401, 403) and not self._is_about_plan(reply):
            raise LangfuseProblem(
                f"{self.host} refuses the keys (HTTP {reply.status}): check LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY "
                "and LANGFUSE_HOST; keys belong to one region or server."
            )
        if reply.location is not None:
            raise LangfuseProblem(
                f"{self.host} answers with HTTP {reply.status}: it has moved to {display_url(reply.location)}. "
                "Put LANGFUSE_HOST right."
            )
        if reply.status in _NO_ROUTE:
            raise NoSuchRoute
        content = reply.json()
        if not 200 <= reply.status < 300 or not isinstance(content, dict):
            raise Refused(f"HTTP {reply.status}{f', {words}' if (words := reply.first_words()) else ''}")
        return content

    @staticmethod
    def _is_about_plan(reply: Outcome) -> bool:
        """Tell whether a 403 is about what the plan allows and not about the keys."""
        words = reply.first_words().lower()
        return reply.status == 403 and ("plan" in words or "entitlement" in words or "not available" in words)
