"""A recovery phrase is found in every language, however its words are numbered, set apart and encoded."""

from __future__ import annotations

import json
import random
import unicodedata
from typing import TYPE_CHECKING, Literal

import pytest
from mnemonic import Mnemonic

from src.observability.redaction import Redactor
from src.observability.redaction.judging.checks import LANGUAGES, is_bip39, plain_word
from tests.unit.observability.test_redaction_engines import needs_fast
from tests.unit.observability.test_redaction_families import ENGINES

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

Form = Literal["NFC", "NFD"]

FORMS: list[Form] = ["NFC", "NFD"]
_RIGHT = "сноха"  # which the Russian list of mnemonic 0.21 has damaged
_FOUND = "[REDACTED:seed_phrase]"
# Before each word, and after it.
_WAYS = [
    ("{}. ", "\n"), ("{}) ", "\n\n"), ("- ", "\n"), ("{}.\n\t", "\n"), ("", "\r\n"), ("", "\n\n"), ("", " \t "),
    ("Word {}: ", "\n"), ("word{}=", ", "), ("\x1e", ""), ("", "\x1f"), ("| {} | ", " |\r\n"), ("[{}] ", " "),
    ("({}) ", ", "), ("WORD_{}=", "\n"), ("{}=", " "),
    ("<li>", "</li>\n"), ('"{}": "', '",\n  '), ("", "\u3000"), ("**{}** ", "; "), ("#{} ", "/"),
]  # fmt: skip
_SIGNS = " ,;:|\"'`/[]_*+#<>-\n\t\r\\\x0b\x1c"
_PIECES = [*_SIGNS, "\\n", "\\r\\n", "\\t", '\\"', "<br>", "\u3000", "\u200b", "│", "%20"]


def _words(rng: random.Random, language: str, form: Form) -> list[str]:
    said = Mnemonic(language).to_mnemonic(rng.randbytes(rng.choice([16, 20, 24, 28, 32]))).split()
    said = [_RIGHT if "\ufffd" in word else word for word in said]
    said = [unicodedata.normalize(form, word) for word in said]
    return [word.title() for word in said] if rng.random() < 0.2 and language != "turkish" else said


def _in_json(text: str, depth: int, *, ascii_only: bool) -> str:
    for _ in range(depth):
        text = json.dumps(text, ensure_ascii=ascii_only)
    return text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_are_found_however_they_are_written(language: str, engine: EngineName) -> None:
    rng = random.Random(language)
    redactor = Redactor(engine=engine)
    missed = []
    for form in FORMS:
        for before, after in _WAYS:
            for depth in range(3):
                words = _words(rng, language, form)
                text = "".join(before.format(number) + word + after for number, word in enumerate(words, 1))
                written = _in_json(text, depth, ascii_only=rng.random() < 0.3)
                if _FOUND not in redactor.text(written):
                    missed.append(written)
    assert missed == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_longest_words_are_found(engine: EngineName) -> None:
    listed = [unicodedata.normalize("NFKD", word) for word in Mnemonic("turkish").wordlist]
    words = sorted(listed, key=len)[-11:]
    last = next(word for word in listed if is_bip39([*words, word], "turkish"))
    text = "\n".join([*words, last])
    for written in (text, _in_json(text, 1, ascii_only=False), _in_json(text, 2, ascii_only=False)):
        assert _FOUND in Redactor(engine=engine).text(written)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", range(11))
def test_a_word_of_no_list_before_a_phrase_hides_none_that_ends_like_it(place: int, engine: EngineName) -> None:
    words = ["zoo", "acid", "bulb", "city", "door", "echo", "frog", "gold", "horn", "idea", "joke"]
    words[place] = "whisper"
    last = next(word for word in Mnemonic("english").wordlist if is_bip39([*words, word]))
    assert Redactor(engine=engine).text(f"two a day per {' '.join(words)} {last}") == f"two a day per {_FOUND}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("between", ["\n\n\n", "\n - - \n", "</li></ol>\n, <ol><li>", "    #    "])
def test_phrases_of_any_lengths_in_a_row_are_all_found(between: str, engine: EngineName) -> None:
    rng = random.Random(between)
    for sizes in ([16, 20], [20, 16], [32, 20, 16], [24, 16]):
        text = between.join(Mnemonic("english").to_mnemonic(rng.randbytes(size)) for size in sizes)
        clean = Redactor(engine=engine).text(text).replace(between, "").replace(_FOUND, "")
        assert clean.strip(between) == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_word_that_the_installed_list_has_damaged_is_found(engine: EngineName) -> None:
    listed = [plain_word(word) for word in Mnemonic("russian").wordlist[:1000]]
    words = [_RIGHT, *listed[10:300:29]]
    last = next(word for word in listed if is_bip39([*words, word], "russian"))
    assert Redactor(engine=engine).text(" ".join([*words, last])) == _FOUND


@needs_fast
def test_engines_agree_on_phrases_written_in_any_way() -> None:
    rng = random.Random(5)
    fast, plain = Redactor(engine="fast"), Redactor(engine="plain")
    others = [word for language in LANGUAGES for word in Mnemonic(language).wordlist[::97]]
    found = 0
    for _ in range(400):
        words = _words(rng, rng.choice(LANGUAGES), rng.choice(FORMS))
        gaps = ["".join(rng.choices(_PIECES, k=rng.choice([1, 1, 2, 3, 5]))) for _ in range(2)]
        numbered = [f"{number}{rng.choice('.):')} {word}" for number, word in enumerate(words)]
        phrase = "".join(word + rng.choice(gaps) for word in (numbered if rng.random() < 0.4 else words))
        around = [" ".join(rng.choices(others, k=rng.randrange(14))) for _ in range(2)]
        text = _in_json(phrase.join(around), rng.randrange(3), ascii_only=rng.random() < 0.3)
        clean = fast.text(text)
        assert clean == plain.text(text)
        found += _FOUND in clean
    assert found > 200
