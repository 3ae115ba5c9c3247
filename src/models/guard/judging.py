"""Judge whether a request to a provider comes through a traced call."""

from __future__ import annotations

import contextlib
import fnmatch
import linecache
import logging
import os
import sys
import sysconfig
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from src.models.guard.hosts import canonical, is_provider
from src.models.transport import http_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_log = logging.getLogger("moondev.guard")

_SRC = Path(__file__).resolve().parents[2]
_OUR_FOLDERS = (str(_SRC / "models") + os.sep, str(_SRC / "observability") + os.sep)
_LIBRARY_FOLDERS = tuple(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen"}
)

Mode = Literal["warn", "block"]
MARK = "_moondev_guarded"  # an attribute of the functions that judge before they send


class DirectCallBlocked(RuntimeError):
    """A request to a provider did not come through a traced call; nothing was sent."""


@dataclass(frozen=True, slots=True)
class _CodeLine:
    """The line of the user's code that a request comes from."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


_mode: Mode | None = None
_warned_of: set[tuple[_CodeLine, str]] = set()
_lock = threading.Lock()
_exempt: ContextVar[bool] = ContextVar("moondev_guard_exempt", default=False)
_passing: ContextVar[bool] = ContextVar("moondev_guard_passing", default=False)
# Set while a request is judged, since judging may open connections itself; greenlets of one thread have one each.
_judging: ContextVar[bool] = ContextVar("moondev_guard_judging", default=False)


def mode() -> Mode | None:
    """Return how the guard treats a direct call; None where it is off."""
    return _mode


def set_mode(mode: Mode | None) -> Mode | None:
    """Set how the guard treats a direct call, None to switch it off; return the mode before."""
    global _mode
    with _lock:
        previous, _mode = _mode, mode
    return previous


def forget_warnings() -> None:
    """Let places that were already warned of be warned of again."""
    _warned_of.clear()


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Let requests inside the block pass: those that request no reply of a model, such as the list of models."""
    token = _exempt.set(True)
    try:
        yield
    finally:
        _exempt.reset(token)


@contextlib.contextmanager
def passing() -> Iterator[None]:
    """Let the lookups and connections pass that a library makes for a request which was judged already."""
    token = _passing.set(True)
    try:
        yield
    finally:
        _passing.reset(token)


def is_passing() -> bool:
    """Tell whether a request that was judged already is being sent."""
    return _passing.get()


def judge(host: str | None, port: int | None, route: str) -> bool:
    """Warn of a request to a provider, or stop it, unless a traced call is open or its place is allowed.

    Returns whether it goes to a provider and was judged: what is sent for it may pass then.

    Args:
        host: Where the request goes; None where that is unknown.
        port: Where the request goes; None where that is unknown.
        route: How the request is sent, for the message.

    Raises:
        DirectCallBlocked: the mode is block.
    """
    if _mode is None or host is None or _judging.get() or not is_provider(host, port):
        return False
    if _is_traced() or _exempt.get():
        return True
    token = _judging.set(True)
    try:
        line = _caller()
        if not _is_allowed(line):
            _report(line, host, route)
    finally:
        _judging.reset(token)
    return True


def _is_traced() -> bool:
    """Tell whether this thread or task is inside a traced call."""
    if http_hooks.is_calling():
        return True
    from opentelemetry import trace

    from src.observability.spans import double_counting

    return double_counting.is_in_generation(trace.get_current_span().get_span_context().span_id)


def _caller() -> _CodeLine:
    """Return the innermost line that is neither a library's nor this package's."""
    frame: FrameType | None = sys._getframe(1)
    without_file: _CodeLine | None = None  # code that is in no file, such as `python -c` or a notebook's cell
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<") and not file.startswith("<frozen"):
            without_file = without_file or _CodeLine(file, frame.f_lineno)
        elif not file.startswith((*_OUR_FOLDERS, *_LIBRARY_FOLDERS)):
            return _CodeLine(file, frame.f_lineno)
        frame = frame.f_back
    return without_file or _CodeLine(f"thread {threading.current_thread().name}", 0)


def _is_allowed(line: _CodeLine) -> bool:
    """Tell whether MOONDEV_GUARD_ALLOW (patterns of files) or a `direct-call: allow` comment allows a place."""
    patterns = [item.strip() for item in os.environ.get("MOONDEV_GUARD_ALLOW", "").split(",") if item.strip()]
    if any(fnmatch.fnmatch(line.file, pattern) or line.file.endswith(os.sep + pattern) for pattern in patterns):
        return True
    lines = (linecache.getline(line.file, number) for number in (line.line, line.line - 1) if number > 0)
    return any("direct-call: allow" in line for line in lines)


def _report(line: _CodeLine, host: str, route: str) -> None:
    message = f"{line} calls {host} directly ({route}): it is not traced. Ask through ModelFactory.get_model(...)"
    if _mode == "block":
        raise DirectCallBlocked(
            f"{message}, allow the line with `# direct-call: allow (reason)`, or set MOONDEV_GUARD=warn. "
            "Nothing was sent."
        )
    with _lock:
        is_known = (line, canonical(host)) in _warned_of
        _warned_of.add((line, canonical(host)))
    if not is_known:
        _log.warning("%s, or allow the line with `# direct-call: allow (reason)`.", message)
