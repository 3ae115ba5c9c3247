"""Define BaseAgent, whose every piece of work is one traced run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from src.models.base_model import BaseModel
from src.models.model_factory import ModelFactory
from src.observability.settings import config_value
from src.observability.tracing.agent_runs import observe_agent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class BaseAgent:
    """An agent that works in traced runs.

    A subclass sets its `agent_type` and opens a run with `self.observed(...)` around its work; the model calls inside
    become part of that run.

    Args:
        model: A model, its name as provider:model, or None for the one that `src/config.py` names.
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
    """Return a model as it is, by name, or, for None, that of `src/config.py` (AI_MODEL_PROVIDER, AI_MODEL)."""
    if isinstance(model, BaseModel):
        return model
    if model is not None:
        return ModelFactory.get_model(model, **settings)
    provider = str(config_value("AI_MODEL_PROVIDER", "local"))
    name = config_value("AI_MODEL", None)
    return ModelFactory.get_model(provider, str(name) if name else None, **settings)
