"""Recovery phrases are found with labels between their parts, and those of other lists by their names."""

from __future__ import annotations

import hmac
import json
import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from src.observability.redaction.engine import characters
from tests.unit.observability.secret_samples import ENGINES, mnemonic

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

_LABELS = [
    ("first half: {}\nsecond half: {}", 2),
    ("words 1-6: {}; words 7-12: {}", 2),
    ("Row 0: {}\nRow 1: {}\nRow 2: {}", 3),
    ("part one: {}. Part two is {}", 2),
    ('[{{"role": "user", "content": "part 1: {}"}}, {{"role": "user", "content": "part 2: {}"}}]', 2),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", ["english", "french", "japanese"])
@pytest.mark.parametrize("with_numpy", [True, False])
def test_phrases_with_labels_between_their_parts_are_found(
    language: str, engine: EngineName, with_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(characters, "_uses_numpy", lambda _size: with_numpy)
    redactor = Redactor(engine=engine)
    words = mnemonic(language).to_mnemonic(random.Random(4).randbytes(16)).split()
    for place, count in _LABELS:
        size = len(words) // count
        parts = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
        for text in (place.format(*parts), json.dumps({"note": place.format(*parts)}, ensure_ascii=False)):
            clean = redactor.text(text + " and more." * 300)
            assert not any(" ".join(part.split()[1:4]) in clean for part in parts), clean


def electrum(rng: random.Random) -> list[str]:
    """Return words whose hash says that they are a seed of Electrum, by its own rule, and no other phrase."""
    words = mnemonic("english").wordlist
    while True:
        seed = rng.choices(words, k=12)
        if hmac.digest(b"Seed version", " ".join(seed).encode(), "sha512").hex().startswith(("01", "100")):
            return seed


@pytest.mark.parametrize("engine", ENGINES)
def test_seeds_of_electrum_are_found(engine: EngineName) -> None:
    for number in range(5):
        seed = electrum(random.Random(number))
        clean = Redactor(engine=engine).text(f"restore {' '.join(seed)} now")
        assert " ".join(seed[2:5]) not in clean


_OTHER = "alchemy acidic attire argue anecdote alarms amnesty avatar aching arsenic amply alumni afar agenda austere"


@pytest.mark.parametrize("engine", ENGINES)
def test_words_of_any_list_are_found_by_their_name(engine: EngineName) -> None:
    for name in ("monero seed: ", "My Monero recovery phrase is ", '"mnemonic": "', "seed phrase (one missing):\n"):
        clean = Redactor(engine=engine).text(f"{name}{_OTHER}\n")
        assert "argue anecdote" not in clean, clean
    for text in (
        "seed: the round closed at a valuation that was twice the one of the year before it",
        f"vocabulary: {_OTHER}",
        "the second half: prices rise and fall again, then hold",
        "part 2: trade the trend and cut the losses before they grow",
    ):
        assert Redactor(engine=engine).text(text) == text
