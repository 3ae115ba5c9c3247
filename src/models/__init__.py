"""Ask language models through one traced interface, whichever provider they come from."""

from src.models.base_model import BaseModel
from src.models.model_factory import ModelFactory
from src.models.model_factory import model_factory as model_factory
from src.models.types import ModelResponse

__all__ = ["BaseModel", "ModelFactory", "ModelResponse", "model_factory"]
