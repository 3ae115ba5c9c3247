"""Cache Langfuse's prompts: fresh where the server answers in time, else the copy on disk; no decision waits for long.

What a process has asked for is served for a minute. After that it is served once more while a thread asks again. A
process that begins waits for the server, but only for `WAIT_S`; then the copy on disk serves.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.settings import SettingsError
from src.prompts.langfuse import ServerSilent
from src.prompts.records import Prompt, PromptError, PromptMissing

if TYPE_CHECKING:
    from src.prompts.copies import Copies
    from src.prompts.langfuse import Project

WAIT_S: Final = 2.0  # a decision waits no longer for a server
_ASK_S: Final = 5.0  # a thread that nobody waits for asks a little longer
_DEFAULT_TTL_S: Final = 60.0  # as Langfuse's SDK
_TTL_VARIABLE: Final = "LANGFUSE_PROMPT_CACHE_DEFAULT_TTL_SECONDS"
_log: Final = logging.getLogger("moondev.prompts")


@dataclass(frozen=True, slots=True)
class _PromptKey:
    """A requested version of a prompt, or the one that a label points to."""

    project: str
    name: str
    version: int | None
    label: str | None


@dataclass(slots=True)
class _CachedPrompt:
    """The server's last answer; `prompt` is None where it has no such prompt."""

    prompt: Prompt | None
    asked_at: float
    error: str = ""
    is_of_server: bool = True


_lock = threading.Lock()
_cached: dict[_PromptKey, _CachedPrompt] = {}
_refreshing: dict[_PromptKey, threading.Event] = {}
_pid = os.getpid()


def serve(
    project: Project, copies: Copies, name: str, *, version: int | None = None, label: str | None = None
) -> Prompt | None:
    """Return a version of a prompt of Langfuse's; None where the server says that there is none.

    Raises:
        PromptError: the server did not answer and there is no copy, or what it has cannot be used.
    """
    wanted = _PromptKey(project.key, name, version, label)
    ttl_s = _ttl_s()
    answer = _known(wanted)
    if answer is None or answer.error or time.monotonic() - answer.asked_at > ttl_s:
        is_over = _ask(wanted, project, copies)
        if answer is None or answer.error:
            is_over.wait(WAIT_S)
            answer = _known(wanted)
    if answer is None:
        answer = _from_copy(wanted, copies, f"no answer within {WAIT_S:g} s", project.host)
        with _lock:  # so that the next decision does not wait; what the thread learns later takes its place
            answer = _cached.setdefault(wanted, answer)
    if answer.error:
        raise PromptError(answer.error)
    return answer.prompt


def forget_all() -> None:
    """Forget what servers have said, as after a new version was pushed."""
    with _lock:
        _cached.clear()


def _known(wanted: _PromptKey) -> _CachedPrompt | None:
    global _cached, _refreshing, _lock, _pid
    if _pid != os.getpid():  # a forked child has what was learnt, but not the threads that were asking
        _cached, _refreshing, _lock, _pid = dict(_cached), {}, threading.Lock(), os.getpid()
    with _lock:
        return _cached.get(wanted)


def _ask(wanted: _PromptKey, project: Project, copies: Copies) -> threading.Event:
    """Have a thread ask the server, unless one is asking; return what is set once it has."""
    with _lock:
        is_over = _refreshing.get(wanted)
        if is_over is not None:
            return is_over
        is_over = _refreshing[wanted] = threading.Event()
    try:
        threading.Thread(
            target=_refresh, args=(wanted, project, copies, is_over), name="moondev-prompts", daemon=True
        ).start()
    except RuntimeError:  # there are too many threads, or the interpreter ends: the copy serves
        _over(wanted, is_over)
    return is_over


def _over(wanted: _PromptKey, is_over: threading.Event) -> None:
    with _lock:
        _refreshing.pop(wanted, None)
    is_over.set()


def _refresh(wanted: _PromptKey, project: Project, copies: Copies, is_over: threading.Event) -> None:
    try:
        answer = _asked(wanted, project, copies)
        with _lock:
            _cached[wanted] = answer
    except Exception:  # noqa: BLE001 - on a thread of its own; the copy serves
        _log.exception("A prompt could not be refreshed.")
    finally:
        _over(wanted, is_over)


def _asked(wanted: _PromptKey, project: Project, copies: Copies) -> _CachedPrompt:
    try:
        prompt = project.fetch(wanted.name, version=wanted.version, label=wanted.label, timeout_s=_ASK_S)
    except PromptMissing:
        if wanted.label is not None:
            copies.forget_label(wanted.project, wanted.name, wanted.label)
        return _CachedPrompt(None, time.monotonic())
    except (ServerSilent, SettingsError) as error:
        before = _known(wanted)
        if before is not None and not before.error:
            _log.warning("%s: the prompt %r serves as it was (%s).", project.host, wanted.name, error)
            return _CachedPrompt(before.prompt, time.monotonic(), is_of_server=False)
        return _from_copy(wanted, copies, str(error), project.host)
    except PromptError as error:
        return _CachedPrompt(None, time.monotonic(), error=str(error))
    copies.keep_fetched(wanted.project, prompt, wanted.label)
    return _CachedPrompt(prompt, time.monotonic())


def _from_copy(wanted: _PromptKey, copies: Copies, reason: str, host: str) -> _CachedPrompt:
    copy = copies.fetched(wanted.project, wanted.name, version=wanted.version, label=wanted.label)
    if copy is not None:
        _log.warning("%s: the copy of the prompt %r, version %s, serves (%s).", host, wanted.name, copy.version, reason)
        return _CachedPrompt(copy, time.monotonic(), is_of_server=False)
    return _CachedPrompt(
        None,
        time.monotonic(),
        error=f"{host} does not give the prompt {wanted.name!r} ({reason}), and there is no copy of it here: try "
        "again once it answers, or set MOONDEV_PROMPTS=files.",
        is_of_server=False,
    )


def _ttl_s() -> float:
    text = os.environ.get(_TTL_VARIABLE, "").strip()
    return float(text) if text.isdecimal() else _DEFAULT_TTL_S
