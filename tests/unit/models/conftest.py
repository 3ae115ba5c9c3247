"""What a test registers is gone after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.models import capabilities
from src.models.model_factory import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    rows, loaded_file, registered = PROVIDERS._rows, PROVIDERS._loaded_file, dict(capabilities._registered)
    yield
    PROVIDERS._rows, PROVIDERS._loaded_file = rows, loaded_file
    if registered != capabilities._registered:
        capabilities._registered.clear()
        capabilities._registered.update(registered)
        capabilities.of.cache_clear()
