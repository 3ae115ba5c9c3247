"""Define BaseAgent: each piece of its work is one traced run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from src.models.base_model import BaseModel
from src.models.model_factory import PROVIDERS, ModelFactory
from src.observability.settings import config_value, load_dotenv_once
from src.observability.tracing.agent_runs import observe_agent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


# The provider of a model by the beginning of its name, for an AI_MODEL without a provider.
_PROVIDER_BY_PREFIX: Final = {
    "claude": "claude", "gpt-": "openai", "chatgpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai",
    "gemini": "gemini", "deepseek": "deepseek", "grok": "xai",
}  # fmt: skip


class BaseAgent:
    """An agent that works in traced runs.

    A subclass sets its `agent_type` and opens a run with `self.observed(...)` around its work; the model calls inside
    become part of that run.

    Args:
        model: A model, its name as provider:model, or None for that of `default_name`.
        name: The agent's own name; its type where not given.
        session_id: One run of a process or loop; the process's own where not given.
    """

    agent_type: ClassVar[str] = "agent"

    def __init__(
        self, model: BaseModel | str | None = None, *, name: str | None = None, session_id: str | None = None
    ) -> None:
        self.name = name or self.agent_type
        self.session_id = session_id
        self._model = model

    @property
    def model(self) -> BaseModel:
        """Return the agent's model, made when it is first used."""
        if not isinstance(self._model, BaseModel):
            self._model = as_model(self._model)
        return self._model

    def observed(
        self,
        *,
        symbol: str | None = None,
        input: object = None,  # noqa: A002 - the field's name in Langfuse
        metadata: Mapping[str, object] | None = None,
        tags: Iterable[str] = (),
        name: str | None = None,
    ) -> observe_agent:
        """Return the context manager of one run of this agent."""
        return observe_agent(
            self.agent_type,
            agent_name=self.name,
            trading_pair=symbol,
            session_id=self.session_id,
            tags=tags,
            metadata=metadata,
            input=input,
            name=name,
        )


def as_model(model: BaseModel | str | None, **settings: Any) -> BaseModel:
    """Return a model as it is, by name, or, for None, that of an agent that names none."""
    if isinstance(model, BaseModel):
        return model
    return ModelFactory.get_model(default_name() if model is None else model, **settings)


def default_name() -> str:
    """Return the model of an agent that names none, as provider:model, or a provider for its default model.

    AI_MODEL_PROVIDER and AI_MODEL name it, in the environment, else in `src/config.py`. Where they do not, it is the
    first provider whose key is set, else the embedded model.

    Raises:
        ValueError: AI_MODEL names a model, and nothing says whose.
    """
    provider, name = _switch("AI_MODEL_PROVIDER"), _switch("AI_MODEL")
    if provider is None and name is not None:
        if ":" in name and name.partition(":")[0].lower() in PROVIDERS:
            return name
        provider = next(
            (owner for prefix, owner in _PROVIDER_BY_PREFIX.items() if name.lower().startswith(prefix)), None
        )
        if provider is None:
            raise ValueError(f"AI_MODEL is {name!r}, and nothing says whose model that is: set AI_MODEL_PROVIDER too.")
    if provider is None:
        provider = next(iter(keyed_providers()), "local")
    return f"{provider}:{name}" if name is not None else provider


def keyed_providers() -> list[str]:
    """Return the providers that are set up with a key, in the order of the factory's table."""
    return [row.name for row in PROVIDERS.values() if row.needs_key and ModelFactory.is_model_available(row.name)]


def _switch(name: str) -> str | None:
    load_dotenv_once()
    value = os.environ.get(name, "").strip() or config_value(name, None)
    return str(value) if value else None
