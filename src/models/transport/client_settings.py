"""Notice what is set on an SDK's client after it was made, and set it on the client of asyncio too.

Programs set a key, an address, a header or a query on `model.client` while it is in use. Requests that are replayed
follow, and so does the asynchronous client, which a model makes by itself.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Snapshot = tuple[Any, ...]


class ClientSettings:
    """The settings of an SDK's client and of the HTTP client below it.

    Args:
        http: The client of httpx or httpx2; None where it is not known.
        owner: The SDK's client.
        names: The attributes of the owner that decide what it sends; a dotted name is one of an object in it.
    """

    __slots__ = ("_followed", "_http", "_names", "_owner", "_read", "initial")

    def __init__(self, http: Any, owner: Any, names: Sequence[str] = ()) -> None:
        self._http, self._owner = http, owner
        self._names = tuple(name for name in names if _has(owner, name))
        read: Any = operator.attrgetter(*self._names) if self._names else None
        # Of one name the values are no tuple.
        self._read = (lambda owner: (read(owner),)) if len(self._names) == 1 else read
        self.initial = self.snapshot()
        self._followed: Snapshot | None = None

    def _values(self) -> Snapshot:
        http = self._http
        values: Snapshot = self._read(self._owner) if self._read is not None else ()
        if http is None:
            return values
        headers = http._headers
        return (*values, getattr(headers, "_list", headers), http._params, http._base_url)

    def snapshot(self) -> Snapshot:
        """Return the settings as they are now; what can be changed in place is copied."""
        return tuple(value.copy() if isinstance(value, dict | list) else value for value in self._values())

    def are(self, snapshot: Snapshot) -> bool:
        """Tell whether the settings are still those of a snapshot."""
        return self._values() == snapshot

    def follow(self, other: ClientSettings) -> None:
        """Set on this client what has been set on another one of the same SDK since this was last done."""
        before = self._followed or other.initial
        if not other.are(before):
            self._followed = other.snapshot()
            self._copy_changes(other, before)

    def _copy_changes(self, other: ClientSettings, before: Snapshot) -> None:
        for name, value, old in zip(self._names, other._values(), before, strict=False):
            if value is old or value == old:
                continue
            if isinstance(value, dict):
                _change(operator.attrgetter(name)(self._owner), value, old)
            else:
                holder, _, attribute = name.rpartition(".")
                setattr(operator.attrgetter(holder)(self._owner) if holder else self._owner, attribute, value)
        http, source = self._http, other._http
        if http is None or source is None:
            return
        headers, params, base_url = before[len(self._names) :]
        earlier = dict(type(source.headers)([(raw, value) for raw, _, value in headers]))
        _change(http.headers, dict(source.headers), earlier)
        if source.params != params:
            http.params = source.params
        if source.base_url != base_url:
            http.base_url = source.base_url


def _change(target: Any, now: dict[str, Any], before: dict[str, Any]) -> None:
    """Set in a mapping what differs between two others."""
    for name, value in now.items():
        if before.get(name) != value:
            target[name] = value
    for name in before.keys() - now.keys():
        target.pop(name, None)


def _has(owner: Any, name: str) -> bool:
    try:
        operator.attrgetter(name)(owner)
    except AttributeError:
        return False
    return True
