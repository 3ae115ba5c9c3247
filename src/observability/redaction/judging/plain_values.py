"""Judge a value without quotes by its shape: prose and code use the names of secrets too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, names
from src.observability.redaction.judging.names import Rule

if TYPE_CHECKING:
    from src.observability.redaction.judging.names import Verdict

PLACEHOLDER = re.compile(
    r"(?:Bearer |Basic |Token )?(?:"
    r"<[^<>]*>|[\w\-]{0,24}(?:\.{3}|…)(?: ?\([^()]*\))?|(?:[a-z0-9]+[-_]){1,4}your[-_ a-zA-Z]*|"
    r"\$\{?[\w.:-]*\}?|\{\{?[\w. ]*\}?\}|%\(?\w*\)?s?|\*+|\.{2,}|…|x{3,}|X{3,}|-+|_+|\?+|"
    r"(?:your|insert|enter|put|add|set|replace|paste)[-_ a-zA-Z]*|"
    r"(?:YOUR|MY|INSERT|ENTER|PUT|REPLACE|PASTE)[-_ ](?:[A-Z]{1,12}[-_ ]){0,3}"
    r"(?:KEY|KEYS|SECRET|TOKEN|PASSWORD|PASSPHRASE|HERE)|"
    r"(?:Bearer|Basic|Token) ?|not[-_ ](?:needed|required|used|set|applicable)|no[-_ ](?:key|token)[-_ a-z]{0,16}|"
    r"unused|change[-_]?me|placeholder|redacted|hidden|masked|"
    r"required|optional|none|null|nil|true|false|undefined|unset|empty|missing|invalid|valid|expired|wrong|incorrect|"
    r"str|string|String|bytes|int|float|bool|boolean|number|object|any|text|varchar|char|secret|password|token|key)"
    r"[.!?:]*\Z",
)
_REFERENCE = re.compile(
    r"(?:os|process|self|this|config|cfg|settings|env|environ|secrets|args|opts|options|params|kwargs|request|req|"
    r"response|data|user|account|wallet|client|st|app|ctx|context|import|Deno|Bun)\.[A-Za-z_]|[\w.]+\.[A-Za-z_]\w*\Z(?<!\d)|"
    r"getenv|getpass|input\b|load_|read_|get_|fetch_|[a-z_]+\Z",
)
_PRIVATE_NUMBER = re.compile(r"\d{60,80}\Z")  # of 256 bits
_LONG_KEY_NUMBER = re.compile(r"\d{14,40}\Z")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_]*\Z")
_APP_PASSWORD = 19  # characters of four groups of four


def is_plain_secret(verdict: Verdict, value: str, *, certain: bool, line: bool) -> bool:
    """Return whether a value is secret; where `certain`, its name decides, and a `line` holds nothing else."""
    if verdict.rule is not Rule.ALWAYS:
        return names.is_secret(verdict, value) and not _REFERENCE.match(value)
    if not verdict.may_be_path and checks.is_path(value):
        return False
    if verdict.kind in {"authorization", "cookie"}:
        return len(value) >= 8 and any(char.isdigit() or char in "=+/" for char in value)
    if _PRIVATE_NUMBER.match(value):
        return verdict.kind == "private_key"
    if _LONG_KEY_NUMBER.match(value):
        return verdict.kind in {"api_key", "token", "secret"}
    if certain:
        return (len(value) >= 4 and not _REFERENCE.match(value)) or bool(re.match(r"[a-z]{8,}\Z", value))
    if checks.is_number(value) or checks.is_symbol(value):
        return line and len(value) >= 4
    if _IDENTIFIER.match(value):
        return (line and len(value) >= 8) or (len(value) >= 10 and not checks.is_wordy(value))
    if _REFERENCE.match(value):
        return False
    return (
        len(value) >= 6 and any(char.isalpha() for char in value) and any(not c.isalpha() and c != "-" for c in value)
    )


def is_grouped_key(groups: str, verdict: Verdict) -> bool:
    """Return whether groups of characters are one key, of one size and mixed, or a password of four by four letters."""
    parts = groups.replace("-", " ").split()
    if len({len(part) for part in parts[:-1]}) > 1 or len(parts[-1]) > len(parts[0]) or checks.is_uuid(groups):
        return False
    mixed = sum(any(char.isdigit() for char in part) for part in parts) * 3 >= len(parts) and not groups.isdigit()
    is_app_password = verdict.kind == "password" and len(groups) == _APP_PASSWORD and groups.islower()
    return is_app_password or (mixed and any(char.isalpha() for char in groups))
