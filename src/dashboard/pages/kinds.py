"""What a page is: its name and address, its filters, and the function that makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from src.dashboard.data.background import Background
from src.dashboard.data.memo import FRESH_S, Memo, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from src.dashboard.data.ledger import Ledger
    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.view.filters import Filters
    from src.dashboard.view.panels import Page
    from src.insight.ledger.columns import LedgerColumns
    from src.judging.prices import PriceSeries

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Context:
    """What a page is made from.

    Attributes:
        store: The store.
        filters: The filters of the address.
        limits: When the answer must be there.
        now_ns: The time, in nanoseconds since 1970.
        ledgers: The ledgers of the stores.
        prices: Prices by symbol, from the files that were named.
        options: What else the address says, such as where a list continues.
        problems: What keeps the figures of calls from being up to date, by store.
        memo: What was computed before.
        background: What is computed while pages say how far that is.
        is_whole: Whether to wait until all decisions and traces of the store are read.
    """

    store: Store
    filters: Filters
    limits: Limits
    now_ns: int
    ledgers: Ledger
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    memo: Memo = field(default_factory=Memo)
    background: Background = field(default_factory=Background)
    is_whole: bool = False
    _ledgers: list[LedgerColumns] = field(default_factory=list, repr=False)

    def ledger(self) -> LedgerColumns:
        """Return the store's ledger, as it was when it was first asked for."""
        if not self._ledgers:
            self._ledgers.append(self.ledgers.of(self.store, self.limits, is_whole=self.is_whole))
        return self._ledgers[0]

    def version(self, family: str, value: Any) -> Version:
        """Return the version of results of a kind: it differs for another file at the store's path too."""
        return Version((family, self.store.name), (self.store.mark(), value))

    def remembered(self, name: Any, compute: Callable[[], _T], version: Version) -> _T:
        """Return what was computed for this address already, where what it depends on has the same version."""
        options = (*sorted(self.options.items()), self.is_whole and bool(self.filters.set_values()))
        has_now = self.filters.since is not None or self.filters.until is not None
        seconds = FRESH_S if has_now else float("inf")
        return self.memo.get(
            (name, self.store.name, self.filters, options), compute, self.limits, version=version, seconds=seconds
        )


@dataclass(frozen=True, slots=True)
class PageKind:
    """One page.

    Attributes:
        slug: Its address.
        title: Its name.
        menu_title: Its name in the menu, where that is a shorter one.
        build: Makes it.
        filters: The filters that it has, in their order.
        by: What its rows can be grouped by; the first is usual.
        intro: One sentence on what it answers.
        suggestions: Returns the values that its filters are offered.
        version: Returns what changes whenever the page does; None for pages that are made anew each time.
        options: What else its address may say.
        template: The template that shows it.
        is_made_early: Whether it is made when the dashboard starts, as pages with a version are.
    """

    slug: str
    title: str
    build: Callable[[Context], Page]
    filters: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    intro: str = ""
    suggestions: Callable[[Context], Mapping[str, list[str]]] | None = None
    version: Callable[[Context], Version] | None = None
    options: tuple[str, ...] = ()
    template: str = "page.html"
    menu_title: str = ""
    is_made_early: bool = False

    @property
    def address(self) -> str:
        """Return its path."""
        return f"/{self.slug}" if self.slug else "/"


def by_of(context: Context, choices: tuple[str, ...]) -> str:
    """Return what rows are grouped by.

    Raises:
        FilterError: it is none of the choices.
    """
    from src.dashboard.view.filters import FilterError

    by = context.filters.by or choices[0]
    if by not in choices:
        raise FilterError(f"By is {by!r:.60}: give one of {', '.join(choices)}.")
    return by
