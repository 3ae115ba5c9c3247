"""Draw a trace as a tree, with latency, tokens and cost on each node."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from rich.tree import Tree

from src.observability.commands.console import duration, escape, escape_lines, money
from src.observability.store.compression import DamagedSpan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.store.spool import TraceRow

_CIRCLE: Final = "[yellow]its parents form a circle[/]"


def draw(rows: Sequence[TraceRow], *, texts: bool = False) -> Tree:
    """Return the tree of one trace, each observation in it once; `texts` adds inputs, outputs and metadata.

    Observations that name one another as parents have no root among them: the earliest of them is drawn as one.
    """
    known = {row.span_id for row in rows}
    ordered = sorted(rows, key=lambda item: (item.start_ns, item.span_id))
    children: defaultdict[str | None, list[TraceRow]] = defaultdict(list)
    for row in ordered:
        children[row.parent_span_id if row.parent_span_id in known else None].append(row)
    tree = Tree(f"[bold]trace[/] {rows[0].trace_id}", guide_style="dim")
    drawn: set[int] = set()
    for root in children[None]:
        _grow(tree.add(_label(root)), root, children, drawn, texts)
    for row in ordered:
        if row.seq not in drawn:
            _grow(tree.add(f"{_label(row)}  {_CIRCLE}"), row, children, drawn, texts)
    return tree


def _grow(
    node: Tree, row: TraceRow, children: defaultdict[str | None, list[TraceRow]], drawn: set[int], texts: bool
) -> None:
    """Add the texts of an observation to its node, and all below it; a chain of calls may be deeper than Python's."""
    waiting = [(node, row)]
    drawn.add(row.seq)
    while waiting:
        node, item = waiting.pop()
        for line in _texts(item) if texts else ():
            node.add(line)
        below = [child for child in children[item.span_id] if child.seq not in drawn]
        drawn.update(child.seq for child in below)
        waiting += reversed([(node.add(_label(child)), child) for child in below])


def _label(row: TraceRow) -> str:
    parts = [f"[bold]{escape(row.name)}[/] [dim]{escape(row.type)}[/]"]
    if row.model:
        parts.append(escape(row.model))
    if row.type != "event":
        parts.append(duration((row.end_ns - row.start_ns) / 1e6))
    if row.input_tokens is not None or row.output_tokens is not None:
        parts.append(f"{_count(row.input_tokens)} in, {_count(row.output_tokens)} out")
    if row.type == "generation":
        parts.append(money(row.cost_usd, at_least=row.is_unpriced))
    if row.level in ("ERROR", "WARNING"):
        colour = "red" if row.level == "ERROR" else "yellow"
        message = " ".join(part for part in (row.error_category, row.status_message) if part)
        parts.append(f"[{colour}]{row.level} {escape(message[:160])}[/]")
    return "  ".join(parts)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _texts(row: TraceRow) -> list[str]:
    from src.observability import attributes as names
    from src.observability.spans import otlp

    try:
        attributes = otlp.decode_span(row.span).attributes
    except DamagedSpan as error:
        return [f"[yellow]{escape_lines(str(error))}[/]"]
    lines = []
    for title, name in (("in", names.INPUT), ("out", names.OUTPUT)):
        if name in attributes:
            lines.append(f"[cyan]{title}[/] {escape_lines(str(attributes[name]))}")
    lines.extend(
        f"[dim]{escape(name.removeprefix(names.METADATA))}[/] {escape_lines(str(value))}"
        for name, value in attributes.items()
        if name.startswith(names.METADATA)
    )
    return lines
