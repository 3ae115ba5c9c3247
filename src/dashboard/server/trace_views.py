"""Show one trace: its waterfall, whose rows come apart from the page, and each observation with its texts."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from src.dashboard.data import traces
from src.dashboard.data.langfuse_link import langfuse_url
from src.dashboard.data.tree import in_tree_order
from src.dashboard.pages.calls import at_least
from src.dashboard.pages.registry import KINDS
from src.dashboard.pages.traces import cost
from src.dashboard.server.rendering import json_text, render
from src.dashboard.view.csv_text import csv_text
from src.dashboard.view.filters import FilterError
from src.dashboard.view.formats import shown
from src.dashboard.view.lazy_rows import FIRST
from src.dashboard.view.panels import Column, Table
from src.observability import attributes as names
from src.observability.commands.terminal import visible
from src.observability.store.compression import DamagedSpan
from src.observability.store.records import BILLED_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.stores import Store
    from src.dashboard.server.views import Views
    from src.observability.store.records import TraceRow

_LONGEST_SHOWN: Final = 20_000  # characters of a text in a page; a link has all of it
_MOST_LIVE: Final = 200
_TEXTS: Final = {"input": names.INPUT, "output": names.OUTPUT}
_NEAR_TEXT: Final = frozenset(_TEXTS.values())


class NotThere(Exception):
    """A trace or an observation is not in the store; the message names it."""


def _options(request: Request, *allowed: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        if name not in ("store", *allowed):
            raise FilterError(f"This address has no option {name!r:.60}.")
        options[name] = value
    return options


def _trace_id(store: Store, request: Request, limits: Limits) -> str:
    """Return the whole id of the trace that the address names, by its beginning too."""
    beginning = str(request.path_params["trace_id"]).strip().lower()
    ids = store.ask(partial(traces.trace_ids, beginning=beginning), [], limits)
    if not ids:
        raise NotThere(
            f"There is no trace whose id begins with {beginning!r:.60}: it was never here, or retention has removed it."
        )
    if len(ids) > 1:
        raise NotThere(f"Several traces begin with {beginning!r:.60}: give more of the id.")
    return ids[0]


def trace_page(views: Views, request: Request, limits: Limits) -> Response:
    """Return the page of a trace; its rows are fetched by the page."""
    options = _options(request, "span")
    store = views.store(options.get("store"))
    trace_id = _trace_id(store, request, limits)
    (line,) = store.ask(partial(traces.lines, ids=[trace_id]), [], limits)
    scores = store.ask(partial(traces.scores, trace_id=trace_id), [], limits)
    html = render(
        "trace.html",
        line=line,
        cost=cost(line.cost_usd, line.unpriced),
        tokens=at_least(line.tokens or 0, line.unmeasured),
        most_rows=FIRST,
        scores=scores,
        span=options.get("span", ""),
        langfuse=langfuse_url(store, trace_id, limits),
        **views.frame(KINDS["traces"], None, store),
    )
    return HTMLResponse(html)


def trace_rows(views: Views, request: Request, limits: Limits) -> Response:
    """Return all observations of a trace, by column, in the order of the tree; texts that repeat stand once."""
    store = views.store(_options(request).get("store"))
    trace_id = _trace_id(store, request, limits)
    rows = store.ask(partial(traces.rows, trace_id=trace_id), [], limits)
    return _json(waterfall(limits.each(in_tree_order(rows)), len(rows)))


_ROW_COLUMNS: Final = (
    Column("span_id", "observation"), Column("parent_span_id", "parent"), Column("name", "name"),
    Column("type", "type"), Column("start_ns", "start", "time"), Column("end_ns", "end", "time"),
    Column("provider", "provider"),
    Column("model", "model"), Column("level", "level"), Column("error_category", "category"),
    Column("input_tokens", "tokens in", "count"), Column("output_tokens", "tokens out", "count"),
    Column("cost_usd", "cost", "money", is_bound=True),
)  # fmt: skip
_SCORE_COLUMNS: Final = (
    Column("name", "score"), Column("value", "value"), Column("observation_id", "observation"),
    Column("timestamp", "time", "time"), Column("comment", "comment"),
)  # fmt: skip


def trace_csv(views: Views, request: Request, limits: Limits) -> Response:
    """Return the observations of a trace in the order of its tree, or its scores, as CSV."""
    store = views.store(_options(request).get("store"))
    trace_id, name = _trace_id(store, request, limits), request.path_params["table"]
    if name == "scores":
        table = Table(_SCORE_COLUMNS, store.ask(partial(traces.scores, trace_id=trace_id), [], limits))
    elif name == "rows":
        rows = in_tree_order(store.ask(partial(traces.rows, trace_id=trace_id), [], limits))
        table = Table(_ROW_COLUMNS, [tuple(row[column.key] for column in _ROW_COLUMNS) for _, row in rows])
    else:
        raise NotThere(f"A trace has no table {name!r:.40}: its tables are rows and scores.")
    headers = {"Content-Disposition": f'attachment; filename="moondev-trace-{trace_id}-{name}.csv"'}
    return Response(csv_text(table, limits), media_type="text/csv; charset=utf-8", headers=headers)


def waterfall(ordered: Any, count: int) -> dict[str, Any]:
    """Return observations in the order of their tree as columns; times are microseconds from the first start."""
    texts: dict[str, int] = {}

    def number(text: str | None) -> int:
        return texts.setdefault(text or "", len(texts))

    items = list(ordered)
    start = min((row["start_ns"] for _, row in items), default=0)
    columns: dict[str, list[Any]] = {
        "id": [row["span_id"] for _, row in items],
        "depth": [depth for depth, _ in items],
        "name": [number(row["name"]) for _, row in items],
        "type": [number(row["type"]) for _, row in items],
        "model": [number(row["model"]) for _, row in items],
        "level": [number(row["level"]) for _, row in items],
        "category": [number(row["error_category"]) for _, row in items],
        "start": [(row["start_ns"] - start) // 1_000 for _, row in items],
        "took": [max(row["end_ns"] - row["start_ns"], 0) // 1_000 for _, row in items],
        "tokens": [_tokens(row) for _, row in items],
        "cost": [row["cost_usd"] for _, row in items],
    }
    return {"count": count, "start_ms": start / 1e6, "texts": [visible(text) for text in texts], **columns}


def _tokens(row: Mapping[str, Any]) -> int | None:
    known = [row[name] for name in ("input_tokens", "output_tokens") if row[name] is not None]
    return sum(known) if known else None


def span_page(views: Views, request: Request, limits: Limits) -> Response:
    """Return the page of one observation."""
    store, values = _span(views, request, limits)
    return HTMLResponse(render("span.html", **values, **views.frame(KINDS["traces"], None, store)))


def span_part(views: Views, request: Request, limits: Limits) -> Response:
    """Return one observation as a part of the trace's page."""
    _, values = _span(views, request, limits)
    return HTMLResponse(render("span_part.html", **values))


def span_json(views: Views, request: Request, limits: Limits) -> Response:
    """Return all that is stored of one observation as JSON in ASCII, as `moondev traces show --json` prints it."""
    from src.observability.commands.trace_details import observation_data
    from src.observability.search.records import observations_at

    store = views.store(_options(request).get("store"))
    row, _ = _row(store, request, limits)
    for item in observations_at(store.reader, [(row.seq, row.trace_id, row.span_id)]):
        text = json.dumps(observation_data(item), indent=2)
        return Response(text.replace("\x7f", "\\u007f"), media_type="application/json")
    raise NotThere(f"Observation {row.span_id} has left the store.")


def span_text(views: Views, request: Request, limits: Limits) -> Response:
    """Return a whole text of an observation, as plain text."""
    store = views.store(_options(request).get("store"))
    row, trouble = _row(store, request, limits)
    name = request.path_params["text_name"]
    text = _decoded(row).get(_TEXTS.get(name, "")) if trouble is None else None
    if text is None:
        raise NotThere(f"This observation has no {name!r:.40}.")
    return PlainTextResponse(visible(_readable(text)))


def _row(store: Store, request: Request, limits: Limits) -> tuple[TraceRow, str | None]:
    trace_id = _trace_id(store, request, limits)
    span_id = request.path_params["span_id"].strip().lower()
    answer = store.ask(partial(traces.span, trace_id=trace_id, span_id=span_id), None, limits)
    if answer is None:
        raise NotThere(f"There is no observation {span_id!r:.60} in trace {trace_id}.")
    return answer


def _span(views: Views, request: Request, limits: Limits) -> tuple[Store, dict[str, Any]]:
    options = _options(request)
    store = views.store(options.get("store"))
    row, trouble = _row(store, request, limits)
    attributes = _decoded(row) if trouble is None else {}
    texts = []
    for label, name in _TEXTS.items():
        if name in attributes:
            text = _readable(attributes[name])
            texts.append({"label": label, "text": text[:_LONGEST_SHOWN], "length": len(text),
                          "is_cut": len(text) > _LONGEST_SHOWN})  # fmt: skip
    is_unpriced = int(row.is_unpriced)
    facts = [
        ("type", row.type),
        ("started (UTC)", shown(row.start_ns, "time")),
        ("took", shown(max(row.end_ns - row.start_ns, 0) / 1e6, "ms")),
        ("provider", row.provider),
        ("model", row.model),
        ("agent", row.agent),
        ("session", row.session_id),
        ("level", row.level if row.level != "DEFAULT" else None),
        ("error", row.error_category),
        ("message", row.status_message),
        ("tokens in", None if row.input_tokens is None else shown(row.input_tokens, "count")),
        ("tokens out", None if row.output_tokens is None else shown(row.output_tokens, "count")),
        ("cost", shown(cost(row.cost_usd, is_unpriced), "money") if row.cost_usd is not None or is_unpriced else None),
    ]
    more = [(name.removeprefix("langfuse.observation."), _shortened(_readable(value), _LONGEST_SHOWN))
            for name, value in attributes.items() if name not in _NEAR_TEXT]  # fmt: skip
    return store, {
        "row": row, "facts": [(label, value) for label, value in facts if value], "texts": texts, "more": more,
        "trouble": trouble, "query": f"?{urlencode({'store': options['store']})}" if options.get("store") else "",
    }  # fmt: skip


def _shortened(text: str, most: int) -> str:
    """Return the beginning of a text, and how much there is of it, where it is longer."""
    return text if len(text) <= most else f"{text[:most]}… (the first {most:,} of {len(text):,} characters)"


def _decoded(row: TraceRow) -> Mapping[str, Any]:
    from src.observability.spans import otlp

    try:
        return otlp.decode_span(row.span).attributes
    except DamagedSpan:
        return {}


def _readable(value: Any) -> str:
    """Return an attribute as text; JSON with its lines, so that a prompt reads as it was written."""
    if not isinstance(value, str):
        return str(value)
    if not value.startswith(("{", "[")):
        return value
    try:
        data = json.loads(value)
    except ValueError:
        return value
    messages = _messages(data)
    return messages if messages is not None else json.dumps(data, indent=2, ensure_ascii=False)


def _messages(data: Any) -> str | None:
    """Return a list of messages as text, each under its role; None where it is none of plain texts."""
    if not isinstance(data, list) or not data:
        return None
    if not all(isinstance(item, dict) and isinstance(item.get("content"), str) and "role" in item for item in data):
        return None
    return "\n\n".join(f"[{item['role']}]\n{item['content']}" for item in data)


def live_rows(views: Views, request: Request, limits: Limits) -> Response:
    """Return the observations that ended after a number, at most the newest 200."""
    options = _options(request, "after")
    store = views.store(options.get("store"))
    text = options.get("after", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FilterError(f"after is {text!r:.60}: give the number of an observation.")
    items, left_out, newest = store.ask(partial(traces.after, seq=int(text), limit=_MOST_LIVE), ([], 0, 0), limits)
    rows = [
        {
            "time": shown(row["end_ns"], "time"), "trace": row["trace_id"], "span": row["span_id"],
            "name": row["name"], "type": row["type"], "model": row["model"] or "", "agent": row["agent"] or "",
            "took": shown(max(row["end_ns"] - row["start_ns"], 0) / 1e6, "ms"),
            "cost": _live_cost(row), "level": row["level"],
            "error": _shortened(" ".join(filter(None, (row["error_category"], row["status_message"]))), 300),
            "is_call": row["type"] in BILLED_TYPES,
        }
        for row in items
    ]  # fmt: skip
    return _json({"rows": rows, "left_out": left_out, "after": max(newest, 0)})


def _live_cost(row: Mapping[str, Any]) -> str:
    """Return what an observation cost; empty for one that costs nothing by itself, such as a span."""
    is_known, is_unpriced = row["cost_usd"] is not None, row["cost_unknown"]
    if is_unpriced is None:  # of an older program
        is_unpriced = not is_known and row["type"] in BILLED_TYPES
    return shown(cost(row["cost_usd"], int(is_unpriced)), "money") if is_known or is_unpriced else ""


def _json(data: Any) -> Response:
    return Response(json_text(data), media_type="application/json")
