"""Ask providers which models they have now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from src.models.catalogue import KnownModel, is_chat_model, look_up, models
from src.models.errors import ModelError, Unsupported
from src.models.guard import exempt
from src.models.model_factory import ModelFactory

if TYPE_CHECKING:
    from src.models.base_model import BaseModel


def live_models(provider: str) -> tuple[KnownModel, ...]:
    """Ask a provider which models it has now, with what the catalogue knows of each.

    Raises:
        ModelError: it is not set up, or did not answer; the subclass says which.
        Unsupported: it has no list.
    """
    model = ModelFactory.get_model(provider)
    names = listed_names(model)
    known = {item.name: item for item in models(provider)}
    return tuple(_live(known.get(name) or look_up(provider, name)) for name in names if is_chat_model(provider, name))


def listed_names(model: BaseModel) -> list[str]:
    """Return the names that a model's provider lists."""
    try:
        with exempt():
            return sorted(set(model._list_models()))
    except NotImplementedError as error:
        raise Unsupported(f"{model.provider} has no list of its models.", provider=model.provider) from error
    except Exception as error:
        failure = error if isinstance(error, ModelError) else model._classify(error)
        failure.provider = model.provider
        raise failure from error


def _live(item: KnownModel) -> KnownModel:
    return replace(item, live=True)
