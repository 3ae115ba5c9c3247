"""Ask language models through one traced interface, whichever provider they come from."""

import os as _os

from src.models.base_model import BaseModel
from src.models.model_factory import ModelFactory
from src.models.model_factory import model_factory as model_factory
from src.models.types import ModelResponse

__all__ = ["BaseModel", "ModelFactory", "ModelResponse", "model_factory"]

if _os.environ.get("MOONDEV_GUARD"):  # asked for by name: without it, importing does nothing
    from src.models import guard as _guard

    _guard.install()
