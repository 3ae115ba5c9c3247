"""The threads that store rows start without a lock held, since green threads run while they are started."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from src.observability.store.background import Rows, _Entry, _Threads

if TYPE_CHECKING:
    import pytest


def test_no_lock_is_held_while_a_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, starts = _Threads(), []
    start = threading.Thread.start

    def start_as_gevent_does(thread: threading.Thread) -> None:
        is_free = threads._work.acquire(blocking=False)
        if is_free:
            threads._work.release()
        starts.append(is_free)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_as_gevent_does)
    done: list[int] = []
    for number in range(3):
        assert threads.take(_Entry(work=lambda number=number: done.append(number), rows=Rows(), size=1))  # type: ignore[misc]
    assert threads.drain(10) == 0
    assert sorted(done) == [0, 1, 2]
    assert starts
    assert all(starts)


def test_work_is_done_at_once_where_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads, done = _Threads(), []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert threads.take(_Entry(work=lambda: done.append(1), rows=Rows(), size=1))
    assert (done, threads.waiting) == ([1], 0)
    assert threads.take(_Entry(work=lambda: done.append(2), rows=Rows(), size=1))
    assert threads.drain(10) == 0
    assert done == [1, 2]
