"""Know which project a destination is, whatever its address is spelled like and whichever of its keys is in use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import Answer, ask
from src.observability.network import display_url

if TYPE_CHECKING:
    from src.observability.delivery.destinations import Destination
    from src.observability.delivery.http_post import Outcome, Request
    from src.observability.store.progress import Progress

_PATH: Final = "/api/public/projects"
# As Langfuse makes them. An id of another shape was chosen by a person, who may have chosen it on several servers.
_RANDOM_ID: Final = re.compile(r"c[a-z0-9]{24}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Identity:
    """The identity of one destination; its server is asked for it once, and the store remembers it.

    Args:
        progress: What knows the destinations of the store.
        request: Sends a request to the destination.
    """

    def __init__(self, progress: Progress, request: Request) -> None:
        self._progress = progress
        self._request = request
        self._settled = False

    def settle(self, destination: Destination) -> Outcome | None:
        """Join what the store knows of a destination under its other names, before rows are sent to it.

        Its server is asked only where another destination of the store is further, which may be the same project.
        Returns the outcome of that where delivery must wait, since the server does not answer.
        """
        if self._settled:
            return None
        name = destination.name
        self._progress.unite(name, unique_key=destination.unique_key)
        if destination.kind != "langfuse" or self._progress.project_of(name) is not None:
            self._settled = True
        elif self._progress.may_be_ahead(name):
            return self._ask(destination)
        return None

    def learn(self, destination: Destination) -> None:
        """Ask the server which project it is, once it has taken something, so that its other names are known later."""
        if not self._settled:
            self._ask(destination)
            self._settled = True

    def _ask(self, destination: Destination) -> Outcome | None:
        """Ask the server for its project; return the outcome where it may say so later."""
        reply = self._request(lambda client, target: ask(client, target, _PATH))
        project = _project_of(reply, destination)
        if project is not None:
            self._progress.unite(destination.name, unique_key=destination.unique_key, project=project)
        self._settled = project is not None or reply.answer is not Answer.RETRY_LATER
        return None if self._settled else reply


def _project_of(reply: Outcome, destination: Destination) -> str | None:
    """Return the project that a server names, such that it is no other server's; None where it names none."""
    content = reply.json() if reply.status == 200 else None
    projects = content.get("data") if isinstance(content, dict) else None
    if not isinstance(projects, list) or len(projects) != 1 or not isinstance(projects[0], dict):
        return None
    project = projects[0].get("id")
    if not isinstance(project, str) or not project:
        return None
    return project if _RANDOM_ID.fullmatch(project) else f"{display_url(destination.api_url or '')}/{project}"
