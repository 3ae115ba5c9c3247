"""Assemble the dashboard's application: its routes, and what becomes of errors."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from src.dashboard.data.facts import Refresher
from src.dashboard.data.limits import Limits, NobodyWaits, TookTooLong
from src.dashboard.data.stores import Locked
from src.dashboard.pages.registry import KINDS
from src.dashboard.server import trace_views
from src.dashboard.server.access import Access, Hosts, Key
from src.dashboard.server.answering import Answers
from src.dashboard.server.rendering import FOLDER, render
from src.dashboard.server.views import Content, NoSuchPanel, Views
from src.dashboard.view.filters import FilterError
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from src.dashboard.pages.kinds import PageKind

__all__ = ["Content", "create_app"]

_log = logging.getLogger("moondev.dashboard")
_GONE: Final = 499  # as nginx counts: the browser has left
_WARM_S: Final = 120.0
_LOOK_AGAIN_S: Final = 3  # where another process has locked the store
_CACHED: Final = {"Cache-Control": "private, max-age=300"}


def create_app(content: Content, *, key: Key, hosts: Hosts, warm: bool = True) -> Starlette:
    """Return the application.

    Args:
        content: What is shown.
        key: Who may see it.
        hosts: The Host headers that are answered.
        warm: Whether, once the server runs, the facts beside the stores are kept up to date in the background, and
            pages made before somebody waits for them.
    """
    answers = Answers(content.seconds)
    problems: dict[str, str] = {}
    views = Views(content, problems)
    unhurried = Limits(float("inf"), answers.stopping)
    refresher = Refresher(content.stores, answers.stopping, problems, partial(views.bring_up, limits=unhurried))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if warm:
            refresher.start()
            limits = Limits(_WARM_S, answers.stopping)
            threading.Thread(target=_warm, args=(views, limits), name="moondev-dashboard-warm", daemon=True).start()
        try:
            yield
        finally:
            answers.stop()

    app = Starlette(
        routes=_routes(views, answers),
        middleware=[Middleware(Access, key=key, hosts=hosts)],
        lifespan=lifespan,
        exception_handlers={404: _not_there(views)},
    )
    app.state.refresher = refresher
    return app


def _warm(views: Views, limits: Limits) -> None:
    try:
        views.warm(limits)
    except Exception as error:  # noqa: BLE001 - who asks for the page gets this error
        _log.info("The pages could not be made beforehand: %s", error)


def _routes(views: Views, answers: Answers) -> list[Any]:
    routes: list[Any] = []
    for kind in KINDS.values():
        routes.append(Route(kind.address, _endpoint(views, answers, kind, partial(_page, views, kind))))
        path = f"/{kind.slug or 'overview'}/{{panel}}.csv"
        routes.append(Route(path, _endpoint(views, answers, kind, partial(_csv, views, kind))))
    traces = KINDS["traces"]
    for path, view in (
        ("/traces/{trace_id}", trace_views.trace_page),
        ("/traces/{trace_id}/rows.json", trace_views.trace_rows),
        ("/traces/{trace_id}/{table}.csv", trace_views.trace_csv),
        ("/traces/{trace_id}/{span_id}", trace_views.span_page),
        ("/traces/{trace_id}/{span_id}/part", trace_views.span_part),
        ("/traces/{trace_id}/{span_id}/observation.json", trace_views.span_json),
        ("/traces/{trace_id}/{span_id}/{text_name}.txt", trace_views.span_text),
        ("/live/rows.json", trace_views.live_rows),
    ):
        routes.append(Route(path, _endpoint(views, answers, traces, partial(view, views))))
    routes.append(Route("/static/echarts.js", _echarts))
    routes.append(Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static"))
    return routes


def _endpoint(
    views: Views, answers: Answers, kind: PageKind, question: Callable[[Request, Limits], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a request, or shows why it cannot."""

    async def endpoint(request: Request) -> Response:
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if any(not value for _, value in pairs):  # of a form with empty fields: the address says what is set
            query = urlencode([(name, value) for name, value in pairs if value])
            return RedirectResponse(f"{request.url.path}{'?' + query if query else ''}", 303)
        try:
            return await answers.to(request, partial(question, request))
        except NobodyWaits:
            return Response(status_code=_GONE)
        except Exception as error:  # noqa: BLE001 - Starlette would answer outside of what checks and adds headers
            return _refused(views, kind, error)

    return endpoint


def _refused(views: Views, kind: PageKind, error: Exception) -> Response:
    """Return the page that says why there is no other."""
    match error:
        case FilterError():
            return _trouble(views, kind, 400, "This address cannot be shown", str(error))
        case TookTooLong():
            remedy = f"{error} Narrow the filters, for example with Since."
            return _trouble(views, kind, 503, "This takes too long", remedy)
        case Locked():
            text = f"{error} This page waits for it, and looks again every {_LOOK_AGAIN_S} seconds."
            return _trouble(views, kind, 503, "The store is locked", text, reload_s=_LOOK_AGAIN_S)
        case SpoolError():
            text = str(error)
            return _trouble(views, kind, 503, "The store cannot be read", text[:1].upper() + text[1:])
        case NoSuchPanel():
            return _trouble(views, kind, 404, "There is no such table", "Each table's link CSV has its address.")
        case trace_views.NotThere():
            return _trouble(views, kind, 404, "Not in this store", str(error))
    _log.error("A page failed: %s: %s", type(error).__name__, error)
    _log.debug("It failed here:", exc_info=error)
    return _trouble(views, kind, 500, "This page failed", "The terminal where the dashboard runs says why.")


def _page(views: Views, kind: PageKind, request: Request, limits: Limits) -> Response:
    return HTMLResponse(views.html(kind, _pairs(request), limits))


def _csv(views: Views, kind: PageKind, request: Request, limits: Limits) -> Response:
    panel = request.path_params["panel"]
    text = views.csv(kind, panel, _pairs(request), limits)
    name = f"moondev-{kind.slug or 'overview'}-{panel}.csv"
    return Response(
        text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _pairs(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.url.query, keep_blank_values=True)


def _trouble(
    views: Views, kind: PageKind, status: int, heading: str, text: str, *, reload_s: int | None = None
) -> Response:
    html = render("trouble.html", heading=heading, text=text, reload_s=reload_s, **views.frame(kind, None))
    return HTMLResponse(html, status, {"Retry-After": str(reload_s)} if reload_s else None)


def _not_there(views: Views) -> Any:
    async def handler(_: Request, __: Exception) -> Response:
        kind = next(iter(KINDS.values()))
        return _trouble(views, kind, 404, "There is no such page", "The menu has all pages.")

    return handler


async def _echarts(_: Request) -> Response:
    path = echarts_path()
    if path is None:
        return PlainTextResponse("Apache ECharts is not installed. Run: make .venv\n", 404)
    return FileResponse(path, media_type="text/javascript", headers=_CACHED)


def echarts_path() -> Path | None:
    """Return the file of Apache ECharts, without importing the package that brings it; None where it is missing."""
    spec = importlib.util.find_spec("instaui_echarts")
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / "static" / "echarts.esm.min.js" if folders else None
    return path if path is not None and path.is_file() else None
