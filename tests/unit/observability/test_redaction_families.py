"""A secret of every family is found wherever it stands."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.long import IS_LONG
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


@pytest.mark.parametrize("family", SHAPED_SECRETS)
def test_shaped_secret_is_found_in_every_place(family: str) -> None:
    """Each engine reads every other place, and each of them in a long run; that engines agree is tested by itself."""
    redactors = [Redactor(engine=engine) for engine in ENGINES]
    rng = random.Random(family)
    missed = []
    for number, (label, place) in enumerate(SHAPED_PLACES.items()):
        secret = SHAPED_SECRETS[family](rng)
        for redactor in redactors if IS_LONG else [redactors[(number + len(family)) % len(redactors)]]:
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


# Between the parts of a value that is broken over lines inside its quotes, or over quoted pieces.
LINE_BREAKS = ("\n    ", "\r\n", "\\\n", "\\n  ", '"\n   "', '" +\n   "')


def broken(secret: str, line_break: str) -> str:
    middle = len(secret) * 2 // 3
    return f"{secret[:middle]}{line_break}{secret[middle:]}"


def is_breakable(secret: str) -> bool:
    """Return whether a secret is one word, without line breaks of its own, and not partly public as an address is."""
    return len(secret) >= 24 and "://" not in secret and not set(secret) & set(" \n\\\"',[")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_secret_is_found_where_it_is_broken_over_lines_inside_its_quotes(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    named = [(name, make) for name, make in KEYED_SECRETS.values()]
    shaped = [("value", make) for make in SHAPED_SECRETS.values()]
    missed, tried = [], 0
    for number, (name, make) in enumerate([*named, *shaped]):
        secret = make(random.Random(number))
        for line_break in LINE_BREAKS if is_breakable(secret) else ():
            text = f'{name} = "{broken(secret, line_break)}"\nThe trend is up.\n'
            clean = redactor.text(text)
            tried += 1
            if any(part in clean for part in broken(secret, line_break).split(line_break) if len(part) >= 6):
                missed.append((text, clean))
            assert clean.endswith("The trend is up.\n")
    assert missed == []
    assert tried > 500


def test_quoted_columns_and_multiline_texts_are_no_broken_secrets() -> None:
    for text in (
        '"2024-01-02","42000.15"\n"2024-01-03","42100.25"\n' * 20,
        '"bitcoin"\n"ethereum"\n"avalanche-2"\n' * 20,
        'print("momentum_strategy"\n      "mean_reversion_strategy")\n',
        '"""Return the signal.\n\nLonger text."""\n',
    ):
        assert Redactor().text(text) == text


def test_there_are_enough_families() -> None:
    assert len(SHAPED_SECRETS) + len(KEYED_SECRETS) >= 140
