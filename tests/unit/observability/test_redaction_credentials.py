"""Credentials are found by the exchange or the login that they belong to; ordinary texts that look alike are kept."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import ALNUM, ENGINES, HEX, UPPER, base58, chars, ed25519_pair, uuid

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

_RNG = random.Random(20)
_UUID, _UPPER = uuid(_RNG), chars(_RNG, UPPER, 32)
_KEY, _SECRET = chars(_RNG, ALNUM + "+/", 56), base64.b64encode(_RNG.randbytes(64)).decode()
_HEX32, _HEX64 = chars(_RNG, HEX, 32), chars(_RNG, HEX, 64)
_PHRASE = "Tr4der#2026"

# Each row is a text and the parts of it that must not remain.
_EXCHANGES = [
    (f"okx: {_UUID} {_UPPER} {_PHRASE}", _UUID, _UPPER, _PHRASE),
    (f"OKX creds {_UUID} / {_UPPER} / {_PHRASE} for the bot", _UPPER, _PHRASE),
    (f'client = OkxClient("{_UUID}", "{_UPPER}", "{_PHRASE}")', _UPPER, _PHRASE),
    (f"okx\n{_UUID}\n{_UPPER}\n", _UPPER),
    (f'{{"exchange": "okx", "args": ["{_UUID}", "{_UPPER}"]}}', _UPPER),
    (f'Kraken("{_KEY}", "{_SECRET}")', _SECRET),
    (f'krakenex.API("{_KEY}", "{_SECRET}")', _SECRET),
    (f"bitget: bg_{_HEX32} {_HEX64}", _HEX32, _HEX64),
    (f"kucoin: {_HEX32[:24]} {_UUID} kuPass99", _UUID, "kuPass99"),
    (f"oanda: 101-004-1234567-001 {_HEX32}-{_HEX32[::-1]}", _HEX32),
    (f"coinbase\norganizations/{_UUID}/apiKeys/{_UUID}\n{_SECRET}\n", _SECRET),
]
_PAIR = base64.b64encode(ed25519_pair(_RNG)).decode()
_PAIRS = [
    (f"here: {_PAIR}", _PAIR),
    (json.dumps({"CDP": _PAIR}), _PAIR),
    (f"here: {_PAIR.replace('+', '-').replace('/', '_')}", _PAIR[:12].replace("+", "-").replace("/", "_")),
]
_PASSWORDS = [
    ("password hunter2", "hunter2"),
    ("Use my password hunter2 to log in.", "hunter2"),
    ("Old password hunter2, new password hunter3.", "hunter2", "hunter3"),
    ("pw hunter2", "hunter2"),
    ('the password "Sommer2026!" works', "Sommer2026"),
]
_PREFIXED = [
    (f"use {secret} there", secret)
    for secret in (
        f"e2b_{chars(_RNG, HEX, 40)}", f"bb_live_{chars(_RNG, ALNUM, 27)}", f"rpa_{chars(_RNG, UPPER, 42)}",
        f"napi_{chars(_RNG, HEX, 64)}", f"vck_{chars(_RNG, ALNUM, 56)}", f"nsec1{chars(_RNG, '023456789acdefgh', 58)}",
        f"suiprivkey1{chars(_RNG, '023456789acdefgh', 59)}", f"edsk{base58(_RNG.randbytes(68))}",
    )
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_credentials_without_an_equals_sign_are_found(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    left = [
        (text, redactor.text(text))
        for text, *secrets in (*_EXCHANGES, *_PAIRS, *_PASSWORDS, *_PREFIXED)
        if any(secret in redactor.text(text) for secret in secrets)
    ]
    assert left == []


@pytest.mark.parametrize("engine", ENGINES)
def test_identifiers_beside_an_exchange_are_kept(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    address = base58(bytes(range(1, 33)))
    for text in (
        f"Coinbase: {_UUID}, {uuid(random.Random(1))} filled",
        f"kucoin: {_HEX32[:24]} {_UUID} done",
        f"okx: 0x{_HEX64} 0x{_HEX64[::-1]}",
        f"binance wallets: {address}, {address[::-1]}",
        "kraken: OUF4EM-FRGI2-MQMWZD OB5VMB-B4U2U-DK2WRW",
        "binance: BTCUSDT-PERPETUAL-2026 ETHUSDT-PERPETUAL-2026",
        f"sha512-{_SECRET} and {_SECRET}",
        "if len(keys) == len(values) == 12 and b'=' * 86 == other:",
    ):
        assert redactor.text(text) == text


@pytest.mark.parametrize("engine", ENGINES)
def test_words_with_numbers_in_texts_about_passwords_are_kept(engine: EngineName) -> None:
    for text in (
        "the password sha256 digest, the password PBKDF2 rounds and password argon2id",
        "password OAuth2 flow; password UTF8 text; password level3; password user1",
        "for pszUsername, pszPassword in arguments:",
    ):
        assert Redactor(engine=engine).text(text) == text


_LONG = "sk-" + "ant-api03-" + chars(_RNG, ALNUM + "-_", 93)
_IN_PIECES = [
    (f"''.join(['{_LONG[:3]}', '{_LONG[3:7]}', '{_LONG[7:]}'])", _LONG[7:]),
    (f'["{_LONG[:20]}","{_LONG[20:60]}","{_LONG[60:]}"].join("")', _LONG[20:60], _LONG[60:]),
    (json.dumps(f'"".join(("{_LONG[:5]}",\n "{_LONG[5:50]}", "{_LONG[50:]}"))'), _LONG[5:50], _LONG[50:]),
    (f"api_key = ''.join(['{_HEX32[:10]}', '{_HEX32[10:20]}', '{_HEX32[20:]}'])", _HEX32[:10], _HEX32[20:]),
    (f"'{_LONG[:7]}' '{_LONG[7:]}'", _LONG[7:]),
    (f"'{_LONG[:7]}' . '{_LONG[7:]}'", _LONG[7:]),
]
_LOGINS = [
    (text.format(password), password)
    for password in ("Sommer2026!", "qWe7!rtz")
    for text in (
        "trader / {}", "Login: trader / {}", "login trader:{}", "creds trader {}", "user trader pass {}",
        "bob@desk.io / {}", "bob@desk.io:{}", "bot:{}@db.desk.io:5432/t", "auth=('bob', '{}')",
        'mt5.login(123456, "{}")', "use {} as the password", "redis-cli -a {}", "пароль {}", "密码 {}",
    )
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_logins_and_keys_in_pieces_are_found(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    left = [
        (text, redactor.text(text))
        for text, *secrets in (*_IN_PIECES, *_LOGINS)
        if any(secret in redactor.text(text) for secret in secrets)
    ]
    assert left == []


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_like_logins_and_pieces_are_kept(engine: EngineName) -> None:
    for text in (
        "', '.join(['momentum', 'mean-reversion']) and ''.join(['BTC', '-', 'USD'])",
        "ratio = 1.0 / scale**2 and 5 / total!= 3; BTC / USDT2026 and up/down",
        "login page v2.0 and user guide 2026; credentials required; user bob123 logged in",
        "mail bob123@desk.io or [bob123@desk.io](mailto:bob123@desk.io), git@github.com:moondev/bots2",
        "auth=('user', 'pass'), login(request, 'home')",
        "@pytest.mark.slow and wss://stream.binance.com/ws/btcusdt@kline_1m",
    ):
        assert Redactor(engine=engine).text(text) == text
