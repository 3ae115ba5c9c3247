"""Talk to Gemini through the old google-generativeai, over REST."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from src.models import gateways, threads

if TYPE_CHECKING:
    from src.models.types import Timeouts

_UNKNOWN = ("seed", "thinking_config", "response_json_schema")


class Legacy:
    """Talk through google-generativeai; it has no asyncio over REST, so the template runs it in threads.

    Its `configure` would set key and address for the whole process, for code beside this too and for every model here,
    so the clients are made as that function makes them, and each model has its own.
    """

    def __init__(self, key: str | None, address: str) -> None:
        self._sdk: Any = importlib.import_module("google.generativeai")  # an extra, not always installed
        language: Any = importlib.import_module("google.ai.generativelanguage")
        how = {"transport": "rest", "client_options": {"api_key": key, "api_endpoint": address}}
        self.client = language.GenerativeServiceClient(**how)
        self.client.transport._session.hooks["response"].append(_watch)
        self._models = language.ModelServiceClient(**how)

    def _model(self, payload: dict[str, Any]) -> Any:
        model = self._sdk.GenerativeModel(payload["model"], system_instruction=payload["system"] or None)
        model._client = self.client
        return model

    @staticmethod
    def _arguments(payload: dict[str, Any], timeouts: Timeouts) -> dict[str, Any]:
        config = {name: value for name, value in payload["config"].items() if name not in _UNKNOWN}
        told: dict[str, Any] = {
            "contents": payload["contents"],
            "generation_config": config,
            "request_options": {"timeout": timeouts.read, "retry": None},
        }
        if payload["tools"]:
            told["tools"] = payload["tools"]
        if payload["tool_choice"]:
            told["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return told

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply."""
        generate = self._model(payload).generate_content
        return _as_dict(threads.within(timeouts.total, generate, **self._arguments(payload, timeouts)))

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a stream."""
        found = self._model(payload).generate_content(**self._arguments(payload, timeouts), stream=True)
        return (_as_dict(event) for event in found)

    def names(self) -> list[str]:
        """Return the names of the models that generate text."""
        found = self._sdk.list_models(client=self._models)
        return [item.name for item in found if "generateContent" in item.supported_generation_methods]


def _watch(response: Any, *_: object, stream: bool = False, **__: object) -> None:
    """Raise an error that came as a whole reply with status 200: the SDK would drop it."""
    if response.status_code == 200 and not stream:
        gateways.raise_error(response.content, response.headers)


def _as_dict(response: Any) -> dict[str, Any]:
    proto = response._result
    return type(proto).to_dict(proto, use_integers_for_enums=False)  # type: ignore[no-any-return] # proto-plus
