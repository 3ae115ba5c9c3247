"""Define BaseAgent: one traced run for each piece of work, with session, metadata and injected models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from src.models.base_model import BaseModel
from src.models.model_factory import ModelFactory
from src.observability.settings import config_value
from src.observability.tracing.agent_runs import observe_agent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class BaseAgent:
    """Do work as traced runs.

    A subclass names its `agent_type` and opens a run with `self.observed(...)` around its work; what its models are
    asked inside becomes part of that run.

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
        """Return the agent's model; it is made when it is first needed."""
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


def as_model(wanted: BaseModel | str | None, **settings: Any) -> BaseModel:
    """Return a model by name, itself, or the one that `src/config.py` names (AI_MODEL_PROVIDER, AI_MODEL)."""
    if isinstance(wanted, BaseModel):
        return wanted
    if wanted is not None:
        return ModelFactory.get_model(wanted, **settings)
    provider = str(config_value("AI_MODEL_PROVIDER", "local"))
    name = config_value("AI_MODEL", None)
    return ModelFactory.get_model(provider, str(name) if name else None, **settings)
