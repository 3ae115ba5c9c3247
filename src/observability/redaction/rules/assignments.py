"""Find the values of names in text: JSON, YAML, env files, shell flags, headers, code and prose."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, NamedTuple

from src.observability.redaction.judging import checks, names
from src.observability.redaction.judging.names import Rule, Verdict
from src.observability.redaction.judging.plain_values import PLACEHOLDER, is_grouped_key, is_plain_secret
from src.observability.redaction.rules import direct_values, named_phrases

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_LEFT = 168  # characters before a separator that are searched for the name
_NEAR = 64  # and of these characters, which usually hold it
_LONGEST = 16_384  # of a quoted value
_LONGEST_PLAIN = 4_096
_SHORTEST_PLAIN = 4

# A name, read backwards from its separator: a remark in brackets, closing quotes, then at most three words.
_NAME_BACK = re.compile(
    r"(?:[.?+!|:&=]{1,3}|[ \t]+(?:gnirts|gnirtS|rts)(?=[ \t]))?"  # the rest of an operator, or a type
    r"[ \t]*(?:\)[^()\n]{0,32}\( ?)?(?P<close>(?:[\"'`*\])]\\*|2200u\\+|;touq&|22%)*)"
    r"(?P<name>[\w.\-]+(?: [\w\-]+){0,2})",
    re.ASCII,
)
_IS_BACK = re.compile(r"[ \t](?:is|was|are|equals|to)[ \t]{1,2}\Z", re.IGNORECASE)
_DESCRIBED = re.compile(
    r"(?P<all>(?P<name>(?:[\w.\-]+ )?[\w.\-]+)[ \t](?:for|of|to|on|from|d[aei]|für|fuer|pour)[ \t][^\n:=?!.,;]{1,40}?)"
    r"(?: is| was| ist| est| ?:|=)[ \t]\Z",
    re.ASCII | re.IGNORECASE,
)
_QUOTED_NAME = re.compile(r"[\"'`]|u0022|&quot;|%22")
_OPEN = re.compile(r"(?P<prefix>[brfuBRFU]{0,2})(?P<quote>\\{0,64}[\"'`]|\\{1,64}u0022|&quot;|%22)")
_OPENERS = frozenset("brfuBRFU\\\"'`&%")  # what it begins with
# Between separator and value: the second half of `:=` or `=>`, a type, blanks, a YAML block scalar, a wrapper, a key.
_GAP = re.compile(
    r"[:=>]{0,3}[ \t]{0,16}"
    r"(?:(?:str|String|string|bytes|SecretStr|Optional\[str\]|str \| None|&str)[ \t]{0,4}=[ \t]{0,4})?"
    r"(?:(?:[|>][+-]?[ \t]{0,8})?(?:\r?\n|\\n)[ \t]{1,32})?"
    r"(?:(?:pydantic\.)?SecretStr\(|Some\(|bytes\.fromhex\(|base58\.b58decode\()?"
    r"(?:\\{0,64}[\"']val(?:ue)?\\{0,64}[\"'][ \t]{0,4}:[ \t]{0,4})?"
)
_QUOTES = frozenset("\"'")
_PLAIN_STARTS = frozenset(string.ascii_letters + string.digits + "[{(<$/-_.*#@!").difference("sSbpO")  # not of a gap
_DEEPEST_INDENT = 36
_OWN_LINE = re.compile(r"(?:\n|\\n)([ \t]{1,32})\Z")
# A line of one token, which does not name another value.
_NEXT_LINE = re.compile(
    r"[ \t]{0,8}(?:\r?\n|\\n)([ \t]{1,32})(?!- )[\w+/=~.!@#$%^&*\-]{1,4096}(?=[ \t]{0,8}(?:[\r\n\\\"']|\Z))", re.ASCII
)
_BLANKS = re.compile(r"[ \t]{0,4}")
_VALUE_KEY = re.compile(r"\s{0,40}\\{0,64}[\"']val(?:ue)?\\{0,64}[\"'][ \t]{0,4}:[ \t]{0,4}")
_LOGIN_COMMAND = re.compile(r"\b(?:login|mysql\w*|mariadb|mongo(?:sh)?|sshpass|htpasswd|curl)\b")
_USER_BACK = re.compile(r"[\w.\-]+", re.ASCII)
_LOGIN_VALUE = re.compile(r"[ =]?[\"']?")
_BRACKET = re.compile(r"[\[\]{}]")
_PLAIN = re.compile(r"[^\s\"'`,;<>\\|(){}\[\]]{1,4096}")
_ENV_PLAIN = re.compile(r"[^\s\"'`\\]{1,4096}")
_LINE = re.compile(r"[^\n\r\"'`\\]{1,4096}")
_CREDENTIAL = re.compile(
    r"(?:(?:Bearer|Basic|Token|Digest|Bot|ApiKey|Key|Negotiate|AWS4-HMAC-SHA256)(?: |%20|\+))?[^\s\"'`\\,;<>]{1,4096}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?![\w.])")
_BLANK_SPACE = re.compile(r"<[^<>\n]{1,60}>|\$?\{\{[^{}\n]{0,80}\}\}|\$[({]")  # for a reader or a program to fill in
_GROUPS = re.compile(r"[A-Za-z0-9]{4,8}(?:[ \-][A-Za-z0-9]{4,8}){3,20}(?![\w\-])", re.ASCII)
_SCHEMA = re.compile(r"\{\s*\\*[\"'](?:type|description|title|anyOf|\$ref)\\*[\"']\s*:")
_ESCAPES = frozenset("\\%")  # the letters of an escape may stand before a name
_GLUE = re.compile(r"u[0-9a-fA-F]{4}")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}\Z")


class _Name(NamedTuple):  # made faster than a frozen dataclass
    """A name in a text."""

    text: str
    start: int
    quote: str  # the name's closing quote, or ""


def find(scan: Scan, end: int) -> None:
    """Find the value of a name; what separates the two ends at `end`."""
    separator = scan.text[end - 1]
    if separator in ":=":
        _find_assigned(scan, end, end - 1)
    elif separator in "aAdD":  # %3a and %3d
        _find_assigned(scan, end, end - 3)
    elif separator == ",":
        _find_pair(scan, end)
    elif separator == ">":
        _find_element(scan, end)
    else:
        _find_prose(scan, end)


def _find_assigned(scan: Scan, end: int, name_end: int) -> None:
    """Find the value of `name = value` or `"name": value`."""
    text = scan.text
    match = _name_back(text, name_end)
    if not match or (names.judge(match[2][::-1]) is None and text[name_end - match.end() - 1] not in _ESCAPES):
        return  # most names
    name = _name_of(text, name_end, match)
    verdict = names.judge(name.text) if name else None
    if name and verdict and not named_phrases.find(scan, end, name.text, verdict):
        _find_value(scan, end, name, verdict)


def _find_pair(scan: Scan, end: int) -> None:
    """Find the value of `"NAME", "value"`; the comma ends at `end`."""
    name = _name_before(scan.text, end - 1)
    verdict = names.judge(name.text) if name else None
    value_key = _VALUE_KEY.match(scan.text, end)
    blanks = value_key or _BLANKS.match(scan.text, end)
    opened = _OPEN.match(scan.text, blanks.end()) if blanks else None
    if not name or not verdict or not opened:
        return
    start, stop = opened.end(), _closing(scan.text, opened)
    value = scan.text[start:stop]
    pair_verdict = Verdict(verdict.kind, Rule.TOKEN) if verdict.rule is Rule.ALWAYS and not value_key else verdict
    if names.judge(value) is None and names.is_secret(pair_verdict, value) and not PLACEHOLDER.match(value):
        _add(scan, start, stop, verdict.kind)


def _find_element(scan: Scan, end: int) -> None:
    """Find the value of `<name>value</name>`."""
    name = _name_before(scan.text, end - 1)
    if not name or name.start == 0 or scan.text[name.start - 1] != "<":
        return
    verdict = names.judge(name.text)
    stop = scan.text.find("<", end, end + _LONGEST_PLAIN)
    if verdict and stop > end and names.is_secret(verdict, scan.text[end:stop]):
        _add(scan, end, stop, verdict.kind)


def find_flag(scan: Scan, end: int) -> None:
    """Find the value of `--name value`."""
    start = scan.text.rfind("--", max(0, end - 64), end)
    name = _Name(text=scan.text[start + 2 : end - 1], start=start, quote="")
    verdict = names.judge(name.text)
    if verdict:
        _find_value(scan, end, name, verdict, certain=True)


def find_login(scan: Scan, end: int) -> None:
    """Find the password of `-u user:password`."""
    match = _PLAIN.match(scan.text, end)
    value = match.group() if match else ""
    if not value:  # a key instead of the user: `-u "sk_live_...:"`
        user = _USER_BACK.match(scan.text[max(0, end - _NEAR - 1) : end - 1][::-1])
        if user and checks.looks_random(user[0][::-1], 20):
            _add(scan, end - 1 - user.end(), end - 1, "api_key")
    if match and len(value) >= 6 and not checks.is_number(value) and not PLACEHOLDER.match(value):
        _add(scan, end, match.end(), "password")


def find_login_flag(scan: Scan, end: int) -> None:
    """Find the password of `docker login -u user -p password` and of the like; `-p` means other things elsewhere."""
    flag = scan.text.rfind(" -p", max(0, end - 12), end)
    line_start = max(scan.text.rfind("\n", 0, flag), flag - _LEFT) + 1
    if not _LOGIN_COMMAND.search(scan.text, line_start, flag):
        return
    start = _LOGIN_VALUE.match(scan.text, flag + 3)
    match = _PLAIN.match(scan.text, start.end() if start else flag + 3)
    if (
        match
        and len(match.group()) >= 6
        and not checks.is_number(match.group())
        and not PLACEHOLDER.match(match.group())
    ):
        _add(scan, match.start(), match.end(), "password")


def _find_prose(scan: Scan, end: int) -> None:
    """Find the value of `the password is value`."""
    window_start = max(0, end - _LEFT)
    verb = _IS_BACK.search(scan.text, window_start, end)
    name = _name_before(scan.text, verb.start()) if verb else None
    verdict = names.judge(name.text) if name else None
    if name and verdict and not named_phrases.find(scan, end, name.text, verdict):
        _find_told(scan, end, verdict)


def find_described(scan: Scan, end: int) -> None:
    """Find the value of `the password for the exchange is value`."""
    words = _DESCRIBED.search(scan.text, max(0, end - _LEFT), end)
    verdict = names.judge(words["name"]) or names.judge(words["all"]) if words else None
    if verdict:
        _find_told(scan, end, verdict)


def _find_told(scan: Scan, end: int, verdict: Verdict) -> None:
    """Find a value that a sentence tells; its words end at `end`."""
    if verdict.rule is Rule.URL:
        return
    opened = _OPEN.match(scan.text, end)
    match = _PLAIN.match(scan.text, opened.end() if opened else end)
    if not match:
        return
    value = match.group().rstrip(".:!?")
    if len(value) < (6 if verdict.kind == "password" else 12):
        return
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    mixed = mixed or (len(value) >= 10 and not checks.is_wordy(value))
    if not mixed or checks.is_symbol(value) or checks.is_number(value):
        return
    if verdict.rule is Rule.ALWAYS or names.is_secret(verdict, value):
        _add(scan, match.start(), match.start() + len(value), verdict.kind)


def _add(scan: Scan, start: int, end: int, kind: str, quote: str = "") -> None:
    scan.value_end = max(scan.value_end, end)
    scan.add(start, end, kind, general=True, quote=quote)


def _name_before(text: str, end: int) -> _Name | None:
    """Return the name that ends before a separator, without an escape's letters."""
    match = _name_back(text, end)
    return _name_of(text, end, match) if match else None


def _name_back(text: str, end: int) -> re.Match[str] | None:
    """Return the match of the name that ends before a separator, in the text before it read backwards."""
    match = _NAME_BACK.match(text[max(0, end - _NEAR) : end][::-1])
    if match and match.end() < _NEAR - 1:  # what stands further away does not belong to it
        return match
    return _NAME_BACK.match(text[max(0, end - _LEFT) : end][::-1])


def _name_of(text: str, end: int, match: re.Match[str]) -> _Name | None:
    closers, name = match.group("close")[::-1], match.group("name")[::-1]
    where = end - match.end()
    if closers[:1] == "]" and text.endswith("[REDACTED:", 0, where):
        return None
    if where > 0 and text[where - 1] == "\\":  # the letters of an escape stand right before the name
        glue = _GLUE.match(name)
        cut = glue.end() if glue else 1 if name[0] in "nrt" else 0
        name, where = name[cut:], where + cut
    elif where > 0 and text[where - 1] == "%":
        name, where = name[2:], where + 2
    return _Name(text=name, start=where, quote=closers if closers and _QUOTED_NAME.search(closers) else "")


def _find_value(scan: Scan, end: int, name: _Name, verdict: Verdict, *, certain: bool = False) -> None:
    """Find the value after a separator: quoted, JSON or plain. Where `certain`, the name alone decides."""
    if verdict.rule is Rule.URL or end <= scan.value_end:
        return
    text = scan.text
    start = _value_start(text, end)
    opened = _OPEN.match(text, start) if text[start : start + 1] in _OPENERS else None
    if opened:
        _find_quoted(scan, opened, name, verdict)
    elif name.quote and verdict.rule is Rule.ALWAYS and text[start : start + 1] in set("-0123456789[{"):
        _find_json(scan, start, name, verdict)
    else:
        _find_plain(scan, start, name, verdict, certain=certain)


def _value_start(text: str, end: int) -> int:
    """Return where the value behind a separator begins."""
    start = end + 1 if text[end : end + 1] == " " else end
    char = text[start : start + 1]
    if char in _PLAIN_STARTS or (char in _QUOTES and text[start + 1 : start + 2] != "v"):  # most values
        return start
    gap = _GAP.match(text, end)
    return gap.end() if gap else end


def _find_quoted(scan: Scan, opened: re.Match[str], name: _Name, verdict: Verdict) -> None:
    start, stop = opened.end(), _closing(scan.text, opened)
    if not scan.text.startswith(opened["quote"], stop):
        scan.reads_on = True
    value = scan.text[start:stop]
    if PLACEHOLDER.match(value) or not names.is_secret(verdict, value):
        return
    if not name.quote and names.judge(value) and not any(char.isdigit() for char in value):
        return  # code that names a secret: api_key = "api_key"
    if not name.quote and " " in value and verdict.kind not in {"seed_phrase", "password", "authorization", "cookie"}:
        return  # ordinary text in code: secret = "the trend is your friend"
    _add(scan, start, stop, verdict.kind)


def _closing(text: str, opened: re.Match[str]) -> int:
    """Return the end of a quoted value; without a closing quote, the end of the text or of the longest value."""
    quote, start = opened.group("quote"), opened.end()
    level = len(quote) - 1 if quote[-1] in "\"'`" else -1  # backslashes before the quote
    limit = start + _LONGEST
    position = text.find(quote, start, limit) if level < 0 else _closing_mark(text, quote[-1], level, start)
    if position >= 0:
        return position
    if quote in {"'", "`"}:  # an apostrophe does not open a value
        plain = _PLAIN.match(text, start)
        return plain.end() if plain else start
    return min(len(text), start + _LONGEST)


def _closing_mark(text: str, mark: str, level: int, start: int) -> int:
    """Return the start of the next quote at the same level of escaping, or -1; deeper ones belong to the value."""
    position = text.find(mark, start, start + _LONGEST)
    while position >= 0:
        if _backslashes_before(text, position, start) % (2 * level + 2) == level:
            return position - level
        position = text.find(mark, position + 1, start + _LONGEST)
    return -1


def _backslashes_before(text: str, position: int, start: int) -> int:
    count = 0
    while position - count > start and text[position - count - 1] == "\\":
        count += 1
    return count


def _find_json(scan: Scan, start: int, name: _Name, verdict: Verdict) -> None:
    """Replace a number, an array or an object under a quoted name, so that the text stays JSON."""
    text = scan.text
    if text[start] in "[{":
        scan.reads_on = True
        if _SCHEMA.match(text, start):
            return
        stop = _balanced(text, start)
    else:
        number = _NUMBER.match(text, start)
        stop = number.end() if number else start
    _add(scan, start, stop, verdict.kind, quote=name.quote)


def _balanced(text: str, start: int) -> int:
    """Return the end of an array or an object, or the end of the text if it is truncated."""
    depth = 0
    for match in _BRACKET.finditer(text, start, start + _LONGEST):
        depth += 1 if match.group() in "[{" else -1
        if depth == 0:
            return match.end()
    return min(len(text), start + _LONGEST)


def _find_plain(scan: Scan, start: int, name: _Name, verdict: Verdict, *, certain: bool) -> None:
    """Find a value without quotes; its shape decides too, since prose and code use the same names."""
    text = scan.text
    is_env = bool(_ENV_NAME.match(name.text)) and text[start - 1 : start] == "="
    if verdict.kind == "authorization":
        pattern = _CREDENTIAL
    elif verdict.kind == "cookie":
        pattern = _LINE
    else:
        pattern = _ENV_PLAIN if is_env and _starts_line(text, name.start) else _PLAIN
    match = pattern.match(text, start)
    if not match or match.end() - start < _SHORTEST_PLAIN or _BLANK_SPACE.match(text, start):
        return
    value = match[0]
    if pattern is not _ENV_PLAIN:
        value = value.rstrip(".:!?*_" if verdict.kind != "password" else ".")
    if text[name.start - 1 : name.start] in {"?", "&"}:
        value = value.partition("&")[0].partition("#")[0]
    groups = _GROUPS.match(text, start) if verdict.rule is Rule.ALWAYS else None
    if groups and is_grouped_key(groups[0], verdict):
        _add(scan, start, groups.end(), verdict.kind)
        return
    follows_call = text[start + len(value) : start + len(value) + 1] in {"(", "["}
    if follows_call or PLACEHOLDER.match(value):
        return
    line = verdict.kind == "password" and _is_line(text, name.start, start + len(value))
    is_direct = not name.quote and direct_values.is_password(text, name.text, start, start + len(value), is_line=line)
    if is_direct or is_plain_secret(verdict, value, certain=certain or is_env, line=line):
        _add(scan, start, _block_end(text, start, start + len(value)), verdict.kind)


def _block_end(text: str, start: int, end: int) -> int:
    """Return the end of a value that goes on in lines below: in a folded block of YAML, a shell, a mail."""
    end = direct_values.end_in_further_line(text, end)
    indent = _OWN_LINE.search(text, max(0, start - _DEEPEST_INDENT), start)
    while indent:
        line = _NEXT_LINE.match(text, end)
        if not line or line[1] != indent[1]:
            break
        end = line.end()
    return end


def _starts_line(text: str, start: int) -> bool:
    lead = text[max(0, start - 24) : start]
    return bool(re.search(r"(?:^|\n|\\n)[ \t\-#]*(?:export |set |ENV |SET )?\Z", lead))


def _is_line(text: str, start: int, end: int) -> bool:
    return _starts_line(text, start) and text[end : end + 1] in {"", "\n", "\r", "\\", '"'}
