"""Look texts up in the index beside the trace store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MOST_BEHIND: Final = 20_000  # observations that the search reads one by one beside the index
_LEAST_BYTES: Final = 3


@contextmanager
def numbers_with(store: Path, text: str) -> Iterator[Callable[[], Iterator[int]] | None]:
    """Open what yields the numbers of all observations that can have a text, newest first.

    None where the index does not know all observations but few: reading the texts is then as fast.
    """
    if len(text.casefold().encode("utf-8", "surrogatepass")) < _LEAST_BYTES:
        yield None
        return
    from src.insight.texts.index import text_state
    from src.insight.texts.search import Search
    from src.observability.store.reader import StoreReader

    state = text_state(store)
    oldest = StoreReader(store).ask(
        lambda db: int(db.execute("SELECT coalesce(min(seq), 0) FROM observations").fetchone()[0]), 0
    )
    if not state.enabled or state.first is None or state.first > oldest or state.behind > _MOST_BEHIND:
        yield None
        return
    with Search(store, text) as search:
        yield search.candidates
