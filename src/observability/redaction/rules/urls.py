"""Find secrets in a URL: a password before the host, a key in the path of a node or a webhook, a key in the query."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, names
from src.observability.redaction.judging.names import Rule
from src.observability.redaction.judging.scan import TooManyError

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_MOST = 20_000  # addresses of a text
_BEGIN = b"://"
# What ends a URL; the blanks one by one, since a set with `\s` is searched more slowly.
_ENDS = (
    r" \t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    r"\"'<>`\\{}|^\])"
)
_REST = re.compile(rf"[^{_ENDS}]{{1,2048}}")
# A URL of ordinary length without an `@`: host, path, query or fragment.
_SIMPLE = re.compile(
    rf"([^{_ENDS}@/?#]{{1,255}}+)([^{_ENDS}@?#]{{0,512}}+)((?:[?#][^{_ENDS}@]{{0,512}}+)?)(?=[{_ENDS}]|\Z)"
)
_EXAMPLE_USERS = frozenset({"user", "username", "USER", "USERNAME"})  # as in descriptions of an address's form
_EXAMPLE_PASSWORDS = frozenset({"pass", "password", "PASS", "PASSWORD"})
_DATABASE = re.compile(r"(?:mysql|mariadb|postgres(?:ql)?|mongodb|redis|rediss|amqps?|mssql)(?:\+\w+)?://\Z")
_LONGEST_SCHEME = 32
_AUTHORITY = re.compile(r"[^/?#]*")

# Hosts whose paths carry the caller's key, according to the providers' documentation of their endpoints.
_NODES = re.compile(
    r"(?:infura\.io|alchemy\.com|alchemyapi\.io|quiknode\.pro|quiknode\.io|helius-rpc\.com|helius\.xyz|ankr\.com|getblock\.io|"
    r"chainstack\.com|p2pify\.com|blastapi\.io|nodereal\.io|nodies\.app|drpc\.org|moralis(?:-nodes)?\.(?:io|com)|tatum\.io|"
    r"syndica\.io|rpcpool\.com|triton\.one|shyft\.to|extrnode\.com|blockdaemon\.com|grove\.city|pokt\.network|"
    r"bloxroute\.com|allthatnode\.com|blockpi\.network|chainnodes\.org|onfinality\.io|omniatech\.io|thirdweb\.com|"
    r"zan\.top|1rpc\.io|tenderly\.co|lavanet\.xyz|particle\.network|unifra\.io|rivet\.cloud|figment\.io|dwellir\.com|"
    r"instantnodes\.io|hellomoon\.io|genesysgo\.net|developer\.coinbase\.com|cloud\.coinbase\.com|nownodes\.io|goldsky\.com|thegraph\.com|stackup\.sh|"
    r"pimlico\.io|biconomy\.io|datahub\.figment\.io|jito\.wtf|everstake\.one|validationcloud\.io|1inch\.io)(?::\d+)?\Z",
    re.IGNORECASE,
)
_HOOKS = re.compile(
    r"(?:discord(?:app)?\.com|slack\.com|webhook\.office\.com|office\.com|zapier\.com|ifttt\.com|make\.com|integromat\.com|"
    r"pipedream\.net|chat\.googleapis\.com|telegram\.org|tradingview\.com|3commas\.io|logic\.azure\.com|webhook\.site|"
    r"hc-ping\.com|pushover\.net|ntfy\.sh|betterstack\.com|opsgenie\.com|mattermost\.\w+|n8n\.cloud|"
    r"feishu\.cn|larksuite\.com|day\.app|dingtalk\.com|qyapi\.weixin\.qq\.com)(?::\d+)?\Z",
    re.IGNORECASE,
)
_HOOK_PATH = re.compile(
    r"/(?:api/(?:v\d+/)?webhooks|services|workflows|triggers|webhook\w*|hooks?|trigger|bot|incoming)(?:/|\b)",
    re.IGNORECASE,
)
_NODE_WORD = re.compile(r"rpc|node|mainnet|devnet|testnet", re.IGNORECASE)
_SEGMENT = re.compile(r"[^/?#]+")
_PART = re.compile(r"[^&#;\s]+")
_LONGEST_NAME = 64
_NAME_BACK = re.compile(rf"[\w.\-%\[\]]{{1,{_LONGEST_NAME}}}")
_PARAMETER_NAME = re.compile(r"[A-Za-z_.\-%\[\]]{1,64}")
_WITHOUT_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_SHORTEST_PATH = 12
_SIGNED_TEXT = (
    "key apikey api_key appkey app_key token access_token auth secret password pwd pass passwd sig signature dkey "
    "x_amz_signature x_amz_credential x_amz_security_token client_secret jwt sas code hmac api_token authkey "
)
_SIGNED = frozenset(_SIGNED_TEXT.split())
_PUBLIC_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z|0x[0-9a-fA-F]{40}\Z")


def find_all(scan: Scan, data: bytes, end: int) -> None:
    """Find the secrets of the URL whose `://` ends at `end`, and of all that begin behind it.

    `data` is the text in bytes of ASCII, in which the next URL is searched for.

    Raises:
        TooManyError: the text has more URLs than can be looked at.
    """
    text, match = scan.text, _SIMPLE.match
    left = _MOST
    while end >= len(_BEGIN):
        left -= 1
        if left < 0:
            raise TooManyError(end)
        simple = match(text, end)
        if simple is None:
            find(scan, end)
        else:
            host, path, query = simple.groups()
            if len(path) >= _SHORTEST_PATH and (any(_kinds_of_host(host)) or "/webhooks/" in path):
                _find_path(scan, end, host, host + path, len(host))
            if query and _may_name_secret(query.encode("ascii", "replace").translate(_WITHOUT_DIGITS)):
                _find_query(scan, end, simple[0], len(host) + len(path))
        end = data.find(_BEGIN, end) + len(_BEGIN)


@functools.lru_cache(maxsize=1024)
def _may_name_secret(query: bytes) -> bool:
    """Return whether a query, with zeros for its digits, may have a parameter that is named like a secret."""
    query = query.replace(b"&amp;", b"&")  # as HTML writes it
    if b";" in query or b"#" in query[1:]:
        return True
    parts = query[1:].decode().split("&")
    return _has_secret_name(tuple([part.partition("=")[0] for part in parts if "=" in part]))


def find(scan: Scan, end: int) -> None:
    """Find the secrets of the URL whose `://` ends at `end`."""
    rest = _REST.match(scan.text, end)
    if not rest:
        return
    url = rest[0]
    match = _AUTHORITY.match(url)
    authority = match[0] if match else ""
    if "@" in url:
        is_longer = "@" in authority and url.rfind("@") > len(authority)
        if is_longer and _DATABASE.search(scan.text, max(0, end - _LONGEST_SCHEME), end):
            authority = url[: url.rfind("@") + 1]  # a password may hold any sign; paths of databases hold no `@`
        authority = _find_userinfo(scan, end, url, authority)
    host = authority.rpartition("@")[2]
    path_start = url.find(host) + len(host)
    query = _query_start(url, path_start)
    _find_path(scan, end, host, url[:query], path_start)
    if query < len(url):
        _find_query(scan, end, url, query)


def _query_start(url: str, start: int) -> int:
    """Return where a URL's query or fragment begins, or its length."""
    fragment = url.find("#", start)
    question = url.find("?", start, fragment if fragment >= 0 else len(url))
    return question if question >= 0 else fragment if fragment >= 0 else len(url)


def _find_userinfo(scan: Scan, end: int, url: str, authority: str) -> str:
    """Record a password before the host; return the authority, corrected where the password holds a slash."""
    user, colon, password = authority.partition(":")
    if "@" not in authority:
        if not colon or "@" not in url or not password or password[:1].isdigit():
            return authority
        authority = url[: url.rfind("@")] + "@"
        user, colon, password = authority.partition(":")
    info = authority.rpartition("@")[0]
    user, colon, password = info.partition(":")
    if colon and password and not (user in _EXAMPLE_USERS and password in _EXAMPLE_PASSWORDS):
        scan.add(end + len(user) + 1, end + len(info), "url_password", general=True)
    elif len(info) >= 16 and checks.looks_random(info):
        scan.add(end, end + len(info), "url_credentials", general=True)
    return authority


def _find_path(scan: Scan, end: int, host: str, url: str, start: int) -> None:
    path = url[start:]
    if len(path) < _SHORTEST_PATH:
        return
    is_node, may_be_hook, names_node = _kinds_of_host(host)
    is_hook = bool(may_be_hook and _HOOK_PATH.search(path)) or "/webhooks/" in path
    if not is_node and not is_hook and not names_node:
        return
    kind = "webhook" if is_hook else "rpc_key"
    for segment in _SEGMENT.finditer(path):
        value = segment.group()
        if _is_path_key(value, known=is_node or is_hook):
            scan.add(end + start + segment.start(), end + start + segment.end(), kind, general=True)


@functools.lru_cache(maxsize=1024)
def _kinds_of_host(host: str) -> tuple[bool, bool, bool]:
    """Return whether a host is a node provider's, may take webhooks, and is named like a node."""
    return bool(_NODES.search(host)), bool(_HOOKS.search(host)), bool(_NODE_WORD.search(host))


def _is_path_key(value: str, *, known: bool) -> bool:
    if checks.is_number(value) or (_PUBLIC_HEX.match(value) and not (known and len(value) == 64)):
        return False
    if not known:
        return (
            len(value) >= 24
            and (checks.looks_random(value, 24) or checks.is_uuid(value))
            and not checks.is_address(value)
        )
    if checks.is_uuid(value):
        return True
    return len(value) >= 8 and not checks.is_wordy(value) and (any(c.isdigit() for c in value) or len(value) >= 20)


def _find_query(scan: Scan, end: int, url: str, query: int) -> None:
    for part in _PART.finditer(url, query):
        name, place = _parameter(part[0])
        rule = _rule_of_parameter(name) if name else None
        value = part[0][place:].rstrip(".,;:!?)")
        if rule and value and _is_secret_value(rule, value):
            start = end + part.start() + place
            scan.add(start, start + len(value), "url_key", general=True)


def _parameter(part: str) -> tuple[str, int]:
    """Return the name of the parameter that a part of a query has, and where its value begins."""
    equals = part.find("=")
    while equals >= 0:
        name = _NAME_BACK.match(part[max(0, equals - _LONGEST_NAME) : equals][::-1])
        if name:
            return name[0][::-1], equals + 1
        equals = part.find("=", equals + 1)
    return "", 0


@functools.lru_cache(maxsize=512)
def _has_secret_name(parameters: tuple[str, ...]) -> bool:
    """Return whether a parameter is named like a secret, or has a name with digits or signs, which are looked at."""
    return any(not _PARAMETER_NAME.fullmatch(name) or _rule_of_parameter(name) is not None for name in parameters)


@functools.lru_cache(maxsize=1024)
def _rule_of_parameter(name: str) -> Rule | None:
    """Return the rule by which a parameter's value is secret, or None where its name does not suggest a secret."""
    flat = names.canonical(name)
    verdict = names.judge(name)
    if verdict and verdict.rule is Rule.ALWAYS and flat not in {"private", "secret"}:
        return Rule.ALWAYS
    return None if flat not in _SIGNED and verdict is None else Rule.TOKEN


def _is_secret_value(rule: Rule, value: str) -> bool:
    if rule is Rule.ALWAYS:
        return len(value) >= 3
    plain = checks.is_number(value) or checks.is_symbol(value) or checks.is_address(value) or value.isalpha()
    return len(value) >= 8 and not plain and not (checks.is_wordy(value) and len(value) < 16)
