"""Guard pycurl, which opens its connections in C, by a class of handles that know their addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from src.models.guard import judging


def cover(pycurl: Any) -> None:
    """Put the guard before the class of handles, where it is not there yet.

    A handle that is given to `CurlMulti` is judged when it gets its address.
    """
    if getattr(pycurl.Curl, judging.MARK, False):
        return

    class Curl(pycurl.Curl):  # type: ignore[misc] # a class of a library without types
        """A handle that is judged where it gets its address, and each time that it sends."""

        def setopt(self, option: int, value: Any) -> None:
            if option == pycurl.URL:
                self.judged_target = _host_and_port(value)  # an attribute of the class would hide it
                judging.judge(*self.judged_target, "pycurl")
            super().setopt(option, value)

        def perform(self) -> Any:
            host, port = getattr(self, "judged_target", (None, None))
            judging.judge(host, port, "pycurl")
            return super().perform()

    setattr(Curl, judging.MARK, True)
    pycurl.Curl = Curl


def _host_and_port(address: object) -> tuple[str | None, int | None]:
    text = address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None, None
