"""Imitate the objects of a Langfuse project on loopback; each body is held to the models of Langfuse's own SDK.

The SDK's models ignore what they do not know; here a key that they do not have is an error, as is one of another type.
Values that the server checks besides are checked as web/src/features/public-api/types does.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGS = "/api/public/score-configs"
WIDGETS = "/api/public/unstable/dashboard-widgets"
DASHBOARDS = "/api/public/unstable/dashboards"
DATASETS = "/api/public/v2/datasets"
ITEMS = "/api/public/dataset-items"
PROJECT = "clx0000000000000000000001"
_STAMP = datetime(2026, 11, 1, tzinfo=UTC).isoformat()


@functools.cache
def _models() -> dict[str, tuple[Any, Any]]:
    """Return the SDK's request and list models by the route, and under "" what reads them: all of one import."""
    from langfuse.api.core.pydantic_utilities import parse_obj_as
    from langfuse.api.dataset_items.types.create_dataset_item_request import CreateDatasetItemRequest
    from langfuse.api.dataset_items.types.paginated_dataset_items import PaginatedDatasetItems
    from langfuse.api.datasets.types.create_dataset_request import CreateDatasetRequest
    from langfuse.api.datasets.types.paginated_datasets import PaginatedDatasets
    from langfuse.api.score_configs.types.create_score_config_request import CreateScoreConfigRequest
    from langfuse.api.score_configs.types.score_configs import ScoreConfigs
    from langfuse.api.score_configs.types.update_score_config_request import UpdateScoreConfigRequest
    from langfuse.api.unstable.dashboard_widgets.types.create_dashboard_widget_request import (
        CreateDashboardWidgetRequest,
    )
    from langfuse.api.unstable.dashboard_widgets.types.dashboard_widget_list import DashboardWidgetList
    from langfuse.api.unstable.dashboard_widgets.types.update_dashboard_widget_request import (
        UpdateDashboardWidgetRequest,
    )
    from langfuse.api.unstable.dashboards.types.create_dashboard_request import CreateDashboardRequest
    from langfuse.api.unstable.dashboards.types.dashboard_list import DashboardList
    from langfuse.api.unstable.dashboards.types.update_dashboard_request import UpdateDashboardRequest

    return {
        CONFIGS: (CreateScoreConfigRequest, ScoreConfigs),
        WIDGETS: (CreateDashboardWidgetRequest, DashboardWidgetList),
        DASHBOARDS: (CreateDashboardRequest, DashboardList),
        DATASETS: (CreateDatasetRequest, PaginatedDatasets),
        ITEMS: (CreateDatasetItemRequest, PaginatedDatasetItems),
        f"{CONFIGS}/": (UpdateScoreConfigRequest, None),
        f"{WIDGETS}/": (UpdateDashboardWidgetRequest, None),
        f"{DASHBOARDS}/": (UpdateDashboardRequest, None),
        "": (parse_obj_as, None),
    }


@functools.cache
def _modules() -> dict[str, Any]:
    """Return the SDK's modules that its models are of: tests unload it, and its types find each other by import."""
    _models()
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "langfuse"}


def problems(route: str, body: Any, *, of_list: bool = False) -> list[str]:
    """Return what the SDK's models do not accept in a body."""
    import pydantic

    sys.modules.update(_modules())
    try:
        parsed = _models()[""][0](_models()[route][of_list], body)
    except pydantic.ValidationError as error:
        return [str(error)]
    return _unknown(parsed, route)


def _unknown(value: Any, place: str) -> list[str]:
    import pydantic

    if isinstance(value, list):
        return [item for part in value for item in _unknown(part, place)]
    if not isinstance(value, pydantic.BaseModel):
        return []
    extra = [f"{place}: unknown key {name}" for name in value.model_extra or {}]
    return extra + [item for name in type(value).model_fields for item in _unknown(getattr(value, name), name)]


class LangfuseObjects:
    """A project's objects; `answer` may be set to misbehave, and routes in `missing` do not exist."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.missing: set[str] = set()
        self.answer: Callable[[Received], Reply | None] = lambda _: None
        self.wrong: list[str] = []
        self.patches: list[str] = []
        self.page = 5  # objects, so that lists have several pages
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def posts(self) -> list[str]:
        return [urlsplit(item.path).path for item in self._server.received if item.method == "POST"]

    def _answer(self, request: Received) -> Reply:
        special = self.answer(request)
        if special is not None:
            return special
        parts = urlsplit(request.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/api/public/health":
            return _json(200, {"status": "OK", "version": "4.60.0"})
        if request.headers.get("authorization") != "Basic cGstbGYtMTpzay1sZi0x":
            return _json(401, {"message": "Invalid credentials. Confirm that you've configured the correct host."})
        if parts.path == "/api/public/projects":
            return _json(200, {"data": [{"id": PROJECT, "name": "trading", "metadata": {}}]})
        route, _, object_id = parts.path.rpartition("/")
        if request.method == "PATCH" and route in (CONFIGS, WIDGETS, DASHBOARDS) and route not in self.missing:
            return self._changed(route, object_id, request.json)
        if parts.path not in _models() or parts.path in self.missing:
            return Reply(404, b"<!DOCTYPE html><html>404</html>", {"content-type": "text/html"})
        if request.method == "POST":
            return self._create(parts.path, request.json)
        return self._listed(parts.path, query)

    def _create(self, route: str, body: dict[str, Any]) -> Reply:
        self.wrong += problems(route, body)
        if route == CONFIGS:
            self.wrong += _wrong_config(body)
        return _json(200, self.add(route, body))

    def _changed(self, route: str, object_id: str, body: dict[str, Any]) -> Reply:
        self.patches.append(route)
        (row,) = [item for item in self.objects[route] if item["id"] == object_id]
        self.wrong += problems(f"{route}/", body)
        if route == CONFIGS:
            self.wrong += _wrong_config({name: row[name] for name in ("name", "dataType")} | body)
        row |= body
        return _json(200, row)

    def add(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep an object as the server would."""
        number = len(self.objects[route]) + 1
        row: dict[str, Any] = {"id": f"id-{number}", "createdAt": _STAMP, "updatedAt": _STAMP, "projectId": PROJECT}
        row |= _usual(route) | body
        if route == WIDGETS:
            row["chartConfig"] = {"type": body["chartType"], **body.get("chartConfig", {})}
        self.objects[route] = [*(item for item in self.objects[route] if item["id"] != row["id"]), row]
        return row

    def _listed(self, route: str, query: dict[str, str]) -> Reply:
        rows = self.objects[route]
        if "datasetName" in query:
            rows = [row for row in rows if row["datasetName"] == query["datasetName"]]
        page, limit = int(query["page"]), min(int(query["limit"]), self.page)
        meta = {"page": page, "limit": limit, "totalItems": len(rows), "totalPages": -(-len(rows) // limit)}
        body = {"data": rows[(page - 1) * limit : page * limit], "meta": meta}
        self.wrong += [item for item in problems(route, body, of_list=True) if "projectId" not in item]
        return _json(200, body)

    def __enter__(self) -> LangfuseObjects:
        self._server.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._server.__exit__(*failure)


def _usual(route: str) -> dict[str, Any]:
    """Return what the server adds to an object, besides ids and times."""
    usual: dict[str, dict[str, Any]] = {
        CONFIGS: {"isArchived": False},
        WIDGETS: {"description": "", "chartConfig": {"type": "NUMBER"}},
        DASHBOARDS: {"filters": []},
        DATASETS: {"metadata": None},
        ITEMS: {"status": "ACTIVE", "datasetId": "d", "mediaReferences": [], "metadata": None},
    }
    return usual[route]


def _wrong_config(body: dict[str, Any]) -> list[str]:
    """Return what the server refuses in a score config: see packages/shared/src/domain/score-configs.ts there."""
    name = body["name"]
    wrong = [] if re.fullmatch(r"[\w .()-]{1,35}", name) else [f"the name {name}"]
    allowed = {
        "NUMERIC": {"minValue", "maxValue"},
        "CATEGORICAL": {"categories"},
        "BOOLEAN": set(),
    }[body["dataType"]]
    wrong += [f"{name} has {key}" for key in body.keys() - allowed - {"name", "dataType", "description"}]
    if body.get("minValue", 0) >= body.get("maxValue", float("inf")):
        wrong.append(f"{name} has an empty range")
    values = [item["value"] for item in body.get("categories", [])]
    return wrong + ([f"{name} repeats values"] if len(set(values)) < len(values) else [])


def _json(status: int, body: Any) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})
