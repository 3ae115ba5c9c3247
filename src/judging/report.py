"""Hold the report on decisions, by groups and with a swarm beside its members, and show it as tables and data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from src.judging.accuracy import NOT_ENOUGH, Accuracy
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADLINE_BOOKS: Final = ("live", "after")
INSIDE: Final = "inside training"


@dataclass(frozen=True, slots=True)
class Report:
    """The report on some decisions.

    Attributes:
        total: All of them together.
        books: They by their place to the models' training; only `live` and `after` show skill.
        by: How `rows` are grouped.
        rows: The groups.
        swarm: For decisions by several members: the consensus, the plain vote, and each member left out or alone.
    """

    total: Accuracy
    books: tuple[Accuracy, ...]
    by: str | None
    rows: tuple[Accuracy, ...]
    swarm: tuple[Accuracy, ...]

    @property
    def comparisons(self) -> int:
        """Return how many groups with enough decisions are compared."""
        return sum(row.is_enough for row in self.rows)


def as_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data, for JSON."""
    return {
        "total": row_data(report.total),
        "books": [row_data(row) for row in report.books],
        "by": report.by,
        "comparisons": report.comparisons,
        "rows": [row_data(row) for row in report.rows],
        "swarm": [row_data(row) for row in report.swarm],
    }


# The names of figures and of their bounds in plain data.
_LABELS: Final = {
    "hit_rate": ("hit_rate", "hit"),
    "skill": ("skill", "skill"),
    "net_return": ("net_return_mean", "net_return"),
    "agreed": ("hit_rate_agreed", "hit_agreed"),
    "split": ("hit_rate_split", "hit_split"),
}


def row_data(row: Accuracy) -> dict[str, Any]:
    """Return one group as plain data; a figure with an interval has its bounds beside it, as `_low` and `_high`."""
    data: dict[str, Any] = {}
    for name, value in asdict(row).items():
        if name in _LABELS:
            label = {"net_return": "net_return_mean", "agreed": "hit_rate_agreed", "split": "hit_rate_split"}.get(
                name, name
            )
            prefix = "hit" if name == "hit_rate" else "net_return" if name == "net_return" else label
            data[label] = value["value"]
            data[f"{prefix}_low"], data[f"{prefix}_high"] = value["low"], value["high"]
        elif name == "inaction":
            data["nothing"] = value
        else:
            data[name] = value
    data["cost_per_decision"], data["cost_per_hit"] = row.cost_per_decision, row.cost_per_hit
    data["verdict"] = verdict(row)
    return data


def verdict(row: Accuracy) -> str:
    """Say in a few words what the figures show; under 50 resolved decisions nothing."""
    if not row.is_enough:
        return NOT_ENOUGH
    if row.inside:
        return INSIDE
    if row.skill.low is not None and row.skill.low > 0:
        return "better than chance"
    if row.skill.high is not None and row.skill.high < 0:
        return "worse than chance"
    return "no different from chance"


def table(report: Report) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield the report's tables as texts: a title, the headings, and the rows; for Markdown and HTML."""
    sections = [("All decisions", [report.total])]
    if len(report.books) > 1:
        sections.append(("By book", list(report.books)))
    if report.rows:
        sections.append((f"By {report.by}", list(report.rows)))
    if report.swarm:
        sections.append(("The swarm and its members", list(report.swarm)))
    for title, rows in sections:
        yield title, list(HEADINGS), [cells(row) for row in rows]
    if report.total.reliability:
        yield (
            "Reliability",
            ["confidence", "n", "mean confidence", "hit rate"],
            [
                [f"{item.low}-{item.high}%", f"{item.n:,}", percent(item.mean_confidence), interval(item.hit_rate)]
                for item in report.total.reliability
            ],
        )


def dollars(usd: float) -> str:
    """Return a cost in as many digits as it needs: one that is not 0 never reads as 0."""
    if usd == 0:
        return "$0"
    if usd >= _LEAST_USD:
        return f"${usd:,.4f}"
    return f"${usd:.2g}" if usd >= _LEAST_USD / 100 else f"${usd:.1e}"


def cost(row: Accuracy) -> str:
    """Return what the decisions of a group cost; `>=` where only a part of it is known, "unknown" where nothing is."""
    if row.cost_usd is None or (row.cost_unknown and not row.cost_usd):
        return "unknown"
    return f"{'>= ' if row.cost_unknown else ''}{dollars(row.cost_usd)}"


_LEAST_USD: Final = 0.01
HEADINGS: Final = (
    "group", "n", "hit rate", "majority", "always long", "skill", "Brier", "mean net", "sum net", "drawdown", "cost",
    "per hit", "verdict",
)  # fmt: skip


def cells(row: Accuracy) -> list[str]:
    """Return the cells of one group, in the order of `HEADINGS`."""
    least = ">= " if row.cost_unknown else ""
    return [
        row.key,
        f"{row.n:,} of {row.decisions:,}",
        interval(row.hit_rate),
        percent(row.baseline_hit_rate),
        percent(row.always_long),
        interval(row.skill),
        "-" if row.brier is None else f"{row.brier:.3f}",
        interval(row.net_return, digits=2),
        percent(row.net_total if row.n else None, 1),
        percent(row.max_drawdown if row.n else None, 1),
        cost(row),
        "-" if row.cost_per_hit is None else f"{least}{dollars(row.cost_per_hit)}",
        verdict(row) + (", stands out" if row.stands_out else ""),
    ]


def percent(value: float | None, digits: int = 0) -> str:
    """Return a fraction in percent; a dash where it is unknown."""
    return "-" if value is None else f"{value * 100:.{digits}f}%"


def interval(figure: Any, digits: int = 0) -> str:
    """Return a fraction with its interval, in percent."""
    if figure.value is None:
        return "-"
    if figure.low is None:
        return percent(figure.value, digits)
    return f"{percent(figure.value, digits)} ({figure.low * 100:.{digits}f} to {figure.high * 100:.{digits}f})"


def notes(report: Report) -> list[str]:
    """Return what a reader must know beside the figures."""
    lines = []
    if any(row.key not in HEADLINE_BOOKS and row.n for row in report.books):
        lines.append("Decisions of the book `inside` may have been in the models' training: they show no skill.")
    if report.comparisons > 1:
        lines.append(
            f"{report.comparisons} groups are compared: `stands out` holds at a false-discovery rate of 5% over them."
        )
    if report.total.inaction.n:
        inaction = report.total.inaction
        lines.append(
            f"NOTHING was decided {counted(inaction.n, 'times')}: "
            f"the price then moved {percent(inaction.mean_move, 2)} "
            f"on average, more than a trade's costs in {percent(inaction.missed)} of them."
        )
    for name, figure, count in (
        ("agreed", report.total.agreed, report.total.n_agreed),
        ("were split", report.total.split, report.total.n_split),
    ):
        if count:
            lines.append(f"Where the members {name} ({counted(count, 'decisions')}), {interval(figure)} were right.")
    return lines
