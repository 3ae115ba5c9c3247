"""Secrets are found by names in other languages, in a sentence, in groups and in pieces."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import ALNUM, ENGINES, HEX, chars

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

_RNG = random.Random(8)
_KEY = f"{chars(_RNG, ALNUM, 24)}7a"
_PRIVATE = chars(_RNG, HEX, 64)
_PASSWORD = "Hase7!kd"
_GROUPED = [_KEY[at : at + 4] for at in range(0, 24, 4)]
_TEXTS = [
    *((f"{name}{_PASSWORD} 。", _PASSWORD) for name in (
        "Passwort: ", "mot de passe : ", "contraseña: ", "senha: ", "пароль: ", "Пароль — ", "密码\uff1a", "密码是",
        "パスワード\uff1a", "비밀번호: ", "pw: ", "the password for the exchange is ",
    )),
    *((f"{name}{_KEY}.", _KEY) for name in (
        "Mein API-Schlüssel lautet ", "API密钥\uff1a", "密钥是", "ключ API: ", "clé d'API : ", "clave de API: ",
    )),
    *((f"{name}0x{_PRIVATE}", _PRIVATE) for name in (
        "我的私钥是 ", "приватный ключ: ", "秘密鍵: ", "개인키: ", "clave privada: ", "LocalAccount('",
    )),
    (f"private_key = {int('f' + _PRIVATE[1:], 16)}", str(int("f" + _PRIVATE[1:], 16))),
    (f"api key: {' '.join(_GROUPED)}", " ".join(_GROUPED[2:])),
    (f'api_key = "{_KEY[:12]}" + "{_KEY[12:]}"', _KEY[12:]),
    (f'curl -u "{_KEY}:" https://x.io', _KEY),
    (f'curl -u "bob:{_KEY}" https://x.io', _KEY),
    ("mysql://root:p@ss/w0rd#1x@db/y", "w0rd#1x"),
    (f"{{&#39;api_key&#39;: &#39;{_KEY}&#39;}}", _KEY),
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_secrets_are_found_by_names_of_any_language(engine: EngineName) -> None:
    redactor = Redactor(engine=engine)
    assert [(text, redactor.text(text)) for text, secret in _TEXTS if secret in redactor.text(text)] == []
