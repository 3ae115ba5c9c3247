"""Options of the commands that read files of prices: which of two readings is meant."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

ZoneOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Zone of times that state none: America/New_York, UTC, +02:00.", show_default=False),
]
DecimalOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Decimal sign of numbers that leave two readings: point or comma.", show_default=False),
]
DatesOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Order of dates that leave two readings: day-first, month-first or year-first.", show_default=False
    ),
]
StampsOption: TypeAlias = Annotated[
    str | None, typer.Option(help="What a stamp means: the open or the close of a bar.", show_default=False)
]
