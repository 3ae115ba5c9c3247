"""Read what single calls asked and answered, as the store has it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts.decoding import attributes_of
from src.insight.texts.stored import Stored, numbered
from src.observability import attributes as names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from src.insight.facts.rows import Place
    from src.observability.store.reader import StoreReader

_PAGE: Final = 200
_READ: Final = frozenset({names.INPUT, names.OUTPUT, names.MODEL_PARAMETERS})


class Texts(NamedTuple):
    """What a call asked and answered.

    Attributes:
        input: Its messages, with its tools where it has any, as JSON.
        output: Its reply; None where there is none.
        parameters: Its parameters as JSON; empty where it has none.
    """

    input: str
    output: str | None
    parameters: str

    @property
    def request(self) -> bytes:
        """Return a digest of the exact request."""
        return hashlib.blake2b(f"{self.parameters}\n{self.input}".encode(errors="surrogatepass")).digest()[:16]


def texts_at(store: StoreReader, places: Sequence[Place]) -> Iterator[tuple[str, Texts]]:
    """Yield the ids and texts of calls; those without texts, or that are gone, are left out."""
    for start in range(0, len(places), _PAGE):
        part = places[start : start + _PAGE]
        wanted = {place.span_id for place in part}
        numbers = [place.seq for place in part]

        def page(connection: sqlite3.Connection, ids: Sequence[int] = numbers) -> list[Stored]:
            return numbered(connection, ids)

        nothing: list[Stored] = []
        for row in store.ask(page, nothing):
            if row.span_id not in wanted:
                continue  # numbers change when a damaged store is replaced
            attributes = attributes_of(row.payload, _READ) or {}
            text = attributes.get(names.INPUT)
            if isinstance(text, str) and text:
                output, parameters = attributes.get(names.OUTPUT), attributes.get(names.MODEL_PARAMETERS)
                yield (
                    row.span_id,
                    Texts(
                        text,
                        output if isinstance(output, str) and output else None,
                        parameters if isinstance(parameters, str) else "",
                    ),
                )
