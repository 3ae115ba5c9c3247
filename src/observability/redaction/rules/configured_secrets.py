"""Our own secrets, known by value: the environment's and the caller's, in every form in which they can occur."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit

from src.observability.redaction.judging import checks, names, unescaped
from src.observability.redaction.judging.names import Rule
from src.observability.redaction.judging.scan import MARKER, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SHORTEST = 8
_SHORTEST_HEX = 32  # of a key in hex, whose letters may be in either case
_SHORTEST_BROKEN, _EDGE = 16, 8  # of a secret over several lines, and of its part that stays whole
_SHORTEST_MIXED = 6  # of letters with digits or punctuation
_TRIVIAL_TEXT = (
    "changeme change_me placeholder undefined disabled required optional redacted password passw0rd 12345678 "
    "123456789 1234567890 test1234 testtest test-key test_key testing123 your_key your-key your_api_key "
    "your-api-key yourapikey your_api_key_here your-api-key-here your_key_here api_key_here not_needed not-needed "
    "no-key-needed no-key-required sk-no-key-required lm-studio lm_studio lmstudio authorization x-api-key "
    "not_used localhost production development staging example_key dummy-key dummy_key fake_key "
    "fake-key notset not_set private_key "
)
_TRIVIAL = frozenset(_TRIVIAL_TEXT.split())
_REPEATED = re.compile(r"(.)\1*\Z")
_NOT_A_SECRET = re.compile(r"(?:true|false|yes|no|on|off|none|null|auto|default|\d{1,7})\Z", re.IGNORECASE)
_PUBLIC_NAMES = re.compile(
    r"SSH_AUTH_SOCK|XAUTHORITY|KEYRING|KEYBOARD|KEYMAP|TOKENIZERS|_PATH$|_FILE$|_DIR$|_SOCK(?:ET)?$"
)
_URL_NAMES = re.compile(
    r"RPC|WEBHOOK|(?:^|_)DSN|(?:DATABASE|DB|REDIS|MONGO\w*|AMQP|PROXY|NODE|WSS?)_(?:URL|URI)$|ENDPOINT"
)
_HEADER_VARIABLES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_PROVIDER_KEYS_TEXT = (
    "ANTHROPIC_KEY ANTHROPIC_API_KEY OPENAI_KEY OPENAI_API_KEY DEEPSEEK_KEY DEEPSEEK_API_KEY GROQ_API_KEY "
    "GEMINI_KEY GEMINI_API_KEY GOOGLE_API_KEY GROK_API_KEY XAI_API_KEY OPENROUTER_API_KEY LANGFUSE_SECRET_KEY "
    "LANGFUSE_PUBLIC_KEY "
)
_PROVIDER_KEYS = frozenset(_PROVIDER_KEYS_TEXT.split())

Forms = tuple[str, ...]


def from_environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of all variables that are named like secrets, and those of headers for OTLP."""
    values = (
        value
        for name, value in environment.items()
        if len(value) >= _SHORTEST_MIXED and is_secret_name(name) and is_usable(value) and _is_private(name, value)
    )
    headers = (value for name in _HEADER_VARIABLES for value in _header_values(environment.get(name, "")))
    return (*values, *filter(is_usable, headers))


def _header_values(text: str) -> Iterator[str]:
    """Yield the values of `name=value,name=value`, without a scheme such as Bearer."""
    for item in text.split(","):
        yield unquote(item.partition("=")[2].strip()).rpartition(" ")[2]


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether an environment variable is named like a secret."""
    upper = name.upper()
    if upper in _PROVIDER_KEYS:
        return True
    if _PUBLIC_NAMES.search(upper):
        return False
    if _URL_NAMES.search(upper):
        return True
    verdict = names.judge(name)
    return verdict is not None and (
        verdict.rule is not Rule.RANDOM or upper.endswith(("_KEY", "_KEYS", "_SEED", "_SID"))
    )


def is_usable(value: str) -> bool:
    """Return whether a value is long and distinctive enough to be replaced wherever it occurs."""
    text = value.strip()
    if len(text) < (_SHORTEST_MIXED if _is_mixed(text) else _SHORTEST):
        return False
    if text.lower() in _TRIVIAL or _REPEATED.match(text) or MARKER.search(text):
        return False
    return not _NOT_A_SECRET.match(text) and not "[redacted:redaction_failed]".count(text.lower())


def _is_mixed(text: str) -> bool:
    """Return whether a short value mixes letters and digits and is no ticker, which makes it distinctive enough."""
    kinds = {char.isalpha() - char.isdigit() for char in text}
    return kinds >= {1, -1} and not checks.is_symbol(text) and not checks.is_number(text)


def _is_private(name: str, value: str) -> bool:
    """Return whether a value is more than a ticker, a mint or a public host."""
    verdict = names.judge(name)
    certain = name.upper() in _PROVIDER_KEYS or (verdict is not None and verdict.rule is Rule.ALWAYS)
    if verdict and verdict.rule is Rule.TOKEN and not certain:
        return names.is_secret(verdict, value)  # a variable named TOKEN may hold a ticker or a mint
    if not (verdict and verdict.may_be_path) and checks.is_path(value):
        return False  # where a key lies is no key
    if verdict and verdict.rule is Rule.RANDOM and not certain and checks.is_wordy(value):
        return False  # MODEL_KEY=gpt-4o-mini: a name, of a model or of something else
    if _is_fingerprint(name, value):
        return False
    if len(value) < _SHORTEST and not certain:
        return False
    if "://" not in value:
        return not (_URL_NAMES.search(name.upper()) and "/" not in value and "." in value)
    parts = urlsplit(value)
    return bool(parts.query or parts.username or parts.password or len(parts.path.strip("/")) >= 8)


def _is_fingerprint(name: str, value: str) -> bool:
    """Return whether a value is the public fingerprint of a GPG key, which images of containers set."""
    return name.upper().startswith(("GPG_KEY", "GPG_KEYID")) and bool(re.fullmatch(r"[0-9A-Fa-f ]{16,50}", value))


def forms(secrets: Iterable[str]) -> Forms:
    """Return every form in which the secrets can occur, longest first: plain, escaped, base64, and in parts."""
    all_forms: set[str] = set()
    for secret in secrets:
        text = secret.strip()
        if is_usable(text):
            all_forms |= {form for part in _parts(text) for form in _forms_of(part)}
    return tuple(sorted(all_forms, key=lambda form: (-len(form), form)))


def _parts(secret: str) -> set[str]:
    """Return a secret, with the parts of a URL or the lines of a key that are secret by themselves."""
    parts = {secret}
    if "://" in secret:
        tail = re.split(r"[/?&=#@:]", secret.split("://", 1)[1])
        parts |= {part for part in tail if len(part) >= 16 and any(c.isdigit() for c in part) and "." not in part}
    if "\n" in secret:
        parts |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= 40}
    return parts


def _forms_of(secret: str) -> set[str]:
    raw = json.dumps(secret, ensure_ascii=False)[1:-1]
    encoded = secret.encode(errors="surrogatepass")
    plain = {
        *_nested(secret),
        raw.replace("/", "\\/"),
        repr(secret)[1:-1],
        repr(encoded)[2:-1],
        html.escape(secret),
        quote(encoded, safe=""),
        quote(encoded),
        quote_plus(encoded),
        encoded.hex(),
        *_other_cases(secret),
    }
    lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), form) for form in plain if "%" in form}
    return {form for form in plain | lower | _base64_forms(secret) if len(form) >= _SHORTEST_MIXED}


def _nested(secret: str) -> set[str]:
    """Return a secret as it stands in JSON within JSON, up to three levels deep, in ASCII or not."""
    escaped = {secret}
    for _ in range(3):
        escaped |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in escaped for ascii_only in (True, False)}
    return escaped


def _other_cases(secret: str) -> set[str]:
    """Return the ways to write a key in hex: in lower case, in upper case, without 0x."""
    if len(secret) < _SHORTEST_HEX or not checks.is_hex(secret):
        return set()
    digits = secret[2:] if secret[:2] in {"0x", "0X"} else secret
    return {digits, digits.lower(), digits.upper()}


def _base64_forms(secret: str) -> set[str]:
    """Return the base64 digits that depend on the secret alone, for each of its three alignments in a longer text."""
    data = secret.encode(errors="surrogatepass")
    stable_digits: set[str] = set()
    for shift in range(3):
        digits = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        first = (0, 2, 3)[shift]
        whole = digits[first : (shift + len(data)) * 8 // 6]
        stable_digits |= {whole, whole.replace("+", "-").replace("/", "_")}
    return {form for form in stable_digits if len(form) >= 10}


def breakable(secrets: Iterable[str]) -> Forms:
    """Return the secrets that are long enough to be told by one of their ends when they are broken over lines."""
    texts = (secret.strip() for secret in secrets)
    return tuple(dict.fromkeys(text for text in texts if len(text) >= _SHORTEST_BROKEN and is_usable(text)))


@functools.lru_cache(maxsize=8)
def with_edges(forms: Forms, secrets: Forms) -> Forms:
    """Return forms, and the beginnings and the ends of secrets; of one broken over lines, one of both stays whole."""
    return tuple(dict.fromkeys((*forms, *(edge for secret in secrets for edge in (secret[:_EDGE], secret[-_EDGE:])))))


def find_broken(scan: Scan, secrets: Forms, present_edges: Iterable[str]) -> None:
    """Record the secrets that line breaks go through, of those whose beginning or end occurs."""
    present = frozenset(present_edges)
    suspects = [secret for secret in secrets if secret[:_EDGE] in present or secret[-_EDGE:] in present]
    view = unescaped.join_all_lines(scan.text) if suspects else None
    if view:
        joined = Scan(view.text)
        find(joined, suspects)
        scan.findings += view.in_original(joined.findings)


def find(scan: Scan, present: Iterable[str]) -> None:
    """Record every occurrence of these forms."""
    for form in present:
        position = scan.text.find(form)
        while position >= 0:
            scan.add(position, position + len(form), "configured_secret", general=True)
            position = scan.text.find(form, position + len(form))
