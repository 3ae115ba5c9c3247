"""Give access to this process's pipeline, which the first observation or the program's own tracker makes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from src.observability.pipeline import Pipeline

if TYPE_CHECKING:
    from src.observability.settings import Settings
    from src.observability.store.spool import Spool

_lock = threading.Lock()
_pipeline: Pipeline | None = None


def get_pipeline() -> Pipeline:
    """Return this process's pipeline, made by the first call."""
    pipeline = _pipeline
    return pipeline if pipeline is not None else _make_current()


def existing_pipeline() -> Pipeline | None:
    """Return this process's pipeline, or None where nothing has made one yet."""
    return _pipeline


def make_pipeline(settings: Settings | None = None, *, spool: Spool | None = None) -> Pipeline:
    """Return a new pipeline; it becomes this process's if it is made without arguments and there is none yet."""
    global _pipeline  # noqa: PLW0603 - one pipeline for a process
    pipeline = Pipeline(settings, spool=spool, is_current=_is_current)
    if settings is None and spool is None and _pipeline is None:
        _pipeline = pipeline
    return pipeline


def set_pipeline(pipeline: Pipeline | None) -> Pipeline | None:
    """Replace this process's pipeline and return the old one; after None the next observation makes a new one."""
    global _pipeline
    with _lock:
        old, _pipeline = _pipeline, pipeline
    return old


def _make_current() -> Pipeline:
    with _lock:
        return _pipeline if _pipeline is not None else make_pipeline()


def _is_current(pipeline: Pipeline) -> bool:
    return _pipeline is None or _pipeline is pipeline
