"""Read the options that choose calls for a report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from src.observability.commands import trace_options as options

if TYPE_CHECKING:
    from src.insight.facts.filters import Filter


def report_filter(since: str | None, until: str | None, names: options.CallOptions) -> Filter:
    """Return which calls the options choose; the provider before a model's name is taken as such.

    Calls of judges and of trials of prompts are left out, unless their environment or an agent is named.

    Raises:
        ValueError: one of them makes no sense.
    """
    from src.insight.facts.filters import EVALUATION, Filter

    for name, value in {"since": since, "until": until, **names}.items():
        if isinstance(value, str) and not value.strip():
            raise ValueError(f"--{name} is empty: give a value, or leave the option out.")
    now_ns = time.time_ns()
    since_ns = None if since is None else options.moment_ns("--since", since, now_ns)
    until_ns = None if until is None else options.moment_ns("--until", until, now_ns)
    options.check_period(since_ns, until_ns)
    chosen: dict[str, Any] = dict(names)
    if chosen.get("model") and chosen.get("provider") is None:
        chosen |= split_model(chosen["model"])
    if chosen.get("environment") is None and chosen.get("agent") is None:
        chosen["without_environment"] = EVALUATION
    return Filter(**chosen, since_ns=since_ns, until_ns=until_ns)


def split_model(name: str) -> dict[str, str]:
    """Return a model's name without its provider, and that, where it begins with one of ours."""
    from src.models.providers import PROVIDERS

    provider, colon, bare = name.partition(":")
    if colon and bare and provider in PROVIDERS:
        return {"provider": provider, "model": bare}
    return {"model": name}
