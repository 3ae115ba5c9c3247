"""Filter files by their words: whether one can contain anything that the check finds, so that few files are parsed."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from src.migration.check.vocabulary.programs import COMMANDS
from src.migration.check.vocabulary.source_words import has_foreign_encoding, spelled_out, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_Pattern = re.Pattern[bytes]


class Interest(Enum):
    """What a file's words say about it."""

    NOTHING = "it holds nothing that the check finds"
    CALLS = "it calls what may take a provider's name, which it may put together from parts or take from another file"
    NAMES = "it spells a provider's name out, or a method of a provider's client"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A reason to parse a file.

    Attributes:
        words: All of them must be in the file, in lower case.
        groups: One pattern of each group must match the file as it is spelled out.
    """

    words: frozenset[bytes]
    groups: tuple[tuple[_Pattern, ...], ...] = ()

    def matches(self, text: bytes) -> bool:
        """Tell whether the patterns match a text that holds the words."""
        return all(any(pattern.search(text) for pattern in group) for group in self.groups)


# Packages with ordinary English names: files use the words in other senses, so only an import or a whole text counts.
_ENGLISH = frozenset({
    "together", "replicate", "instructor", "fireworks", "perplexity", "swarm", "autogen", "marvin", "ag2", "reka",
    "zai", "nebius", "dspy", "cohere", "phi", "agents", "strands", "outlines", "guidance", "agno", "vllm",
    "browser_use",
})  # fmt: skip
# Patterns begin with a constant where they can, since a text is searched fast for one.
_IMPORTS = (
    r"from[\s\\]+{0}\b",
    r"import[\s\\]+(?:[\w.]+(?:[\s\\]+as[\s\\]+\w+)?[\s\\]*,[\s\\]*)*{0}\b",
    r"{0}[.:](?<=[\"']{0}[.:])",
    r"import_module\s*\(\s*[\"']{0}\b",
    r"__import__\s*\(\s*[\"']{0}\b",
)
_WHOLE = r"{0}[\"'](?<=[\"']{0}[\"'])"
_ATTRIBUTE = (r"{0}\b(?<=[.\"']{0})", r"import\b(?:[^\n(]*|\s*\([^)]*)\b{0}\b")
_SPACED_DOT = re.compile(rb"\.[\s\\]+(?=\w)")
# Words of the chains of attributes that `chain_kind` knows: each row is enough.
_CHAINS = (
    "completions", "ChatCompletion", "Completion create", "Completion acreate", "messages create", "messages acreate",
    "messages stream", "messages parse", "messages batches", "messages tool_runner", "responses create",
    "responses acreate", "responses parse", "responses stream", "interactions create", "chats create",
    "chat complete", "chat parse_async", "chat complete_async", "chat stream_async", "generate_content",
    "generate_content_async", "generate_content_stream", "invoke_model", "invoke_model_with_response_stream",
    "converse_stream", "text_generation", "realtime connect", "live connect", "threads create",
    "threads create_and_run", "threads create_and_run_poll", "threads create_and_run_stream",
    "threads create_and_stream", "start_chat send_message", "start_chat send_message_async", "chats send_message",
    "chats send_message_stream", "speech create", "transcriptions create", "translations create", "images generate",
    "images edit", "images create_variation", "videos create", "videos create_and_poll", "videos remix",
    "embeddings create", "moderations create", "assistants create", "threads runs", "embed_content", "text_to_image",
    "generate_images", "generate_videos",
)  # fmt: skip
_PATHS = ("chat/completions", "v1/messages", "v1/completions", "generateContent", "streamGenerateContent", "11434",
          "bedrock", "api.cloudflare.com")  # fmt: skip
# Methods with common names count with keywords that only a provider's take together.
_COMMON_METHODS = ("chat", "generate", "complete", "converse", "chat_completion", "text_generation", "chat_stream",
                   "achat", "create_message")  # fmt: skip
_KEYWORDS = ((re.compile(rb"model(?:Id)?\s*="),), (re.compile(rb"messages?\s*="), re.compile(rb"prompt\s*=")))
_OLD_CLASSES = tuple(re.compile(name) for name in (rb"Embedding\b", rb"Image\b", rb"Audio\b", rb"Moderation\b"))
# A variable that holds a provider's address: `OPENAI_BASE_URL`, `self.ollama_host`.
_ADDRESS_NAMES = (
    (b"ollama", re.compile(rb"ollama")),
    *(
        (owner, re.compile(owner + rb"_?(?:api_?)?(?:base|url|host|endpoint|server|uri)"))
        for owner in (b"openai", b"anthropic", b"claude", b"deepseek", b"groq", b"openrouter", b"xai", b"gemini",
                      b"mistral", b"llm")
    ),
)  # fmt: skip
# Calls that take an address or the name of a module, and how they look where the argument is more than a plain text.
_NOT_PLAIN = (
    rb"(?!\s*\(\s*(?:\)|[bruBRU]{0,2}(?:\"(?:[^.\"\\%{\n][^\"\\%{\n]*)?\"|'(?:[^.'\\%{\n][^'\\%{\n]*)?')\s*[,)]))"
)
_HTTP_MODULES = ("requests", "httpx", "httpx2", "aiohttp", "urllib3", "niquests", "curl_cffi", "websockets",
                 "websocket", "pycurl")  # fmt: skip
# A file has a module where it imports it, by a star perhaps, names it in a text, or takes it from an object. Comments
# and long docstrings speak of requests and of websockets too.
_OF_MODULE = (
    rb"import\b[^\n(]*\b%(name)s\b|import\s*\([^)]*\b%(name)s\b|from[\s\\]+%(name)s\b|\.[\s\\]*%(name)s\b"
    rb"|[\"']%(name)s[\"'.]|import[\s\\]*\*"
)
_CALLS: dict[bytes, _Pattern | None] = {
    **{name.encode(): re.compile(_OF_MODULE % {b"name": name.encode()}) for name in _HTTP_MODULES},
    b"urlopen": None, b"httpsconnection": None, b"httpconnection": None, b"base_url": None, b"api_base": None,
    b"import_module": re.compile(rb"import_module\b(?<!import import_module)" + _NOT_PLAIN + rb"|import_module\s+as\b"),
    b"__import__": re.compile(rb"__import__\b" + _NOT_PLAIN),
    # `df.eval(text)` and `cursor.exec(text)` run no Python; `builtins.exec(text)` does.
    b"exec": re.compile(rb"exec\b(?<!def exec)(?<![.\w]exec)(?=\s*\()" + _NOT_PLAIN),
    b"eval": re.compile(rb"eval\b(?<!def eval)(?<![.\w]eval)(?=\s*\()" + _NOT_PLAIN),
    b"builtins": re.compile(rb"builtins\b[\s\\]*\.[\s\\]*(?:exec|eval)\b"),
    b"__builtins__": re.compile(rb"__builtins__\b[\s\\]*\.[\s\\]*(?:exec|eval)\b"),
    b"post": re.compile(rb"\.post(?=\()" + _NOT_PLAIN),
}  # fmt: skip


class WordFilter:
    """Looks at files for the words of one vocabulary.

    It errs on one side: where it finds nothing, the check would find nothing. A name that is put together from parts
    counts where the file has a call that takes an address or the name of a module.
    """

    def __init__(self, modules: Iterable[str], hosts: Iterable[str], names: Iterable[str]) -> None:
        rules = [
            *(_module_rule(name) for name in modules),
            *(_address_rule(address) for address in (*hosts, *_PATHS)),
            *(_Rule(words=_parts(name)) for name in names),
            *(_chain_rule(row) for row in _CHAINS),
            *(_command_rule(name) for name in COMMANDS),
            *_common_method_rules(),
            *_old_class_rules(),
            _Rule(words=_parts("direct call"), groups=((re.compile(rb"direct-call:"),),)),
        ]
        self._is_blind = any(not rule.words for rule in rules)  # a name of the project's own without an ASCII letter
        self._rules: dict[bytes, list[_Rule]] = defaultdict(list)
        for rule in rules if not self._is_blind else ():
            self._rules[max(rule.words, key=lambda word: (len(word), word))].append(rule)
        self._words = frozenset(_CALLS).union(*(rule.words for rule in rules))

    def interest(self, source: bytes) -> Interest:
        """Tell what a file may hold that the check finds."""
        if self._is_blind or has_foreign_encoding(source):
            return Interest.NAMES
        text = spelled_out(source)
        all_words = words_of(text)
        words = self._words & all_words
        rules = [rule for word in words for rule in self._rules.get(word, ()) if rule.words <= words]
        if rules:
            tight = _SPACED_DOT.sub(b".", text)
            if any(rule.matches(tight) for rule in rules):
                return Interest.NAMES
        joined = b" ".join(all_words)
        if any(owner in joined and pattern.search(joined) for owner, pattern in _ADDRESS_NAMES):
            return Interest.NAMES
        patterns = [_CALLS[word] for word in words if word in _CALLS]
        if any(pattern is None or pattern.search(text) for pattern in patterns):
            return Interest.CALLS
        return Interest.NOTHING


def _parts(text: str) -> frozenset[bytes]:
    return frozenset(words_of(text.encode()))


def _group(templates: Iterable[str], name: str) -> tuple[_Pattern, ...]:
    return tuple(re.compile(template.replace("{0}", re.escape(name)).encode()) for template in templates)


def _module_rule(name: str) -> _Rule:
    """Return a rule for a module; each part of its name is in a file that imports it."""
    first = name.partition(".")[0]
    if first not in _ENGLISH:
        return _Rule(words=_parts(name))
    return _Rule(words=_parts(name), groups=(_group(_IMPORTS if "." in name else (*_IMPORTS, _WHOLE), first),))


def _address_rule(address: str) -> _Rule:
    """Return a rule for a host or a path whose parts follow one another, in one text or in adjacent ones."""
    parts = [part.encode() for part in re.findall(r"\w+", address, re.ASCII)]
    between = rb"\W+(?:[fFrRbBuU]{1,2}[\"'])?"
    return _Rule(words=_parts(address), groups=((re.compile(between.join(parts), re.IGNORECASE),),))


def _chain_rule(row: str) -> _Rule:
    return _Rule(words=_parts(row), groups=tuple(_group(_ATTRIBUTE, name) for name in row.split()))


def _command_rule(name: str) -> _Rule:
    if name == "gh":  # calls a model as `gh copilot` alone
        return _Rule(words=_parts("gh copilot"))
    return _Rule(words=_parts(name), groups=(_group((r"[\"' /]{0}[\"' ]",), name),) if name == "mods" else ())


def _common_method_rules() -> list[_Rule]:
    return [
        _Rule(words=_parts(f"{method} {model} {question}"), groups=_KEYWORDS)
        for method in _COMMON_METHODS
        for model in ("model", "modelId")
        for question in ("messages", "prompt", "message")
    ]


def _old_class_rules() -> list[_Rule]:
    """Return rules for the classes of OpenAI's SDK before its version 1, such as `Embedding.create`."""
    return [
        _Rule(words=_parts(f"{name} {verb}"), groups=(_OLD_CLASSES, _group(_ATTRIBUTE, verb)))
        for name in ("embedding", "image", "audio", "moderation")
        for verb in ("create", "acreate", "transcribe", "atranscribe", "edit", "aedit")
    ]
