"""Keys in files, in code, in columns with names, and passwords that are words are found; what looks alike is kept."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from src.observability.redaction import Redactor
from src.observability.redaction.rules import key_files, named_columns
from tests.unit.observability.secret_samples import ALNUM, ENGINES, HEX, chars, ed25519_pair, uuid

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

_RNG = random.Random(21)
_D, _X, _Y = (chars(_RNG, ALNUM, 43) for _ in range(3))
_OCTETS = f"{_D[:20]}_{_X[:22]}"
_HEX64, _REST = chars(_RNG, HEX, 64), chars(_RNG, ALNUM, 18)
_UUID = uuid(_RNG)
_PAIR = {str(place): byte for place, byte in enumerate(ed25519_pair(_RNG))}
_JWK = {"kty": "EC", "crv": "P-256", "d": _D, "x": _X, "y": _Y}
_KEYSTORE = {"crypto": {"cipher": "aes-128-ctr", "ciphertext": _HEX64, "kdf": "scrypt", "mac": _HEX64[::-1]}}

# Each row is a text and the parts of it that must not remain.
_SECRETS = [
    (json.dumps(_JWK), _D),
    (json.dumps({"note": json.dumps(_JWK, indent=2)}), _D),
    (json.dumps({"kty": "RSA", "n": _X, "e": "AQAB", "d": _D, "p": _Y}), _D, _Y),
    (json.dumps({"kty": "oct", "k": _OCTETS}), _OCTETS),
    (json.dumps(_KEYSTORE), _HEX64),
    (json.dumps({"note": json.dumps(_KEYSTORE)}), _HEX64),
    (json.dumps(_PAIR), json.dumps(_PAIR)[10:60]),
    (f'new ethers.Wallet("0x{_HEX64}", provider)', _HEX64),
    (f'hardhat: {{ accounts: ["0x{_HEX64}"] }}', _HEX64),
    ("passwd=letmein", "letmein"),
    ("DRIVER=x;UID=bob;password=letmein;Encrypt=yes", "letmein"),
    ("host: db\npassword: letmein\n", "letmein"),
    (f"api_key={_D}\\\n{_REST}\nnext", _D, _REST),
    (f"> api_key: {_D}\n> {_REST}\n> and so on", _D, _REST),
    ("das Passwort für Binance ist Sommer2026!", "Sommer2026"),
    ("le mot de passe pour okx : qWe7!rtz", "qWe7"),
    ("a senha da corretora: Tr4der#9x", "Tr4der"),
    ("heslo: hunter2x", "hunter2x"),
    ("parola=Tr4der#9x", "Tr4der"),
    (f"| exchange | api key |\n|---|:--:|\n| okx | {_UUID} |\n| kraken | `{_REST}` |\n", _UUID, _REST),
    (json.dumps({"note": "| user | password |\n|---|---|\n| bob | hunter2x |\n"}), "hunter2x"),
    (f"curl -s -b 'session={_REST}; id=1' https://x.io", _REST),
    (f"curl --cookie 'session={_REST}' https://x.io", _REST),
    (f"db.desk.io:5432:bot:trader:{_UUID}", _UUID),
    (f"https://open.feishu.cn/open-apis/bot/v2/hook/{_HEX64[:8]}-28a8-4db0-a359-29a13d02f0cd", _HEX64[:8]),
]
_ORDINARY = [
    f"| order | token | price |\n|---|---|---|\n| {_UUID} | BONK | 0.00002 |\n| 7 | choose | 1 |\n",
    "| name | password |\n|---|---|\n| user | the word that you chose |\n| x | required |\n",
    f"| api_key | note |\nno ruler: {_UUID} |\n",
    f"run -b 'session={_REST}'",
    "db.desk.io:5432:bot:trader:${PASSWORD}",
    json.dumps({"kty": "EC", "crv": "P-256", "kid": "2026-11", "use": "sig"}),
    json.dumps({"ciphertext": _HEX64, "of": "a message"}),
    json.dumps({str(place): place for place in range(40)}),
    'wallet("0x' + _HEX64[:40] + '")',
    "connect(user=user, password=letmein)",
    "connect(\n    user=user,\n    password=entered\n)",
    "password=getpass\n",
    "password: string\n",
    "password=entered.strip()",
    "The password: choose a long one.",
    f"order_id={_HEX64[:24]}\n> next line",
    "parola: cuvinte",
    "password: required\n",
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", _SECRETS, ids=[row[0][:24] for row in _SECRETS])
def test_no_part_of_the_secret_remains(row: tuple[str, ...], engine: EngineName) -> None:
    text, *parts = row
    clean = Redactor(engine=engine).text(text)
    assert [part for part in parts if part in clean] == []
    assert Redactor(engine=engine).text(clean) == clean


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", _ORDINARY)
def test_what_looks_alike_is_kept(text: str, engine: EngineName) -> None:
    assert Redactor(engine=engine).text(text) == text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_word_in_the_next_line_is_no_rest_of_a_key(engine: EngineName) -> None:
    clean = Redactor(engine=engine).text(f"> api_key: {_D}\n> whatsoever\n")
    assert clean.endswith("]\n> whatsoever\n")


def test_what_a_key_is_stays_readable() -> None:
    clean = json.loads(Redactor().text(json.dumps(_JWK)))
    assert clean["d"] == "[REDACTED:private_key]"
    assert (clean["kty"], clean["crv"]) == ("EC", "P-256")


@pytest.mark.parametrize(
    ("text", "most"), [("| api key | a |\n|---|---|\n" * 400, 400), ('{"kty": ' * 800, 2)], ids=["tables", "keys"]
)
def test_what_repeats_is_read_once(text: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    class Counting:
        def __init__(self, pattern: Any) -> None:
            self.pattern = pattern

        def __getattr__(self, name: str) -> Any:
            reads.append(1)
            return getattr(self.pattern, name)

    monkeypatch.setattr(named_columns, "_CELL", Counting(named_columns._CELL))
    monkeypatch.setattr(key_files, "_PRIVATE", Counting(key_files._PRIVATE))
    Redactor(engine="plain").text(text)
    assert 0 < len(reads) <= 3 * most
