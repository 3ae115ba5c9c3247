"""List the models that providers have now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from src.models.catalogue import is_chat_model, look_up, models
from src.models.errors import ModelError, Unsupported
from src.models.guard import exempt
from src.models.model_factory import ModelFactory

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.models.catalogue import KnownModel


def live_models(provider: str) -> tuple[KnownModel, ...]:
    """Return the models that a provider lists now, each with what the catalogue knows of it.

    Raises:
        ModelError: the provider is not set up, or did not answer; the subclass says which.
        Unsupported: the provider has no list.
    """
    names = listed_names(ModelFactory.get_model(provider))
    known = {model.name: model for model in models(provider)}
    return tuple(
        replace(known.get(name) or look_up(provider, name), live=True)
        for name in names
        if is_chat_model(provider, name)
    )


def listed_names(model: BaseModel) -> list[str]:
    """Return the names of the models that a model's provider lists."""
    try:
        with exempt():
            return sorted(set(model._list_models()))
    except NotImplementedError as error:
        raise Unsupported(f"{model.provider} has no list of its models.", provider=model.provider) from error
    except Exception as error:
        failure = error if isinstance(error, ModelError) else model._classify(error)
        failure.provider = model.provider
        raise failure from error
