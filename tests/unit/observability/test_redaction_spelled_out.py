"""Secrets are found whose characters are spelled out, or which stand one word a row, and ordinary such texts stay."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor, redact
from tests.unit.observability.secret_samples import ALNUM, ENGINES, chars, mnemonic

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.redaction.texts import EngineName

RNG = random.Random(5)
PHRASE = mnemonic("english").to_mnemonic(RNG.randbytes(16))
KEY = f"sk-proj-{chars(RNG, ALNUM, 40)}"
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}

SPELLINGS: dict[str, Callable[[str], str]] = {
    "hex escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "hex escapes in JSON": lambda text: json.dumps("".join(f"\\x{ord(char):02x}" for char in text)),
    "decimal references": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "hex references": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "full-width": lambda text: text.translate(WIDE),
    "hex": lambda text: text.encode().hex(),
    "hex after a name": lambda text: f"0x{text.encode().hex().upper()}",
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", [PHRASE, KEY], ids=["phrase", "key"])
@pytest.mark.parametrize("around", ["{}", "BTC rose 3%. The note said: {}. Then it fell."])
def test_what_is_spelled_out_is_found(engine: EngineName, spelling: str, secret: str, around: str) -> None:
    spelled = SPELLINGS[spelling](secret)
    clean = Redactor(engine=engine).text(around.format(spelled))
    assert spelled[8:-8] not in clean
    assert "[REDACTED:" in clean
    assert clean.startswith(around.partition("{}")[0])
    assert clean.endswith(around.rpartition("}")[2])
    assert Redactor(engine=engine).text(clean) == clean


@pytest.mark.parametrize("sign", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
def test_signs_that_are_not_seen_hide_no_key(sign: str) -> None:
    clean = redact(f"use {sign.join(KEY)} for it, or {KEY[:20]}{sign}{KEY[20:]}")
    assert clean == "use [REDACTED:openai_key] for it, or [REDACTED:openai_key]"


@pytest.mark.parametrize("language", ["english", "spanish"])
def test_phrases_with_html_s_blanks_are_found(language: str) -> None:
    words = mnemonic(language).to_mnemonic(random.Random(6).randbytes(16)).split()
    assert redact(f"<p>{'&nbsp;'.join(words)}</p>") == "<p>[REDACTED:seed_phrase]</p>"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("page", "secret"),
    [
        ("<p>password:&nbsp;kQzwRf!mTb2x</p>", "kQzwRf!mTb2x"),
        ("<p>kQzwRfmTb2xW9s&nbsp;is&nbsp;my&nbsp;password.</p>", "kQzwRfmTb2xW9s"),
        ("<code>docker login -u me&nbsp;-p&nbsp;kQzwRf!mTb2x</code>", "kQzwRf!mTb2x"),
        ("<code>curl -u&nbsp;bot:kQzwRf!mTb2x</code>", "kQzwRf!mTb2x"),
        ("".join(f"&lt;li&gt;{word}&lt;/li&gt;" for word in PHRASE.split()), PHRASE.split()[4]),
    ],
)
def test_secrets_behind_html_s_blanks_are_found(engine: EngineName, page: str, secret: str) -> None:
    clean = Redactor(engine=engine).text(page)
    assert "[REDACTED:" in clean
    assert secret not in clean


@pytest.mark.parametrize("separator", ["&nbsp;", ",&nbsp;", "&nbsp;|\n|&nbsp;", "&amp;", "&quot;, &quot;"])
@pytest.mark.parametrize("engine", ENGINES)
def test_html_s_blanks_separate_the_words_of_a_phrase(engine: EngineName, separator: str) -> None:
    for language in ("english", "french", "russian", "chinese_simplified"):
        words = mnemonic(language).to_mnemonic(random.Random(6).randbytes(16)).split()
        for lead in ("", "Why? ", "größer? "):
            clean = Redactor(engine=engine).text(f"{lead}<p>{separator.join(words)}</p>")
            assert clean == f"{lead}<p>[REDACTED:seed_phrase]</p>"


ROWS: dict[str, Callable[[int, str], object]] = {
    "index and word": lambda place, word: {"index": place, "word": word},
    "word and number": lambda place, word: {"word": word, "n": place},
    "other names": lambda place, word: {"slot": place, "entry": word, "done": True},
    "pair": lambda place, word: [place, word],
    "tuple": lambda place, word: (place, word),
    "word alone": lambda _, word: [word],
}


@pytest.mark.parametrize("rows", ROWS)
def test_a_word_a_row_is_found(rows: str) -> None:
    value = [ROWS[rows](place, word) for place, word in enumerate(PHRASE.split())]
    clean = redact(value)
    assert clean == [ROWS[rows](place, "[REDACTED:seed_phrase]") for place in range(12)]
    words = ["buy", "dip", "when", "it", "is", "cheap", "and", "sell", "it", "then", "at", "last", "again"]
    ordinary = [ROWS[rows](place, word) for place, word in enumerate(words)]
    assert redact(ordinary) == ordinary


@pytest.mark.parametrize("rows", ["index and word", "word and number"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_word_a_row_is_found_in_text(engine: EngineName, rows: str) -> None:
    value = [ROWS[rows](place, word) for place, word in enumerate(PHRASE.split())]
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(json.dumps(value))):
        clean = Redactor(engine=engine).text(f"words: {text}")
        assert not any(f'"{word}' in clean.replace("\\", "") for word in PHRASE.split() if len(word) > 4)


@pytest.mark.parametrize(
    "text",
    [
        "<p>Price &amp; volume of &quot;BTC&quot; &#8211; now&nbsp;100&nbsp;USD</p>",
        "\\x1b[31mred\\x1b[0m and \\x41\\x42 are bytes",
        "BTC/USDT".translate(WIDE) + " は上昇しました",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467 and a soft\u00adhyphen",
        "tx 0x" + random.Random(7).randbytes(32).hex(),
        "hello in hex is " + b"hello, this is no secret at all, only a text".hex(),
        json.dumps(
            [{"word": word, "count": 3} for word in ["market", "price", "trend", "volume", "chart", "order"] * 4]
        ),
    ],
)
def test_ordinary_texts_of_these_forms_stay(text: str) -> None:
    assert redact(text) == text
