"""Mark the calls of a swarm's member: each is traced as exactly one generation under the member's label."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The label of the calling member; None outside a swarm, "" for a member without a label.
MEMBER: ContextVar[str | None] = ContextVar("moondev_member", default=None)


@contextmanager
def as_member(label: str = "") -> Iterator[None]:
    """Trace every call inside the block as one generation that is named by the member's label.

    The failed tries of a chain become child events of it; outside a swarm each try is a generation of its own, under
    one observation of type chain. Without a label a generation is named `<provider>.generate`, as any other.
    """
    token = MEMBER.set(label)
    try:
        yield
    finally:
        MEMBER.reset(token)
