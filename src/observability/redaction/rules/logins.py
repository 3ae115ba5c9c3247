"""Find passwords by the user before them: `trader / Sommer2026!`, `bob@desk.io:hunter2`, `auth=("bob", "hunter2")`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.plain_values import PLACEHOLDER
from src.observability.redaction.rules.nearby_names import reads_as_password

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_NAMES: Final = "logins?|creds?|credentials|zugangsdaten|username|user|benutzer"
_CALLED: Final = "pass|pw|pwd|password|passwort|p"
# login trader:value, creds trader value, user trader pass value: up to the value
LOGIN_GATE: Final = (
    rf"(?:{_NAMES})(?:/\w{{1,10}})?[:=]? [\w.@\-]{{2,40}}"
    rf"(?: ?[:/|] ?|, ?(?:{_CALLED})[:=]? ?| (?:with |(?:{_CALLED})[:=]? )?)[\w!#$%^&*]"
)
LOGIN_LITERALS: Final = ("login", "cred", "zugangsdaten", "user", "benutzer")
# trader / value: up to a sign that words lack
SLASH_GATE: Final = r" / \w{4,24}[!@#$&]"  # `*`, `%` and `^` are signs of arithmetic
# bob@desk.io:value, bob:value@db.desk.io: up to the host
HOST_GATE: Final = r"@[\w\-]{1,40}\.[a-z]"
# auth=("bob", "value"), login(123, "value"): up to the value
CALL_GATE: Final = (
    r"(?:login|auth|credentials?)\s?=?\s?\(\s{0,8}(?:\\{0,15}[\"'][^\"'\\\n]{1,64}\\{0,15}[\"']|\d{3,12})\s?,\s{0,8}"
    r"\\{0,15}[\"']"
)
# redis-cli -a value, keytool -storepass value: up to the value
COMMAND_GATE: Final = (
    r"(?:<<<|redis-cli -a|-storepass|-keypass|openssl enc -k|htpasswd -[a-zA-Z]{1,6} \S{1,64} \S{1,64}) ['\"]?"
    + r"[\w!#$%^&*]"
)
COMMAND_LITERALS: Final = ("<<<", "redis-cli -a", "-storepass", "-keypass", "openssl enc -k", "htpasswd -")

# curl -b 'session=value': up to the value
COOKIE_GATE: Final = r" (?:-b|--cookie)[ =]['\"]?[\w.\-]{1,40}="
COOKIE_LITERALS: Final = (" -b", " --cookie")
# host:5432:database:user:value, as in .pgpass: up to the value
FILE_GATE: Final = r":(?:5432|5433|6432|26257):[\w\-*.]{1,63}:[\w\-.@]{1,63}:[^\s:]"
FILE_LITERALS: Final = (":5432:", ":5433:", ":6432:", ":26257:")

_COOKIES: Final = re.compile(r"[^\s\"'\\]{8,4096}")
_VALUE: Final = re.compile(r"[A-Za-z0-9!@#$%^&*?+~_.\-]{6,64}")
_QUOTED: Final = re.compile(r"[^\s\"'\\]{6,64}")
_SPECIALS: Final = frozenset("!@#$%^&*")
_USER_BACK: Final = re.compile(r"[\w.@\-]{2,40}(?![\w/])")
_MAIL: Final = re.compile(
    r"@[\w.\-]{3,80}(?P<sign> ?[:|] ?| ?[;/,] ?| (?:pass(?:word)?|pw|pwd)[: ] ?| )"
    r"(?P<value>[A-Za-z0-9!#$%^&*]{6,64})(?![\w/.@=])"
)
_BEFORE_HOST: Final = re.compile(r"(?<![\w/:@.])(?!git@)[\w.\-]{1,32}:(?P<value>[^\s:@/\"'\\]{6,64})\Z")
_IN_URL: Final = re.compile(r"(?:://|mailto:|sip:|acct:|xmpp:)[^\s\"'<>]*\Z")
_LOCAL_PART: Final = re.compile(r"[\w.+\-]{1,64}\Z")
_REACH: Final = 120


def find_login(scan: Scan, end: int) -> None:
    """Find the password of `login trader:value`; the first character of the value ends at `end`."""
    before = scan.text[end - 2]
    match = _VALUE.match(scan.text, end - 1)
    value = match[0].rstrip(".") if match else ""
    if value and (is_strong(value) or (before in ":/|" and _is_password(value)) or _has_context(scan.text, end, value)):
        scan.add(end - 1, end - 1 + len(value), "password", general=True)


def _has_context(text: str, end: int, value: str) -> bool:
    """Return whether a word such as `pass` stands right before a value."""
    return _is_password(value) and bool(re.search(rf"\b(?:{_CALLED})[:=]? ?\Z", text[max(0, end - 12) : end - 1]))


def find_after_slash(scan: Scan, end: int) -> None:
    """Find the password of `trader / value`; the value's first sign that words lack ends at `end`."""
    start = scan.text.rfind(" / ", max(0, end - 32), end) + len(" / ")
    match = _VALUE.match(scan.text, start)
    user = _USER_BACK.match(scan.text[max(0, start - 43) : start - 3][::-1])
    if match and user and is_strong(match[0]):
        scan.add(*match.span(), "password", general=True)


def find_at_host(scan: Scan, end: int) -> None:
    """Find the password beside an address: behind `bob@desk.io:`, or before the `@` of a host."""
    text = scan.text
    sign = text.rfind("@", max(0, end - 48), end)
    login = _BEFORE_HOST.search(text, max(0, sign - _REACH), sign)
    if login and _is_password(login["value"]) and not _IN_URL.search(text, max(0, login.start() - 64), sign):
        scan.add(*login.span("value"), "password", general=True)
        return
    mail = _MAIL.match(text, sign)
    if not mail or not _LOCAL_PART.search(text, max(0, sign - 64), sign) or text[sign - 3 : sign] == "git":
        return
    value = mail["value"]
    is_separated = mail["sign"].strip(" ") in {":", "|"} or len(mail["sign"]) > len(" / ")
    if is_strong(value) or (is_separated and _is_password(value)):
        scan.add(*mail.span("value"), "password", general=True)


def find_in_call(scan: Scan, end: int) -> None:
    """Find the password of `auth=("bob", "value")`; the quote that opens the value ends at `end`."""
    match = _QUOTED.match(scan.text, end)
    if match and _is_password(match[0]):
        scan.add(*match.span(), "password", general=True)


def find_in_command(scan: Scan, end: int) -> None:
    """Find the password of a command; the first character of the value ends at `end`."""
    match = _VALUE.match(scan.text, end - 1)
    if match and _is_password(match[0]):
        scan.add(*match.span(), "password", general=True)


def find_cookie(scan: Scan, end: int) -> None:
    """Find the cookie that a command sends; its value begins at `end`."""
    match = _COOKIES.match(scan.text, end)
    if match and checks.looks_random(match[0], 16) and "curl" in scan.text[max(0, end - _REACH * 4) : end]:
        scan.add(*match.span(), "cookie", general=True)


def find_in_file(scan: Scan, end: int) -> None:
    """Find the password of a line of `.pgpass`; its first character ends at `end`."""
    match = _QUOTED.match(scan.text, end - 1)
    if match and not PLACEHOLDER.match(match[0]):
        scan.add(*match.span(), "password", general=True)


def is_strong(value: str) -> bool:
    """Return whether a value has letters, digits and a sign that names and numbers lack."""
    signs = set(value)
    return (
        not signs.isdisjoint(_SPECIALS)
        and len(value) >= 7
        and any(char.isdigit() for char in value)
        and sum(char.isalpha() for char in value) >= 3
        and "@" not in value
        and not PLACEHOLDER.match(value)
    )


def _is_password(value: str) -> bool:
    """Return whether a value reads as a password where its user stands before it."""
    if is_strong(value) or reads_as_password(value):
        return not PLACEHOLDER.match(value)
    has_both = any(char.isalpha() for char in value) and any(char.isdigit() for char in value)
    return has_both and len(value) >= 8 and not checks.is_wordy(value) and not _is_public(value)


def _is_public(value: str) -> bool:
    return checks.is_number(value) or checks.is_symbol(value) or checks.is_hex(value) or "/" in value
