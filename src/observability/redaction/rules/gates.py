"""The gates: cheap patterns; a text is inspected only where one of them ends.

Both engines report the same (end, gate) pairs, so their results are equal: a gate's pattern begins with one of its
literals and has one end for each beginning. For phrases each engine has a search of its own.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

from src.observability.redaction.judging import pieces
from src.observability.redaction.judging.scan import TAG
from src.observability.redaction.judging.unescaped import LINE_BREAK, PIECE
from src.observability.redaction.rules import exchange_credentials, key_files, logins, named_columns
from src.observability.redaction.rules.nearby_names import FILLERS
from src.observability.redaction.rules.prefixes import TOKENS, Token


class Inspection(enum.Enum):
    """What a gate's match calls for."""

    TOKEN = enum.auto()
    ASSIGNMENT = enum.auto()
    NEARBY_NAME = enum.auto()
    VALUE_FIRST = enum.auto()
    TABLE = enum.auto()
    FLAG = enum.auto()
    LOGIN = enum.auto()
    LOGIN_FLAG = enum.auto()
    PROSE = enum.auto()
    BEARER = enum.auto()
    JWT = enum.auto()
    PEM = enum.auto()
    URL = enum.auto()
    RUN = enum.auto()
    BYTES = enum.auto()
    BYTES_BY_PLACE = enum.auto()
    MARKDOWN = enum.auto()
    COOKIE = enum.auto()
    PASSWORD_FILE = enum.auto()
    JWK = enum.auto()
    KEYSTORE = enum.auto()
    ESCAPE = enum.auto()
    BROKEN = enum.auto()
    SPELLED = enum.auto()
    SPELLED_NEARBY = enum.auto()
    WORD_LIST = enum.auto()
    EXCHANGE = enum.auto()
    LOGIN_PAIR = enum.auto()
    SLASH_PAIR = enum.auto()
    HOST_PAIR = enum.auto()
    CALL_PAIR = enum.auto()
    COMMAND = enum.auto()
    PAIR = enum.auto()
    JOINED = enum.auto()
    LABELLED = enum.auto()


@dataclass(frozen=True, slots=True)
class Gate:
    """A pattern of ASCII bytes, the literals that it can begin with, and the inspection where it ends."""

    inspection: Inspection
    pattern: str
    literals: tuple[str, ...]
    caseless: bool = False
    length: int = 0  # of the match, if it is fixed
    token: Token | None = None
    once: bool = False  # the first match is enough


RUN_LENGTH = 20
# Every family's prefix and shortest body hold a run of this many characters of these kinds.
WIDE_LENGTH = 16
WIDE = "_-.+/=~%$"
_KEYWORDS = (
    "key", "secret", "passw", "passphrase", "pass", "pwd", "token", "mnemonic", "seed", "phrase", "auth", "cred",
    "bearer", "cookie", "priv", "jwt", "otp", "cvv", "cvc", "wif", "xprv", "words", "codes", "_sid", "conn", "pw",
    "kennwort", "wachtwoord", "senha", "clave", "chave", "chiave", "heslo", "parola", "haslo", "contrasen", "salasana",
    "lozinka", "sandi",
)  # fmt: skip
_WORDS = f"(?:{'|'.join(_KEYWORDS)})"
_FILLER = f"(?:{'|'.join(FILLERS)})"
_NOUNS = "api|secret|private|pass|seed|mnemonic|access|auth|bot|key|token"
_QUOTE = r"(?:\\*[\"'`]|\\+u0022|&quot;|%22)"
_CLOSERS = r"(?:\\*[\"'`*\])]|\\+u0022|&quot;|%22){0,4}"

_FIXED: tuple[Gate, ...] = (
    # name = value, "name": value, seed phrase (12 words): value, ("name", "value"), <name>value</name>, name is value
    Gate(
        inspection=Inspection.ASSIGNMENT,
        pattern=_WORDS + r"[\w.\-]{0,24}(?:" + _CLOSERS + r"(?: ?\([^()\n:=]{0,32}\))?[ \t]{0,4}"
        r"(?:(?:[.?+!|]{1,2}|string[ \t]{1,2}|str[ \t]{1,2})?[:=]|%3a|%3d)"
        r"|" + _QUOTE + r"[ \t]{0,4},|>|[ \t]{1,2}(?:is|was|are|equals|to)[ \t])",
        literals=_KEYWORDS,
        caseless=True,
    ),
    # name | value, name - value, a name on the line before, ...: up to where the value mixes letters and digits
    Gate(
        inspection=Inspection.NEARBY_NAME,
        pattern=_WORDS + r"[\w.\-]{0,24}[^\w+/.\-][^\w+/]{0,11}(?:" + _FILLER + r"[^\w+/!@#$%]{1,12})?"
        r"(?:[a-z_+/]{1,23}[0-9!@#$%]|[0-9]{1,12}[a-z_+/\-!@#$%^&*])",
        literals=_KEYWORDS,
        caseless=True,
    ),
    # value is my api key
    Gate(
        inspection=Inspection.VALUE_FIRST,
        pattern=r" (?:(?:is|was) (?:(?:my|our|your) |the (?:"
        + _NOUNS
        + r"))|as (?:my|the|your) (?:" + _NOUNS + r")|[(\"]?that's (?:my|the|our|your) |a valid )",
        literals=(" is ", " was ", " as ", " that's ", " (that's ", " \"that's ", " a valid "),
        caseless=True,
    ),
    # name,api_key,note: the header of a table, up to the next name or, from the last, up to the first cell of a row
    Gate(
        inspection=Inspection.TABLE,
        pattern=_WORDS + r"[\w.\-]{0,24}(?:\\{0,16}[\"'])?"
        r"(?:[,;\t][^\s,;]|(?:\r?\n|(?:\\{1,16}r)?\\{1,16}n)[^\s,;][^\n\r,;\t]{0,80}[,;\t])",
        literals=_KEYWORDS,
        caseless=True,
    ),
    # --api-key value
    Gate(inspection=Inspection.FLAG, pattern=r" --[a-z][\w\-]{0,40}[ \t]", literals=(" --",), caseless=True),
    # docker login -p password
    Gate(inspection=Inspection.LOGIN_FLAG, pattern=r" -p[ =]?[\"']?[\w+/!@#$%]{4}", literals=(" -p",)),
    # curl -u user:password
    Gate(inspection=Inspection.LOGIN, pattern=r" (?:-u|--user)[ =][\"']?[\w.@\-]{1,64}:", literals=(" -u", " --user")),
    # the user before the password
    Gate(
        inspection=Inspection.LOGIN_PAIR,
        pattern=logins.LOGIN_GATE,
        literals=logins.LOGIN_LITERALS,
        caseless=True,
    ),
    Gate(inspection=Inspection.SLASH_PAIR, pattern=logins.SLASH_GATE, literals=(" / ",)),
    Gate(inspection=Inspection.HOST_PAIR, pattern=logins.HOST_GATE, literals=("@",)),
    Gate(
        inspection=Inspection.CALL_PAIR,
        pattern=logins.CALL_GATE,
        literals=("login", "auth", "credential"),
        caseless=True,
    ),
    Gate(inspection=Inspection.COMMAND, pattern=logins.COMMAND_GATE, literals=logins.COMMAND_LITERALS),
    # the password for the exchange is ...
    Gate(
        inspection=Inspection.PROSE,
        pattern=r"(?:password|passphrase|passwort|api[ _\-]?key|secret key|private key|access token|clave|chave|chiave"
        r"|mot de passe|senha)[ \t](?:for|of|to|on|from|d[aei]|f.r|pour)[ \t][^\n:=?!.,;]{1,40}"
        r"(?:[ \t]is|[ \t]was|[ \t]ist|[ \t]est|:|=)[ \t]",
        literals=(
            "password", "passphrase", "passwort", "api", "secret key", "private key", "access token",
            "clave", "chave", "chiave", "mot de passe", "senha",
        ),
        caseless=True,
    ),
    Gate(
        inspection=Inspection.BEARER,
        pattern=r"(?:bearer|basic)(?: |%20|\+)[\w~+/=.\-]{8}",
        literals=("bearer", "basic"),
        caseless=True,
    ),
    Gate(inspection=Inspection.JWT, pattern=r"eyJ[\w\-]{10}", literals=("eyJ",), length=13),
    Gate(
        inspection=Inspection.PEM,
        pattern=r"---- ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
        literals=("----BEGIN ", "---- BEGIN "),
    ),
    Gate(inspection=Inspection.PEM, pattern=r"Private-Lines:", literals=("Private-Lines:",)),
    # okx: key secret passphrase
    Gate(
        inspection=Inspection.EXCHANGE,
        pattern=exchange_credentials.PATTERN,
        literals=exchange_credentials.EXCHANGES,
        caseless=True,
    ),
    # The first one alone: the rule for URLs looks for the others itself.
    Gate(inspection=Inspection.URL, pattern=r"://", literals=("://",), length=3, once=True),
    Gate(
        inspection=Inspection.BYTES,
        pattern=r"[\[({](?:\s|\\+[nrt])*(?:\d{1,3}(?:\s|\\+[nrt])*,(?:\s|\\+[nrt])*){30}\d{1,3}(?:\s|\\+[nrt])*,",
        literals=("[", "(", "{"),
    ),
    Gate(
        inspection=Inspection.MARKDOWN,
        pattern=_WORDS + named_columns.MARKDOWN_END,
        literals=_KEYWORDS,
        caseless=True,
    ),
    Gate(inspection=Inspection.COOKIE, pattern=logins.COOKIE_GATE, literals=logins.COOKIE_LITERALS),
    Gate(inspection=Inspection.PASSWORD_FILE, pattern=logins.FILE_GATE, literals=logins.FILE_LITERALS),
    Gate(inspection=Inspection.BYTES_BY_PLACE, pattern=key_files.BYTES_GATE, literals=key_files.BYTES_LITERALS),
    Gate(inspection=Inspection.JWK, pattern=key_files.JWK_GATE, literals=key_files.JWK_LITERALS),
    Gate(inspection=Inspection.KEYSTORE, pattern=key_files.KEYSTORE_GATE, literals=key_files.KEYSTORE_LITERALS),
    # as numpy prints them
    Gate(inspection=Inspection.BYTES, pattern=r"\[[ \t]{0,3}(?:\d{1,3}[ \t\r\n]{1,8}){31}\d", literals=("[",)),
)  # fmt: skip

# What may separate the words of a phrase: blanks (tags count as such), punctuation, quotes of any level, and a number
# as in `2. word` or `(2) word`. A JSON escape counts as one blank, however often it was escaped again. A full stop
# without a blank separates words too, as in `word.word`; before a blank it ends a sentence.
_BLANKS = r"\s\x1c-\x1f,;:|\"'`/\[\]_*+#<>~&\-"  # in bytes \s lacks \x1c-\x1f
_BLANK = rf"(?:[{_BLANKS}]|\\+[nrt]?)"
_NUMBER = r"\(?\d{1,2}[.):\]=\"'\-]"
HTML_NAMES = ("nbsp", "amp", "quot", "apos", "lt", "gt")
HTML_SIGN = f"&(?:{'|'.join(HTML_NAMES)});"  # between the words of a phrase it counts as blanks
PHRASE_GAP = rf"(?:\.|(?:\d{{0,2}}{_BLANK}|\d{{1,2}}=){_BLANK}{{0,23}}(?:{_NUMBER}{{0,3}}{_BLANK}{{0,8}})?)"

# Escapes of URLs and of JSON: the decoded text is scanned too.
_ESCAPES: tuple[Gate, ...] = (
    Gate(
        inspection=Inspection.ESCAPE,
        pattern=r"%(?:0[9adAD]|[2-7][0-9a-fA-F]|[c-fC-F][0-9a-fA-F]%)",
        literals=("%",),
        once=True,
    ),
    Gate(inspection=Inspection.ESCAPE, pattern=r"\\u[0-9a-fA-F]{4}", literals=("\\u",), length=6, once=True),
)

# A quoted run of a token's characters that a line break ends, with nothing but such a run in the next line, or a quoted
# piece with another below it: the text is scanned with such lines joined too. After the fence of a block in Markdown,
# "```python", come words.
BROKEN = Gate(
    inspection=Inspection.BROKEN,
    pattern=rf"[\"'`](?:{PIECE}{{6,}}{LINE_BREAK}{PIECE}{{2,}}[ \t]*[\"'`\\\r\n]"
    rf"|{PIECE}{{16,}}\\{{0,15}}[\"'`][ \t]{{0,4}}[+.]?{LINE_BREAK}"
    rf"(?:[+.][ \t]{{0,4}})?\\{{0,15}}[\"'`]{PIECE}{{4}}"
    rf"|{PIECE}{{6,}}\\{{0,15}}[\"'`][ \t]{{0,4}}(?:[+.&]|\.\.|[ \t])[ \t]{{0,4}}\\{{0,15}}[\"'`]{PIECE}{{4}})",
    literals=('"', "'", "`"),
)  # fmt: skip

# Pieces of a value in code, and of a phrase between labels: the text is scanned with them put together too.
_PIECES: tuple[Gate, ...] = (
    Gate(inspection=Inspection.JOINED, pattern=pieces.JOIN_GATE, literals=(".join(",)),
    Gate(inspection=Inspection.LABELLED, pattern=pieces.LABEL_GATE, literals=pieces.LABEL_LITERALS, caseless=True),
)

# Characters that are spelled out, at least three in a row, since single ones are in every page; a tag in HTML within
# HTML; a key as lists of words in JSON have it. The text is scanned in another reading too.
_SPELLED: tuple[Gate, ...] = (
    Gate(
        inspection=Inspection.SPELLED,
        pattern=r"\\x[2-7][0-9a-fA-F](?:\\+x[2-7][0-9a-fA-F]){2}",
        literals=("\\x",),
        once=True,
    ),
    Gate(
        inspection=Inspection.SPELLED,
        pattern=r"&#[xX]?[0-9a-fA-F]{1,7};(?:&#[xX]?[0-9a-fA-F]{1,7};){2}",
        literals=("&#",),
        once=True,
    ),
    Gate(
        inspection=Inspection.SPELLED,
        pattern=TAG.replace("<", "&lt;").replace(">", "&gt;"),
        literals=("&lt;",),
        once=True,
    ),
    Gate(inspection=Inspection.WORD_LIST, pattern='"word', literals=('"word',), length=5, once=True),
)
# A blank or a quote of HTML near a name or within a command: the text around it is scanned in another reading too.
_SPELLED_NEARBY: tuple[Gate, ...] = (
    Gate(
        inspection=Inspection.SPELLED_NEARBY,
        pattern=rf"{_WORDS}(?:[^<>&]|&[^n]){{0,40}}&nbsp;",
        literals=_KEYWORDS,
        caseless=True,
    ),
    Gate(
        inspection=Inspection.SPELLED_NEARBY,
        pattern=rf"&nbsp;(?:-|[^<>]{{0,40}}{_WORDS})",
        literals=("&nbsp;",),
        caseless=True,
    ),
    Gate(
        inspection=Inspection.SPELLED_NEARBY,
        pattern=rf"{_WORDS}[^<>#]{{0,24}}&#(?:0?3[49]|x2[27]);",
        literals=_KEYWORDS,
        caseless=True,
    ),
    Gate(inspection=Inspection.SPELLED_NEARBY, pattern=" -(?:[up]|-user)&nbsp;", literals=(" -",)),
)

# These have no literal; each engine searches for them in its own way. The engines report the first run alone: the rule
# for runs looks for the others itself, most of which nothing can make a secret.
RUN = Gate(inspection=Inspection.RUN, pattern=rf"[A-Za-z0-9]{{{RUN_LENGTH}}}", literals=(), once=True)

# The first padding of base64; the rule for key pairs in base64 looks for the others itself.
PAIR = Gate(inspection=Inspection.PAIR, pattern=rf"[A-Za-z0-9+/_\-]{{{RUN_LENGTH}}}==", literals=(), once=True)


def _of_token(token: Token, prefix: str) -> Gate:
    body = f"[{token.alphabet}]{{{token.least}}}" if token.least else ""
    pattern = f"{re.escape(prefix)}{body}"
    return Gate(
        inspection=Inspection.TOKEN, pattern=pattern, literals=(prefix,), length=len(prefix) + token.least, token=token
    )


@functools.cache
def gates() -> tuple[Gate, ...]:
    """Return every gate; a gate's number is its place. Those of signs of HTML beside names stand last, then escapes."""
    tokens = [_of_token(token, prefix) for token in TOKENS for prefix in token.prefixes]
    return (RUN, PAIR, BROKEN, *_PIECES, *_SPELLED, *_FIXED, *tokens, *_SPELLED_NEARBY, *_ESCAPES)
