"""Show what came of a trial of a prompt, in the terminal and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.judging.accuracy import ENOUGH
from src.observability.commands.console import escape, money, note, out
from src.observability.commands.counting import counted
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.prompt_trials.comparing import Comparison, Measure, Unit
    from src.judging.statistics import Interval
    from src.prompts import Prompt

_COLUMNS: Final = (
    Column("measure", least=9, comfortable=12),
    Column("old", right=True),
    Column("new", right=True),
    Column("new less old (95%)", least=16, comfortable=22, right=True),
    Column("n", right=True),
    Column("verdict", least=10, comfortable=12),
)
_SHORT: Final = {"no difference shown": "none shown", "not comparable": "other time"}
_COLOURS: Final = {
    "better": "green",
    "worse": "red",
    "not enough": "dim",
    "no difference shown": "dim",
    "not comparable": "dim",
}


def show_comparison(item: Comparison, old: str, new: str) -> None:
    """Print how two versions compare."""
    title = item.name or "Decisions as they were made"
    out().print(f"[bold]{escape(title)}[/]: {escape(new)} against {escape(old)}, {counted(item.n, 'pairs')}")
    if not item.n:
        return
    agreement = item.agreement
    out().print(
        f"The same action in {_share(agreement.value)} ({_share(agreement.low)} to {_share(agreement.high)}) of "
        f"{counted(item.n, 'decisions')}."
    )
    if item.changes:
        out().print(", ".join(f"{before} to {after} {count:,}" for (before, after), count in item.changes.items()))
    print_table(_COLUMNS, [_cells(measure) for measure in item.measures])
    p_values = [f"{measure.name} p = {measure.p_value:.2g}" for measure in item.measures if measure.p_value is not None]
    note(f"McNemar's exact test: {', '.join(p_values)}.")


def _cells(measure: Measure) -> list[str]:
    colour, verdict = _COLOURS.get(measure.verdict), _SHORT.get(measure.verdict, measure.verdict)
    return [
        measure.name,
        _value(measure.old, measure.unit),
        _value(measure.new, measure.unit),
        _difference(measure.difference, measure.unit),
        f"{measure.n:,}",
        f"[{colour}]{verdict}[/]" if colour else verdict,
    ]


def _difference(difference: Interval, unit: Unit) -> str:
    if difference.value is None:
        return "-"
    middle = _signed(difference.value, unit)
    if difference.low is None or difference.high is None:
        return middle
    return f"{middle} ({_bound(difference.low, unit)} to {_bound(difference.high, unit)})"


def _signed(value: float, unit: Unit) -> str:
    sign = "+" if value > 0 else "-" if value < 0 else ""
    return sign + _value(abs(value), unit)


def _bound(value: float, unit: Unit) -> str:
    """Return a bound of an interval, whose unit stands before it."""
    return _signed(value, unit).removesuffix("%").removesuffix(" ms").replace("$", "")


def _value(value: float | None, unit: Unit) -> str:
    if value is None:
        return "-"
    match unit:
        case "share":
            return _share(value)
        case "return":
            return f"{100 * value:.2f}%"
        case "usd":
            return money(value)
        case "ms":
            return f"{value:,.0f} ms"
        case "count":
            return f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}%"


def advice(comparisons: Sequence[Comparison], name: str, new: Prompt, *, both: bool) -> list[str]:
    """Return what a reader should know of the figures, and the next step."""
    lines = []
    if any(item.n < ENOUGH for item in comparisons):
        lines.append(f"Under {ENOUGH} pairs there is no verdict: more --decisions would show more.")
    if any(measure.name == "net return" and not measure.n for item in comparisons for measure in item.measures):
        lines.append(
            "What the market did afterwards is not known: `moondev decisions resolve --csv FILE`, or --csv here."
        )
    if not both:
        lines.append("Old replies came when they were recorded: --both asks for them anew, on equal terms.")
    if new.source == "file" and new.number is not None and "production" not in new.labels:
        lines.append(f"`moondev prompts use {name} {new.number}` puts it into use.")
    return lines


def comparison_data(item: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        "model": item.name or None,
        "pairs": item.n,
        "agreement": item.agreement.value,
        "agreement_low": item.agreement.low,
        "agreement_high": item.agreement.high,
        "changes": [{"old": old, "new": new, "n": n} for (old, new), n in item.changes.items()],
        "measures": [
            {
                "name": measure.name,
                "unit": measure.unit,
                "n": measure.n,
                "old": measure.old,
                "new": measure.new,
                "difference": measure.difference.value,
                "difference_low": measure.difference.low,
                "difference_high": measure.difference.high,
                "p_value": measure.p_value,
                "verdict": measure.verdict,
            }
            for measure in item.measures
        ],
    }
