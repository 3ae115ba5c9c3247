"""Make pages: read the address, build the page once for all who ask for the same, and turn it into HTML or CSV."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from src.dashboard.data.background import Background
from src.dashboard.data.ledger import Ledger
from src.dashboard.data.memo import Memo
from src.dashboard.pages.kinds import Context
from src.dashboard.pages.registry import MENU
from src.dashboard.server.rendering import render
from src.dashboard.view.csv_text import csv_text
from src.dashboard.view.filters import FIELDS, FilterError, parse
from src.dashboard.view.lazy_rows import FIRST
from src.dashboard.view.panels import figures_table
from src.insight.sessions.sums import bring_up
from src.insight.texts.index import refresh_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.pages.kinds import PageKind
    from src.dashboard.view.panels import Page
    from src.judging.prices import PriceSeries

_TEXTS_S: Final = 1.0
MOST_ROWS: Final = FIRST  # of a table in a page; CSV has all
ALL_ROWS: Final = 2_000  # where the reader asks for more
_RANGES: Final = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}


@dataclass(frozen=True, slots=True)
class Content:
    """What is shown.

    Attributes:
        stores: The stores; the first is shown where the address names none.
        prices: Prices by symbol, from the files that were named.
        seconds: How long one question may take.
    """

    stores: tuple[Store, ...]
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)
    seconds: float = 30.0


class NoSuchPanel(Exception):
    """A page has no panel of this name."""


class Views:
    """The pages of some stores, as they are asked for."""

    def __init__(self, content: Content, problems: Mapping[str, str] | None = None) -> None:
        self.content = content
        self._problems = problems if problems is not None else {}  # an empty one is filled later
        self._ledgers = Ledger()
        self._memo = Memo()
        self._background = Background()

    def context(
        self, kind: PageKind, pairs: Sequence[tuple[str, str]], limits: Limits, *, is_whole: bool = False
    ) -> Context:
        """Return what a page is made from, by its address; `is_whole` waits until all decisions are read.

        Raises:
            FilterError: the address says what cannot be.
        """
        now_ns = time.time_ns()
        store, rest, options = self._split(kind, pairs)
        filters = parse(rest, kind.filters, now_ns)
        return Context(
            store=store, filters=filters, limits=limits, now_ns=now_ns, ledgers=self._ledgers,
            prices=self.content.prices, options=options, problems=self._problems, memo=self._memo,
            background=self._background, is_whole=is_whole,
        )  # fmt: skip

    def _split(
        self, kind: PageKind, pairs: Sequence[tuple[str, str]]
    ) -> tuple[Store, list[tuple[str, str]], dict[str, str]]:
        options: dict[str, str] = {}
        rest = []
        for name, value in pairs:
            if name == "store" or name in kind.options:
                options[name] = value
            else:
                rest.append((name, value))
        return self.store(options.get("store")), rest, options

    def store(self, name: str | None) -> Store:
        """Return the store of a name, the first one without a name.

        Raises:
            FilterError: there is none.
            Locked: another process has locked it, and does not let go soon.
        """
        for store in self.content.stores:
            if not name or store.name == name:
                store.check_lock()
                return store
        names = ", ".join(store.name for store in self.content.stores)
        raise FilterError(f"There is no store {name!r:.60}; these are shown: {names}.")

    def page(self, kind: PageKind, context: Context) -> Page:
        """Return a page: one that was made already, where nothing has changed since."""
        if kind.version is None:
            return kind.build(context)
        return context.remembered(("page", kind.slug), lambda: kind.build(context), kind.version(context))

    def html(self, kind: PageKind, pairs: Sequence[tuple[str, str]], limits: Limits) -> str:
        """Return a page as HTML."""
        most_rows, pairs = _most_rows(pairs)
        context = self.context(kind, pairs, limits)
        page = self.page(kind, context)
        offered = kind.suggestions(context) if kind.suggestions is not None else {}
        csv_query = context.filters.query(store=context.options.get("store"), before=context.options.get("before"))
        return render(
            kind.template,
            page=page,
            csv_query=csv_query,
            fields=_fields(kind, context.filters.set_values(), offered),
            is_filtered=bool(context.filters.set_values()),
            most_rows=most_rows,
            limits=limits,
            ranges=_ranges(kind, context),
            more_query=context.filters.query(**_without_none(context.options), rows=str(ALL_ROWS)),
            all_rows=ALL_ROWS,
            **self.frame(kind, context),
        )

    def frame(self, kind: PageKind, context: Context | None, store: Store | None = None) -> dict[str, Any]:
        """Return what every page has around it: menu, stores, the time."""
        here = store or (context.store if context is not None else self.content.stores[0])
        name = here.name if len(self.content.stores) > 1 and here is not self.content.stores[0] else None
        filters = context.filters if context is not None else None

        def address(other: PageKind) -> str:
            if filters is None:
                return other.address + (f"?{urlencode({'store': name})}" if name else "")
            # What rows are grouped by has other choices on other pages.
            allowed = set(other.filters) - {"by", "other", "prompt"}
            return other.address + filters.query(allowed, store=name)

        return {
            "kind": kind,
            "title": kind.title,
            "menu": [(group, [(item, address(item)) for item in kinds]) for group, kinds in MENU],
            "stores": [item.name for item in self.content.stores],
            "store": here,
            "store_option": name,
            "as_of": time.time_ns(),
        }

    def csv(self, kind: PageKind, panel_name: str, pairs: Sequence[tuple[str, str]], limits: Limits) -> str:
        """Return one panel of a page as CSV; `figures` has the headline figures.

        Raises:
            NoSuchPanel: the page has none of this name.
        """
        page = self.page(kind, self.context(kind, pairs, limits, is_whole=True))
        if panel_name == "figures" and page.figures:
            return csv_text(figures_table(page.figures), limits)
        panel = page.panel(panel_name)
        if panel is None:
            raise NoSuchPanel(panel_name)
        return csv_text(panel.table, limits)

    def bring_up(self, store: Store, limits: Limits) -> bool:
        """Read decisions and sums of sessions that are new in a store; tell whether nothing but texts is left."""
        has_sums = bring_up(store.path, lambda question, nothing: store.ask(question, nothing, limits))
        if not (self._ledgers.bring_up(store, limits) and has_sums):
            return False
        refresh_texts(store.path, budget_s=_TEXTS_S)  # in the pauses between looks, since it takes long
        return True

    def warm(self, limits: Limits) -> None:
        """Load what pages need, and make those that are kept, before somebody waits for them."""
        from src.dashboard.data.limits import NobodyWaits, TookTooLong

        for _, kinds in MENU:
            for kind in kinds:
                if kind.version is None and not kind.is_made_early:
                    continue
                for store in self.content.stores:
                    pairs = [("store", store.name)] if store is not self.content.stores[0] else []
                    try:
                        self.html(kind, pairs, limits)
                    except (NobodyWaits, TookTooLong):
                        return


def _most_rows(pairs: Sequence[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
    """Return how many rows of a table are shown, and the rest of the address.

    Raises:
        FilterError: the number cannot be.
    """
    texts, rest = [value for name, value in pairs if name == "rows"], [pair for pair in pairs if pair[0] != "rows"]
    if not texts:
        return MOST_ROWS, rest
    if not texts[-1].isascii() or not texts[-1].isdigit() or not 1 <= int(texts[-1][:9]) <= ALL_ROWS:
        raise FilterError(f"rows is {texts[-1]!r:.60}: give how many rows of a table to show, 1 to {ALL_ROWS:,}.")
    return int(texts[-1]), rest


def _without_none(options: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value for name, value in options.items() if value}


def _ranges(kind: PageKind, context: Context) -> list[tuple[str, str, bool]]:
    """Return the usual times as links: names, addresses, and whether they are set; none where a page has no times."""
    if "since" not in kind.filters:
        return []
    filters, store = context.filters, context.options.get("store")
    items = [("all", None), *((text, since) for since, text in _RANGES.items())]
    return [
        (text, kind.address + filters.query(since=since, until=None, store=store),
         filters.since == since and filters.until is None)
        for text, since in items
    ]  # fmt: skip


def _fields(kind: PageKind, values: Mapping[str, str], offered: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return the filters of a page as its form shows them."""
    fields = []
    for name in kind.filters:
        field_ = FIELDS[name]
        choices = kind.by if name == "by" else field_.choices
        fields.append({
            "name": name, "label": field_.label, "example": field_.example, "value": values.get(name, ""),
            "choices": choices, "usual": kind.by[0] if name == "by" and kind.by else "",
            "offered": list(offered.get(name, ())),
        })  # fmt: skip
    return fields
