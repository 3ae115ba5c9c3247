"""A secret of every family is found wherever it stands."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import (
    ENGINES,
    KEYED_PLACES,
    KEYED_SECRETS,
    SHAPED_PLACES,
    SHAPED_SECRETS,
    keyed_texts,
    leaks,
    shaped_texts,
)

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("family", SHAPED_SECRETS)
def test_shaped_secret_is_found_in_every_place(family: str, engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    rng = random.Random(family)
    missed = []
    for label, place in SHAPED_PLACES.items():
        secret = SHAPED_SECRETS[family](rng)
        for level, text in enumerate(shaped_texts(place, secret)):
            planted = secret if level == 0 else json.dumps(secret)[1:-1]
            clean = redactor.text(text)
            if leaks(clean, planted) or "[REDACTED:" not in clean:
                missed.append((label, level, text, clean))
    assert missed == []


@pytest.mark.parametrize("family", KEYED_SECRETS)
def test_named_secret_is_found_in_every_place(family: str) -> None:
    name, make = KEYED_SECRETS[family]
    rng = random.Random(family)
    missed = []
    for label, place in KEYED_PLACES.items():
        secret = make(rng)
        for level, text in enumerate(keyed_texts(place, name, secret)):
            clean = Redactor().text(text)
            if secret in clean:
                missed.append((label, level, text, clean))
    assert missed == []


def test_there_are_enough_families() -> None:
    assert len(SHAPED_SECRETS) + len(KEYED_SECRETS) >= 140
