"""Load the embedded model and run it."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import ref

from src.models import embedded_model
from src.models.adapters.local import bindings
from src.models.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CONTEXT_TOKENS = 4096
_PARALLEL = 4
# llama.cpp's threads wait for one another at each step: where another program uses one of the processors, all of them
# wait for it, and two threads on two busy processors take ten times as long as one. So one processor is left free.
_SPARE_PROCESSORS = 1
_SHARED_PREFIX = 400  # characters; a shorter prompt is soon read
# How many tokens of a prompt are read at once. In between llama.cpp reports how far it is, and can be stopped.
_BATCH_TOKENS = 32
_PAUSE_S = 0.1
_LONGEST_STOP_S = 5.0  # within which a model stops after the tokens that it is at
_BRIEF_S = 0.01


@dataclass(slots=True)
class _PrefixLock:
    """A lock for the prompts of one prefix, and how many calls want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


@dataclass(slots=True, weakref_slot=True)
class Engine:
    """The loaded model. llama.cpp batches the requests of several threads."""

    path: Path
    server: Any
    _working: set[object] = field(default_factory=set)
    _prefix_locks: dict[str, _PrefixLock] = field(default_factory=dict)
    _ending: bool = False

    def __post_init__(self) -> None:
        """Prepare for the end of the process while the model works, and for a fork."""
        atexit.register(self._skip_cleanup)
        if hasattr(os, "register_at_fork"):
            itself = ref(self)
            os.register_at_fork(after_in_child=lambda: _reset_in_child(itself()))

    def answer(self, payload: dict[str, Any], take: Callable[[Any], bool], stop: threading.Event) -> None:
        """Answer one request; blocks without holding the interpreter.

        Args:
            payload: A request for a stream.
            take: Takes an event of the stream; returns whether the model is to stop.
            stop: Set where the model is not even to begin.
        """
        mark = object()
        with self._wait_for_prefix(payload, stop) as is_ours:
            if not is_ours:
                return
            self._working.add(mark)
            try:
                self.server.handle_chat_completions(payload, lambda event: self._ending or take(event))
            finally:
                self._working.discard(mark)

    @contextlib.contextmanager
    def _wait_for_prefix(self, payload: dict[str, Any], stop: threading.Event) -> Iterator[bool]:
        """Wait for calls with the same prefix: llama.cpp then reuses the prefix that they read, most of the work.

        Yields False where the call was stopped before its turn came.
        """
        prompt = json.dumps(payload["messages"])[:_SHARED_PREFIX]
        with _lock:
            prefix_lock = self._prefix_locks.setdefault(prompt, _PrefixLock())
            prefix_lock.waiting += 1
        try:
            while not prefix_lock.lock.acquire(timeout=_PAUSE_S):
                if stop.is_set():
                    yield False
                    return
            try:
                yield not stop.is_set()
            finally:
                prefix_lock.lock.release()
        finally:
            with _lock:
                prefix_lock.waiting -= 1
                if not prefix_lock.waiting:
                    del self._prefix_locks[prompt]

    def _skip_cleanup(self) -> None:
        """Stop the model where it works when the process ends, and skip llama.cpp's clean-up, which would crash it.

        A request stops after the tokens that it is at; a thread of llama.cpp that called back after the interpreter has
        gone would abort the process. A forked child has none of the threads that the clean-up waits for. glibc then
        ends the process, with its exit status, before the clean-up runs.
        """
        if not self._working and not _in_fork:
            return
        self._ending = True
        deadline = time.monotonic() + _LONGEST_STOP_S
        while self._working and not _in_fork and time.monotonic() < deadline:
            time.sleep(_BRIEF_S)
        library = ctypes.CDLL(None)
        if hasattr(library, "on_exit"):
            self._leak_server()
            library.on_exit(library._exit, None)

    def _leak_server(self) -> None:
        """Keep the server from being freed, which would wait for its threads."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.server))


_lock = threading.Lock()
_engine: Engine | None = None
_in_fork = False


def _reset_in_child(inherited: Engine | None) -> None:
    """Forget the parent's engine in a forked child, which has none of its threads; the child loads its own."""
    global _engine, _lock, _in_fork
    if inherited is not None:
        inherited._leak_server()
        _engine, _lock, _in_fork = None, threading.Lock(), True


def engine() -> Engine:
    """Return the loaded model of this process; the first call loads it (about a second).

    Raises:
        ModelUnavailable: the bindings or the file are missing, or the file is no model; the message says what to run.
    """
    global _engine  # noqa: PLW0603 - one model for a process
    path = embedded_model.file()
    loaded = _engine
    if loaded is not None and loaded.path == path:
        return loaded
    with _lock:
        if _engine is None or _engine.path != path:
            if path is None:
                raise ModelUnavailable(embedded_model.why_missing() or "the model's file has gone")
            _engine = Engine(path, _load(path))
        return _engine


def _load(path: Path) -> Any:
    xllamacpp = bindings.load()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = _CONTEXT_TOKENS * _PARALLEL
    parameters.n_parallel = _PARALLEL
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
    parameters.verbosity = -1
    for processors in (parameters.cpuparams, parameters.cpuparams_batch):
        processors.n_threads = max(1, (os.cpu_count() or 2) - _SPARE_PROCESSORS)
        processors.poll = 0
    try:
        return xllamacpp.Server(parameters)
    except Exception as error:
        raise ModelUnavailable(f"{path} could not be loaded as a GGUF model: {error}") from error
