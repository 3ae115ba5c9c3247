"""Have what users observe with Langfuse's own SDK join our traces and our store, whoever made its client first.

Langfuse's SDK registers one resource manager for each public key, and `@observe`, `get_client()` and `langfuse.openai`
use the one that is registered. As soon as both a host and that SDK are loaded: where there is no client yet, ours is
registered; where the program made one with our keys, its spans go to our store, redacted, and are not sent by the
client. A client for another project delivers its spans itself, redacted; a warning says so once.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from src.observability.langfuse_sdk import other_projects
from src.observability.langfuse_sdk.joined_client import take_over
from src.observability.langfuse_sdk.notices import guard_and_warn, warn_once

if TYPE_CHECKING:
    from src.observability.langfuse_sdk.host import Host

_own_key: str | None = None


def register_or_join(host: Host) -> None:
    """Register our client as the one of this program, or join the one that it made. Never raises."""
    global _own_key  # noqa: PLW0603 - one host is current in a process
    _own_key = host.public_key
    if host.processor is not None:
        other_projects.set_capture(host.processor.capture)
    try:
        from langfuse._client.resource_manager import LangfuseResourceManager as Managers

        with Managers._lock:
            _drop_stale(Managers, host)
            _watch_others(Managers)
            key = host.public_key
            own = Managers._instances.get(key)
            for other_key, manager in Managers._instances.items():
                if other_key != key and getattr(manager, "tracing_enabled", True):
                    _guard_other(other_key, manager)
            if own is None and not Managers._instances:
                host.own_client.make(registered=True)
            elif own is not None and own.tracer_provider is not host.provider:
                take_over(own, host)
    except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code, nor an import
        warn_once("settle", "Langfuse's own SDK could not be joined (%s): what it observes is not in the store.", error)


def remove_sender(provider: Any, public_key: str) -> None:
    """Remove the span processor of Langfuse's SDK from our provider: the spans are in our store, so it sends nothing.

    `scope.from_context` sets the attributes that it would set. Without the processor, generations can be light spans.
    """
    listeners = provider._active_span_processor
    senders = [item for item in listeners._span_processors if getattr(item, "public_key", None) == public_key]
    with listeners._lock:
        listeners._span_processors = tuple(item for item in listeners._span_processors if item not in senders)
    for sender in senders:
        sender.shutdown()


def loaded_manager_class() -> Any:
    """Return the class in which Langfuse's SDK registers its clients; None while the SDK is not loaded."""
    module = sys.modules.get("langfuse._client.resource_manager")
    return getattr(module, "LangfuseResourceManager", None)


def _drop_stale(manager_class: Any, host: Host) -> None:
    """Remove the clients of earlier trackers of this process."""
    for key, manager in list(manager_class._instances.items()):
        if getattr(manager, "_moondev", None) is not None and manager.tracer_provider is not host.provider:
            unregister(manager_class, key)


def unregister(manager_class: Any, key: str) -> None:
    """Remove a client of ours from the register and from the exit handlers: it has nothing to deliver."""
    atexit.unregister(manager_class._instances.pop(key).shutdown)


def end_threads(manager: Any) -> None:
    """End the threads of a client that we made: it has no scores and media to send, and reads no more prompts."""
    if getattr(manager, "_moondev", None) is None:
        return
    with contextlib.suppress(Exception):  # of an SDK that is built another way: its threads are daemons
        manager._stop_and_join_consumer_threads()
        manager.prompt_cache._task_manager.shutdown()


class _Instances(dict[str, Any]):
    """Langfuse's clients by public key; one that the program makes for another project replaces ours.

    With two of them the SDK could not choose, and would observe nothing.
    """

    @override
    def __setitem__(self, key: str, manager: Any) -> None:
        observes = getattr(manager, "tracing_enabled", True)  # or else it is the SDK's placeholder for a missing client
        for known, own in list(self.items()):
            if observes and known != key and getattr(own, "_moondev", "") == "registered":
                self.pop(known)
        super().__setitem__(key, manager)
        if observes and key != _own_key:
            _guard_other(key, manager)


def _watch_others(manager_class: Any) -> None:
    """Have clients that the program makes later replace ours, or be guarded."""
    if type(manager_class._instances) is dict:
        manager_class._instances = _Instances(manager_class._instances)


def _guard_other(key: str, manager: Any) -> None:
    """Let a client for another project deliver by itself, but redacted; warn once."""
    guard_and_warn(
        f"other:{key}",
        "A Langfuse client for another project (%s) is in use: what is observed with it goes there by itself",
        f"{key[:9]}..." if len(key) > 12 else key,
        manager=manager,
        key=key,
    )
