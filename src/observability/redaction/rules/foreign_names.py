"""Find the values of names in other languages than English: `пароль: ...`, `我的私钥是 ...`, `contraseña: ...`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.names import Rule, Verdict
from src.observability.redaction.rules import logins, nearby_names

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

# Words with letters beyond ASCII, without their first letter where it may be a capital; names in ASCII are in `names`.
_NAMES: Final = {
    "password": (
        "密码", "密碼", "口令", "パスワード", "비밀번호", "ароль", "ontraseña", "şifre", "hasło", "lösenord", "jelszó",
        "סיסמה", "كلمة المرور", "पासवर्ड", "mật khẩu", "รหัสผ่าน",
    ),
    "private_key": (
        "私钥", "私鑰", "秘密鍵", "개인키", "개인 키", "риватный ключ", "rivater Schlüssel", "rivaten Schlüssel",
    ),
    "seed_phrase": ("助记词", "助記詞", "ニーモニック", "니모닉", "ид-фраза", "ид фраза"),
    "api_key": (
        "密钥", "密鑰", "シークレット", "APIキー", "API 키", "API키", "시크릿", "люч API", "API-ключ", "екретный ключ",
        "API-Schlüssel", "API anahtar\u0131", "PI ключ", "er Schlüssel",
        "lé d'API", "lé d\u2019API", "lé API", "lé secrète", "lé privée",
    ),
}  # fmt: skip
_WHOSE: Final = r"(?: (?:от|для|für|von|de|del|da|para|pour))? [\w.]{1,24}(?= ?[:=]| (?:ist|lautet|est|es|é|è|is) )"
_VALUE: Final = re.compile(
    rf"[\"'`*\])\u201d\u300d]{{0,3}}m?(?:{_WHOSE})?[ \t\u3000]{{0,3}}"
    r"(?P<sign>[:=\uff1a\uff1d\u2014-]|是|为|為|は|는|은|(?:ist|lautet|est|es|é|è|is)(?=[ \t])|)"
    r"[ \t\u3000:\uff1a、]{0,3}"
    r"[\"'`*(\[\u201c\u300c]{0,3}(?P<value>[A-Za-z0-9!#$%&*+\-./:=?@^_~]{6,512})"
)
_PRIVATE_KEY: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")


# What several names have in common, each with a sign beyond ASCII: it is searched for once.
_SHARED: Final = ("Schlüssel", "ключ", "фраза", "lé ", "密", "私", "助", "개인", "니모닉", "シ")


class _Name(NamedTuple):
    """A name, with the kind of its values, and its signs beyond ASCII."""

    word: str
    kind: str
    signs: frozenset[str]


def _by_shared_part() -> dict[str, list[_Name]]:
    names: dict[str, list[_Name]] = {}
    for kind, words in _NAMES.items():
        for word in words:
            signs = frozenset(sign for sign in word if not sign.isascii())
            shared = next((part for part in _SHARED if part in word), word)
            names.setdefault(shared, []).append(_Name(word=word, kind=kind, signs=signs))
    return names


_ALL: Final = _by_shared_part()
_LAST_SIGNS: Final = {part: next(sign for sign in reversed(part) if not sign.isascii()) for part in _ALL}


def find(scan: Scan, signs: frozenset[str] | None) -> None:
    """Find the values of such names in a text with these characters beyond ASCII; None where they are not known."""
    text = scan.text
    for part, all_names in _ALL.items():
        names = all_names if signs is None else [name for name in all_names if name.signs <= signs]
        place = text.find(part) if names and (signs is not None or _LAST_SIGNS[part] in text) else -1
        while place >= 0:
            for name in names:
                start = place - name.word.index(part)
                if start >= 0 and text.startswith(name.word, start):
                    _find_value(scan, start + len(name.word), name.kind)
            place = text.find(part, place + 1)


def _find_value(scan: Scan, end: int, kind: str) -> None:
    match = _VALUE.match(scan.text, end)
    value = match["value"].rstrip(".:!?*_~" if kind != "password" else ".:") if match else ""
    if match and not match["sign"] and kind != "private_key" and not _needs_no_sign(kind, value):
        return
    if match and (_PRIVATE_KEY.match(value) if kind == "private_key" else _is_secret(kind, value)):
        scan.add(match.start("value"), match.start("value") + len(value), kind, general=True)


def _needs_no_sign(kind: str, value: str) -> bool:
    """Return whether a value behind its name alone, with nothing but a blank between, can be no other word."""
    return kind == "password" and (logins.is_strong(value) or nearby_names.reads_as_password(value))


def _is_secret(kind: str, value: str) -> bool:
    return nearby_names.is_secret(Verdict(kind, Rule.ALWAYS), value) and not checks.is_path(value)
