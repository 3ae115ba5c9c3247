"""Texts, tables and streams of the commands, whatever is in them."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from src.observability.commands.console import escape, escape_lines, price_text
from src.observability.commands.safe_console import SafeConsole
from src.observability.commands.tables import Column, fitted_widths
from src.observability.commands.terminal import VisibleStream, one_line, visible
from tests.long import rounds

ODD = st.text(st.one_of(st.sampled_from("[]/\\: \n\r\t\x1b\x9b\x07\u202e\ud800#@a=bold"), st.characters()), max_size=40)


@settings(max_examples=rounds(30, 5_000))
@given(ODD)
@example("[bold]x[/bold]\\")
@example("\\[red]")
@example("\x1b[31m[/]")
def test_a_text_prints_as_it_is_inside_any_style(text: str) -> None:
    console = SafeConsole(stderr=False, width=10_000)
    assert console.render_str(f"[red]{escape(text)}[/] [dim]x[/]").plain == f"{one_line(text)} x"
    assert console.render_str(f"[red]{escape_lines(text)}[/]").plain == visible(text)


@settings(max_examples=rounds(30, 5_000))
@given(ODD)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = visible(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign != "\n"]
    assert not re.search("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]", shown)
    assert visible(shown) == shown
    assert "\n" not in one_line(text)
    shown.encode()


def test_joiners_accents_and_emoji_stay() -> None:
    text = "Zoë 👩‍🚀 नमस्ते می‌خواهم soft\u00adhyphen"
    assert visible(text) == text


def test_a_stream_shows_what_is_written_to_it() -> None:
    raw = io.StringIO()
    stream = VisibleStream(raw)
    assert stream.write("a\x1b[2J\n") == 6
    stream.writelines(["\x9b\n", "b\tc\r\n"])
    print("\x07", file=stream)
    assert raw.getvalue() == "a\\x1b[2J\n\\x9b\nb    c\n\\x07\n"
    assert stream.getvalue() == raw.getvalue()  # anything else is the stream's own


COLUMNS = st.lists(
    st.builds(Column, st.just("t"), rank=st.integers(0, 3), least=st.none() | st.integers(3, 8)), min_size=1, max_size=6
)


@settings(max_examples=rounds(30, 5_000))
@given(COLUMNS, st.data(), st.integers(5, 60))
def test_columns_give_way_by_rank_and_never_beyond_the_terminal(
    columns: list[Column], data: st.DataObject, available: int
) -> None:
    natural = data.draw(st.lists(st.integers(1, 20), min_size=len(columns), max_size=len(columns)))
    widths = fitted_widths(columns, natural, available)
    if widths is None:
        least = [w if c.least is None else min(w, c.least) for c, w in zip(columns, natural, strict=True) if not c.rank]
        assert sum(least) + 2 * (len(least) - 1) > available
        return
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= available or not widths
    for place, column in enumerate(columns):
        if column.rank == 0:
            assert place in widths
        if place in widths:
            assert widths[place] <= natural[place]
            assert column.least is not None or widths[place] == natural[place]
    dropped = [column.rank for place, column in enumerate(columns) if place not in widths]
    if dropped and widths:
        assert min(dropped) >= max(columns[place].rank for place in widths)


def test_columns_are_dropped_before_a_comfortable_one_is_broken() -> None:
    columns = [Column("id"), Column("name", least=4, comfortable=10), Column("took", rank=1)]
    assert fitted_widths(columns, [5, 10, 6], 40) == {0: 5, 1: 10, 2: 6}
    assert fitted_widths(columns, [5, 10, 6], 20) == {0: 5, 1: 10}
    assert fitted_widths(columns, [5, 10, 6], 15) == {0: 5, 1: 8}
    assert fitted_widths(columns, [5, 10, 6], 10) is None


def test_a_console_shows_controls_of_whatever_it_is_given_to_print() -> None:
    """No call site needs to think of it."""
    hostile = "a\x1b]0;x\x07\x9b31m\u202eb"
    table, tree = Table(hostile), Tree(hostile)
    table.add_row(Text(hostile, style="red"))
    tree.add(Text(hostile)).add(hostile)
    console = SafeConsole(stderr=False, width=200)
    with console.capture() as capture:
        for item in (hostile, Text(hostile), table, tree, Panel(hostile, title=hostile), [hostile], {"k": hostile}):
            console.print(item)
        console.rule(hostile)
        console.log(hostile)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", capture.get())
    assert capture.get().count("a\\x1b]0;x\\x07\\x9b31m\\u202eb") >= 8


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_terminal_of_hardly_any_width_breaks_nothing(width: int) -> None:
    console = SafeConsole(stderr=False, width=width)
    with console.capture() as capture:
        console.print("[red]hello[/] world")
    assert "".join(capture.get().split()) == "helloworld"


@pytest.mark.parametrize(
    ("price", "text"),
    [(15_234_567.5, "15,234,567.5"), (1.20075, "1.20075"), (0.00001234, "0.00001234"), (16_531.8, "16,531.8"),
     (3e-12, "0.000000000003")],
)  # fmt: skip
def test_a_price_is_shown_with_its_digits_and_no_exponent(price: float, text: str) -> None:
    assert price_text(price) == text
