"""A recovery phrase is found where its words are dictated, stand backwards, in columns or in rows of something else."""

from __future__ import annotations

import random
import unicodedata
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from src.observability.redaction.engine import characters
from tests.unit.observability.secret_samples import ENGINES, mnemonic

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.redaction.texts import EngineName

    Layout = Callable[[list[str]], str]

_ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_ORDINALS_TEXT = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = _ORDINALS_TEXT.split()
_ENDS = {1: "st", 2: "nd", 3: "rd"}


def _each(template: str, words: list[str], labels: list[str] | None = None) -> str:
    labels = labels or [str(number) for number in range(1, len(words) + 1)]
    return "".join(template.format(label=label, word=word) for label, word in zip(labels, words, strict=True))


def _columns(words: list[str], count: int) -> str:
    rows = len(words) // count
    lines = [
        "   ".join(f"{place + 1}. {words[place]}" for place in range(row, len(words), rows)) for row in range(rows)
    ]
    return "\n".join(lines)


_LAYOUTS: dict[str, Layout] = {
    "and": " and ".join,
    "comma": " comma ".join,
    "then": ", then ".join,
    "backwards": lambda words: " ".join(reversed(words)),
    "backwards in lines": lambda words: "\n".join(reversed(words)),
    "columns": lambda words: _columns(words, 3),
    "boxes": lambda words: _each("☐ {word}\n", words),
    "ticked": lambda words: _each("- [x] {word}\n", words),
    "letters": lambda words: _each("{label}) {word}\n", words, list("abcdefghijkl")),
    "roman": lambda words: _each("{label}. {word}\n", words, _ROMAN),
    "circled": lambda words: _each("{label} {word} ", words, [chr(0x2460 + place) for place in range(12)]),
    "of twelve": lambda words: _each("({label}/12) {word}\n", words),
    "ordinals": lambda words: _each(
        "{label}: {word}\n", words, [f"{number}{_ENDS.get(number, 'th')}" for number in range(1, 13)]
    ),
    "words": lambda words: _each("{label}: {word}\n", words, _ORDINALS),
    "arrows": lambda words: _each("{label} => {word}\n", words),
    "names": lambda words: _each("w{label}={word}\n", words),
    "numbers behind": lambda words: _each("{word}:{label}1 ", words),
    "table": lambda words: _each("| {label} | {word} | ok |\n", words),
    "table in HTML": lambda words: _each("<tr><td>{label}</td><td>{word}</td></tr>", words),
    "items with a class": lambda words: _each('<li class="w">{word}</li>', words),
    "objects": lambda words: "[" + _each('{{"n": {label}, "w": "{word}"}}, ', words) + "]",
    "pairs": lambda words: str(list(enumerate(words, 1))),
    "log": lambda words: _each("2026-12-01 10:00:{label} INFO word {word}\n", words),
    "printed": lambda words: _each('print("{word}")\n', words),
    "far apart": (" " * 40).join,
    "one word": "".join,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("padding", ["", "Prices rose. " * 200], ids=["short", "long"])
def test_phrases_are_found_in_any_layout(padding: str, engine: EngineName) -> None:
    rng = random.Random(7)
    redactor = Redactor(engine=engine)
    missed = []
    for name, layout in _LAYOUTS.items():
        words = mnemonic("english").to_mnemonic(rng.randbytes(16)).split()
        clean = redactor.text(f"{padding}Hello.\n{layout(words)}\nBye.")
        if "[REDACTED:seed_phrase]" not in clean or sum(word in clean for word in words if len(word) > 4) > 3:
            missed.append((name, clean[-200:]))
    assert missed == []


@pytest.mark.parametrize(
    "padding",
    ["Prices rose. " * 3_200, "Цены растут. " * 200, "Les prix « montent ». " * 100],
    ids=["ASCII", "dense", "rare"],
)
def test_phrases_come_out_the_same_with_and_without_numpy(padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    words = mnemonic("english").to_mnemonic(random.Random(9).randbytes(16)).split()
    texts = [f"{padding}Hello.\n{layout(words)}\nBye." for layout in _LAYOUTS.values()]
    with_numpy = [Redactor(engine=ENGINES[0]).text(text) for text in texts]
    monkeypatch.setattr(characters, "_has_numpy", lambda: False)
    without_numpy = [Redactor(engine=ENGINES[0]).text(text) for text in texts]
    assert without_numpy == with_numpy
    assert [text[-2_000:] for text in with_numpy if "[REDACTED:seed_phrase]" not in text] == []


@pytest.mark.parametrize("language", ["russian", "japanese", "korean", "chinese_simplified"])
@pytest.mark.parametrize("padding", ["", "Ein längerer Text über Märkte. ", "рынок спокоен, цена падает. "])
def test_words_of_any_script_in_a_column_are_found_in_short_and_long_texts(language: str, padding: str) -> None:
    pytest.importorskip("numpy")
    words = unicodedata.normalize("NFC", mnemonic(language).to_mnemonic(random.Random(language).randbytes(16))).split()
    text = padding * 200 + "\n" + "".join(f"log {number} {word} ok\n" for number, word in enumerate(words))
    assert "seed_phrase" in Redactor().text(text)


def test_words_that_stand_like_a_phrase_but_have_no_checksum_are_kept() -> None:
    redactor = Redactor()
    words = mnemonic("english").to_mnemonic(random.Random(7).randbytes(16)).split()
    other = [*words[:-1], words[0]]
    for name in ("and", "columns", "letters", "table", "objects", "one word"):
        text = f"Hello.\n{_LAYOUTS[name](other)}\nBye."
        assert redactor.text(text) == text
