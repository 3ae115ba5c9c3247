"""Call language models of any provider through one traced interface."""

import os as _os

from src.models.base_model import BaseModel
from src.models.model_factory import ModelFactory
from src.models.model_factory import model_factory as model_factory
from src.models.request.tool_results import atool_results, tool_results
from src.models.types import ModelResponse

__all__ = ["BaseModel", "ModelFactory", "ModelResponse", "atool_results", "model_factory", "tool_results"]

if _os.environ.get("MOONDEV_GUARD"):  # without the variable, importing has no side effects
    from src.models import guard as _guard

    _guard.install()
