"""Secrets are found in texts that are written in base64 or with percent signs, and other such texts are left alone."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from src.observability.redaction import Redactor
from src.observability.redaction.rules import encoded_texts
from tests.unit.observability.secret_samples import ALNUM, ENGINES, HEX, chars, mnemonic

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

MARKER = "[REDACTED:encoded_secret]"


def secrets() -> list[str]:
    rng = random.Random(3)
    return [
        json.dumps({"api_key": chars(rng, ALNUM, 40), "note": "ключ"}, ensure_ascii=False),
        f"the key is sk-or-v1-{chars(rng, HEX, 64)}, keep it",
        f"WALLET=1\nPRIVATE_KEY=0x{chars(rng, HEX, 64)}\n",
        mnemonic("english").to_mnemonic(rng.randbytes(16)),
        "?~> " * 9 + f"password: {chars(rng, ALNUM, 20)}",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_secrets_in_base64_are_found(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    for secret in secrets():
        digits = base64.b64encode(secret.encode()).decode()
        lines = base64.encodebytes(f"{secret}\n".encode() * 3).decode()
        forms = [digits, digits.rstrip("="), base64.urlsafe_b64encode(secret.encode()).decode(), lines]
        forms += [json.dumps({"data": form}) for form in forms] + [base64.b64encode(digits.encode()).decode()]
        for form in forms:
            clean = redactor.text(f"sent {form} on")
            assert MARKER in clean, form
            assert clean.startswith("sent "), clean
            assert redactor.text(clean) == clean


@pytest.mark.parametrize("engine", ENGINES)
def test_other_base64_is_left_alone(engine: EngineName) -> None:
    rng = random.Random(4)
    harmless = json.dumps({"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "BTC?"}]})
    for data in (rng.randbytes(300), harmless.encode(), "Цена растёт, объём падает".encode(), b"BUY BTC-USD now" * 9):
        text = f"sent {base64.b64encode(data).decode()} on"
        assert Redactor(engine=engine).text(text) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", ["russian", "japanese", "french", "chinese_simplified"])
def test_phrases_beyond_ascii_are_found_in_addresses(language: str, engine: EngineName) -> None:
    words = mnemonic(language).to_mnemonic(random.Random(language).randbytes(16)).split()
    for encode in (quote, quote_plus, lambda text: quote(quote(text))):
        text = f"https://a.example/restore?words={encode(' '.join(words))}&next=1"
        clean = Redactor(engine=engine).text(text)
        assert not any(quote(word) in clean or quote(quote(word)) in clean for word in words if len(word) > 1), clean


def test_what_a_run_holds_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has a run of letters and digits every few dozen characters, each of which might begin a text."""
    sizes: list[int] = []
    decoded = encoded_texts._decoded

    def counted(digits: str) -> str:
        sizes.append(len(digits))
        return decoded(digits)

    monkeypatch.setattr(encoded_texts, "_decoded", counted)
    rng = random.Random(5)
    texts_between = b"".join(b"plain words here and there, fine " + rng.randbytes(15) for _ in range(1_000))
    for data in (rng.randbytes(50_000), texts_between):
        sizes.clear()
        text = f"secret key {base64.b64encode(data).decode()}"
        Redactor(engine="plain").text(text)
        assert sum(sizes) < 5 * len(text)
