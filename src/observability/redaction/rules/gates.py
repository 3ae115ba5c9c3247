"""List the gates: cheap patterns whose match ends are the only places where a text is looked at closely.

Both engines report the same (end, gate) pairs, which makes their results equal: a gate's pattern begins with one
of its literals and has one end for each beginning. What phrases of words are found by is each engine's own.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

from src.observability.redaction.rules.nearby_names import FILLERS
from src.observability.redaction.rules.prefixes import TOKENS, Token


class Close(enum.Enum):
    """Name the close look that a gate's match asks for."""

    TOKEN = enum.auto()
    ASSIGNMENT = enum.auto()
    NEAR = enum.auto()
    SAID = enum.auto()
    FLAG = enum.auto()
    LOGIN = enum.auto()
    BEARER = enum.auto()
    JWT = enum.auto()
    PEM = enum.auto()
    URL = enum.auto()
    RUN = enum.auto()
    BYTES = enum.auto()
    PHRASE = enum.auto()
    ESCAPE = enum.auto()


@dataclass(frozen=True, slots=True)
class Gate:
    """Hold one pattern (bytes, ASCII), the literals it can begin with, and what to do where it ends."""

    close: Close
    pattern: str
    literals: tuple[str, ...]
    caseless: bool = False
    length: int = 0  # of the match, where it is fixed
    token: Token | None = None
    once: bool = False  # its first match is all that is asked for


RUN_LENGTH = 20
# Every family's prefix and shortest body hold a run of this many characters of these kinds.
WIDE_LENGTH = 16
WIDE = "_-.+/=~%$"
_KEYWORDS = (
    "key", "secret", "passw", "passphrase", "pass", "pwd", "token", "mnemonic", "seed", "phrase", "auth", "cred",
    "bearer", "cookie", "priv", "jwt", "otp", "cvv", "cvc", "wif", "xprv", "words", "codes", "_sid", "conn",
)  # fmt: skip
_WORDS = f"(?:{'|'.join(_KEYWORDS)})"
_FILLER = f"(?:{'|'.join(FILLERS)})"
_SAID_OF_THE = "api|secret|private|pass|seed|mnemonic|access|auth|bot|key|token"
_QUOTE = r"(?:\\*[\"'`]|\\+u0022|&quot;|%22)"
_CLOSERS = r"(?:\\*[\"'`*\])]|\\+u0022|&quot;|%22){0,4}"

_FIXED: tuple[Gate, ...] = (
    # name = value, "name": value, seed phrase (12 words): value, ("name", "value"), <name>value</name>, name is value
    Gate(
        Close.ASSIGNMENT,
        _WORDS + r"[\w.\-]{0,24}(?:" + _CLOSERS + r"(?: ?\([^()\n:=]{0,32}\))?[ \t]{0,4}(?:[:=]|%3a|%3d)"
        r"|" + _QUOTE + r"[ \t]{0,4},|>|[ \t]{1,2}(?:is|was|are|equals|to)[ \t])",
        _KEYWORDS,
        caseless=True,
    ),
    # name | value, name - value, a name on the line before, ...: to where what may be a value mixes letters and digits
    Gate(
        Close.NEAR,
        _WORDS + r"[\w.\-]{0,24}[^\w+/.\-][^\w+/]{0,11}(?:" + _FILLER + r"[^\w+/!@#$%]{1,12})?"
        r"(?:[a-z_+/]{1,23}[0-9!@#$%]|[0-9]{1,12}[a-z_+/\-!@#$%^&*])",
        _KEYWORDS,
        caseless=True,
    ),
    # value is my api key
    Gate(
        Close.SAID,
        r" (?:(?:is|was) (?:(?:my|our|your) |the (?:"
        + _SAID_OF_THE
        + r"))|[(\"]?that's (?:my|the|our|your) |a valid )",
        (" is ", " was ", " that's ", " (that's ", " \"that's ", " a valid "),
        caseless=True,
    ),
    # --api-key value
    Gate(Close.FLAG, r" --[a-z][\w\-]{0,40}[ \t]", (" --",), caseless=True),
    # curl -u user:password
    Gate(Close.LOGIN, r" (?:-u|--user)[ =][\w.@\-]{1,64}:", (" -u", " --user")),
    Gate(Close.BEARER, r"(?:bearer|basic)(?: |%20|\+)[\w~+/=.\-]{8}", ("bearer", "basic"), caseless=True),
    Gate(Close.JWT, r"eyJ[\w\-]{10}", ("eyJ",), length=13),
    Gate(Close.PEM, r"---- ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", ("----BEGIN ", "---- BEGIN ")),
    Gate(Close.PEM, r"Private-Lines:", ("Private-Lines:",)),
    Gate(Close.URL, r"://", ("://",), length=3),
    Gate(
        Close.BYTES,
        r"[\[({](?:\s|\\+[nrt])*(?:\d{1,3}(?:\s|\\+[nrt])*,(?:\s|\\+[nrt])*){30}\d{1,3}(?:\s|\\+[nrt])*,",
        ("[", "(", "{"),
    ),
)  # fmt: skip

# What stands between the words of a phrase: blanks (tags are), signs, quotes of any level, and a number: 2. word, (2).
# The escapes of a text that was put into JSON again and again count as one blank.
_BLANKS = r"\s\x1c-\x1f,;:|\"'`/\[\]_*+#<>\-"  # of a text; in one of bytes \s leaves the separators of ASCII out
_BLANK = rf"(?:[{_BLANKS}]|\\+[nrt]?)"
_NUMBER = r"\(?\d{1,2}[.):\]=\"'\-]"
PHRASE_GAP = rf"(?:\d{{0,2}}{_BLANK}|\d{{1,2}}=){_BLANK}{{0,23}}(?:{_NUMBER}{{0,3}}{_BLANK}{{0,8}})?"

# Escapes of addresses and of JSON: the text is then read without them too.
_ESCAPES: tuple[Gate, ...] = (
    Gate(Close.ESCAPE, r"%(?:0[9adAD]|[2-7][0-9a-fA-F])", ("%",), length=3, once=True),
    Gate(Close.ESCAPE, r"\\u[0-9a-fA-F]{4}", ("\\u",), length=6, once=True),
)

# These have no literal; each engine finds them in its own way. The fast one is quick at a run of one kind of character,
# so it only asks whether there is one.
RUN = Gate(Close.RUN, rf"[A-Za-z0-9]{{{RUN_LENGTH}}}", (), once=True)
_LETTER = "[a-z?]"  # a letter beyond ASCII reads as `?`
# PHRASE_GAP without counting, which is faster. An escape's letter can end it, which the next word then has too.
_SIGNS = rf"[{_BLANKS}\\]*(?:[nrt][{_BLANKS}\\]+)*"
_ANY_GAP = rf"(?:\d{{0,2}}[{_BLANKS}\\]|\d{{1,2}}=){_SIGNS}(?:[nrt]?{_NUMBER}*{_SIGNS})?"
PHRASE = Gate(Close.PHRASE, rf"(?:{_LETTER}{{3,13}}{_ANY_GAP}){{11}}{_LETTER}{{3}}", (), caseless=True)
# Languages whose words are of few letters, none of them in ASCII; each can have a label: word 1.
_SHORT = rf"\?{{1,16}}{_ANY_GAP}(?:[nrt]?word{_ANY_GAP})?[nrt]?"
SHORT_PHRASE = Gate(Close.PHRASE, rf"(?:{_SHORT}){{11}}\?", (), caseless=True)


def _of_token(token: Token, prefix: str) -> Gate:
    body = f"[{token.alphabet}]{{{token.least}}}" if token.least else ""
    pattern = f"{re.escape(prefix)}{body}"
    return Gate(Close.TOKEN, pattern, (prefix,), length=len(prefix) + token.least, token=token)


@functools.cache
def gates() -> tuple[Gate, ...]:
    """Return every gate; a gate's number is its place. PHRASE comes last."""
    tokens = [_of_token(token, prefix) for token in TOKENS for prefix in token.prefixes]
    return (RUN, SHORT_PHRASE, *_ESCAPES, *_FIXED, *tokens, PHRASE)
