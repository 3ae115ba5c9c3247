"""Show everything in a browser on this machine: `moondev dashboard`."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.price_options import DatesOption, DecimalOption, StampsOption, ZoneOption  # noqa: TC001 - typer reads them when it runs
from src.cli.price_remarks import print_remarks
from src.observability.commands.console import note, problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.judging.prices import PriceSeries


def dashboard(
    port: Annotated[
        int | None, typer.Option(help="The port; 8420, or a free one.", min=1, max=65_535, show_default=False)
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the link in the browser.")] = True,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    db: Annotated[
        list[Path] | None,
        typer.Option(help="A trace store, where not MOONDEV_TRACE_DB's; repeat it for several.", show_default=False),
    ] = None,
    csv: Annotated[
        list[Path] | None,
        typer.Option(help="A file of prices, drawn below decisions; repeat it for several.", show_default=False),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="The symbol of the prices, where a file names none.", show_default=False)
    ] = None,
    zone: ZoneOption = None,
    decimal: DecimalOption = None,
    dates: DatesOption = None,
    stamps: StampsOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one page may take.", min=1, max=600)] = 30.0,
) -> None:
    """Show response times, costs, decisions and traces in a browser. Stop with Ctrl-C.

    The link opens one browser, on this machine alone; the store is only read, and nothing is sent elsewhere.
    """
    from src.dashboard import Content, is_loopback, open_stores, serve
    from src.observability.commands.size_note import print_size_note
    from src.observability.settings import Settings, load_dotenv_once

    load_dotenv_once()
    prices = _prices(csv or [], symbol, {"zone": zone, "decimal": decimal, "dates": dates, "stamps": stamps})
    stores = open_stores(db or [Settings.read().trace_db])
    for store in stores:
        store.check()
        if not store.reader.exists:
            note(f"There is no trace store at {store.path} yet: its pages fill once something is recorded.")
        print_size_note(store.reader)
    if not is_loopback(host):
        problem(
            f"{host} is reached from other machines, without encryption: whoever reads the network reads the link and "
            "all that is recorded. Prefer 127.0.0.1 and an SSH tunnel."
        )
    content = Content(stores=stores, prices=prices, seconds=timeout)
    serve(content, host=host, port=port, say=_print_link, open_browser=open_browser)


def _print_link(link: str) -> None:
    """Print the link in one line, however wide the terminal is."""
    sys.stdout.write(f"Dashboard: {link}\n")
    sys.stdout.flush()


def _prices(files: Sequence[Path], symbol: str | None, reading: Mapping[str, str | None]) -> dict[str, PriceSeries]:
    if not files:
        return {}
    from src.agents.market import load_candles
    from src.judging.prices import series_of

    prices: dict[str, PriceSeries] = {}
    for file in files:
        candles = load_candles(file, symbol=symbol if len(files) == 1 else None, **reading)
        print_remarks(candles)
        name = candles.symbol or symbol
        if name is None:
            raise ValueError(f"{file} names no symbol: give it with --symbol, so that its decisions are drawn on it.")
        if name in prices:
            raise ValueError(f"{file} has prices of {name}, as another file has: give one file for each symbol.")
        prices[name] = series_of(candles)
    return prices
