"""Judge one call: an address it asks, a command it starts, code it runs, a module it imports by name."""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.migration.check_folding import END, START, Folder
from src.migration.check_vocabulary import COMMANDS, LLM_HARMLESS, Vocabulary, path_of_model_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check_names import Place

OTHER_SERVER = "another server"
Hit = tuple[str, str, str]  # rule, provider, what


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name a constant of another module on which a judgement waits, and what stands after it."""

    module: str
    name: str
    rest: str


_FIRST = frozenset({"post", "get", "put", "patch", "head", "options", "urlopen", "Request", "ws_connect", "urlretrieve",
                    "fetch", "HTTPSConnection", "HTTPConnection", "apost", "aget", "websocket_connect"})  # fmt: skip
_SECOND = frozenset({"request", "stream", "build_request", "send", "arequest"})
_ADDRESS = frozenset({"base_url", "api_base", "openai_api_base", "azure_endpoint", "endpoint", "api_url", "server_url",
                      "api_endpoint", "endpoint_url", "base_uri", "anthropic_api_url"})  # fmt: skip
_PLAIN_ADDRESS = frozenset({"url", "host", "uri"})
_ASKS = re.compile(
    r"(?:^|_)(?:post|fetch|request|requests|query|send|ask|chat|complet\w*|generat\w*|client|session|invoke|stream|call|hit"
    r"|curl|llm)(?:_|$)|(?:Client|Session|Transport|Connection|LLM|Model|Request)$",
    re.IGNORECASE,
)
_IMITATIONS = frozenset({"respx", "respx_mock", "requests_mock", "httpretty", "aioresponses", "httpx_mock", "mocker",
                         "httpx2_mock", "mock", "rsps", "pytest", "monkeypatch", "patch"})  # fmt: skip
_FACTORY = re.compile(r"^\.*(?:\w+\.)*models(?:\.\w+)*\.(?:ModelFactory|model_factory)(?:\(\))?\.(?:a?post|get_model)$")
_RUN = frozenset({"run", "call", "Popen", "check_output", "check_call", "getoutput", "getstatusoutput", "system",
                  "popen",
                  "create_subprocess_exec", "create_subprocess_shell", "spawn"})  # fmt: skip
_STARTERS = ("subprocess", "os.", "asyncio.", "pexpect", "anyio.", "trio.", "plumbum", "invoke.", "sh.")
_IMPORTERS = frozenset({"import_module", "__import__", "importorskip", "resolve_name", "locate", "run_module"})
_LAZY = re.compile(r"lazy_?(?:import|load|module)|(?:try|safe|optional)_?import|import_?optional", re.IGNORECASE)
_HANDED = ("requests.", "httpx.", "urllib.", "subprocess.", "os.", "importlib.", "?__import__")
_SHELL = re.compile(r"[|;&\n(`]+")
_PREFIXES = frozenset({"sudo", "env", "nohup", "time", "timeout", "npx", "uvx", "exec", "nice", "bash", "sh", "-c",
                       "cmd",
                       "/c", "xargs", "-y", "-lc", "uv", "tool", "pipx"})  # fmt: skip
_FETCHERS = frozenset({"curl", "wget", "http", "https", "xh"})
_RUNS_MODULE = re.compile(r"python[\d.]*$")


class Calls:
    """Judge calls with the help of one module's folder and a vocabulary."""

    def __init__(self, folder: Folder, vocabulary: Vocabulary) -> None:
        self.folder = folder
        self.words = vocabulary
        self.wanted: list[Wanted] = []

    def judge(self, place: Place, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        """Give everything that one call does wrong; `names` are the dotted names of what is called."""
        yield from self._judge(place, node, names)
        for inner in _handed_on(node):
            handed = self.folder.dotted(inner.func, place.scope)
            if any(name.startswith(_HANDED) for name in handed):
                yield from self._judge(place, inner, handed)

    def _judge(self, place: Place, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        last = _last(node.func, names)
        if last in _IMPORTERS or _LAZY.search(last):
            yield from self._imports(place, node)
        elif last in {"exec", "eval", "compile"}:
            yield from self._code(self.folder.fold(_argument(node, 0), place.scope))
        elif not place.decorates and not _imitates(names) and not _is_factory(names):
            yield from self._addresses(place, node, last)
            yield from self._commands(place, node, names, last)
            if last in {"client", "resource"}:
                yield from self._bedrock(place, node)

    def _imports(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        argument = _argument(node, 0, "name", "modname", "mod_name")
        packages = self.folder.fold(_argument(node, 9, "package"), place.scope)
        for text in self.folder.fold(argument, place.scope):
            whole = [package + text for package in packages] if text.startswith(".") else [text.replace(":", ".")]
            for one in whole:
                provider = self.words.sdk(one)
                if provider:
                    yield "dynamic-import", provider, f"{one} is imported by name"
                self._want(one)

    def _code(self, texts: Iterable[str]) -> Iterator[Hit]:
        for text in texts:
            if START in text or not any(word in text for word in ("import", "create")):
                continue
            try:
                tree = ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for name in _imported(tree):
                provider = self.words.sdk(name)
                if provider:
                    yield "dynamic-import", provider, f"{name} is imported in a text that is run"

    # Addresses

    def _addresses(self, place: Place, node: ast.Call, last: str) -> Iterator[Hit]:
        for name, value, strength in self._arguments(place, node, last):
            for text in self.folder.fold(value, place.scope):
                provider = self._provider(text, name, last, strength)
                if provider:
                    yield "provider-url", provider, f"{_shown(text)} is called"
                    break
                if strength == 2:
                    self._want(text)

    def _provider(self, text: str, keyword: str, last: str, strength: int) -> str | None:
        provider = self.words.url(text)
        if not provider and (keyword in _ADDRESS | {"host"} or "Connection" in last):
            provider = self.words.host(text)
        if not provider and strength == 2 and path_of_model_server(text):
            provider = "ollama" if "ollama" in text.lower() else OTHER_SERVER
        return provider if strength else None

    def _arguments(self, place: Place, node: ast.Call, last: str) -> Iterator[tuple[str, ast.AST, int]]:
        """Give arguments with how surely each is an address that is asked: 2 surely, 1 if it looks like one."""
        asks = bool(_ASKS.search(last))
        for index, argument in enumerate(node.args):
            surely = (last in _FIRST and index == 0) or (last in _SECOND and index < 2)
            if surely or asks:
                yield "", argument, 2 if surely else 1
        for keyword in node.keywords:
            if keyword.arg is None:
                for container in self.folder.containers(keyword.value, place.scope):
                    yield from (self._keyword(name, value, last, asks) for name, value in container)
            else:
                yield self._keyword(keyword.arg, keyword.value, last, asks)

    @staticmethod
    def _keyword(name: str, value: ast.AST, last: str, asks: bool) -> tuple[str, ast.AST, int]:
        if name in _ADDRESS:
            return name, value, 2
        if name in _PLAIN_ADDRESS and (last in _FIRST | _SECOND):
            return name, value, 2
        return name, value, int(asks and name in _PLAIN_ADDRESS)

    def _want(self, text: str) -> None:
        """Note a constant that another module holds: the text starts with `@module.NAME`."""
        if text.startswith(f"{START}@"):
            label, _, rest = text[2:].partition(END)
            module, _, name = label.rpartition(".")
            if module and name.isidentifier() and "(" not in module:
                self.wanted.append(Wanted(module, name, rest.replace(START, "").replace(END, "")[:200]))

    def _bedrock(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        for text in self.folder.fold(_argument(node, 0, "service_name"), place.scope):
            if text == "bedrock-runtime":
                yield "sdk-call", "bedrock", "a client of bedrock-runtime is made"

    # Command lines

    def _commands(self, place: Place, node: ast.Call, names: tuple[str, ...], last: str) -> Iterator[Hit]:
        known = last in _RUN | {"shell", "cmd"} or last.startswith(("exec", "spawn"))
        if not (known or re.search(r"run|exec|popen|spawn|shell|command", last, re.IGNORECASE)):
            return
        surely = known and any(name.lstrip("?").startswith(_STARTERS) for name in names)
        if surely and last.startswith(("create_subprocess_exec", "exec", "spawnl", "spawnv")):
            yield from self._line([self.folder.fold(one, place.scope) for one in node.args])
        argument = _argument(node, 0, "args", "cmd", "command")
        if argument is None:
            return
        for container in self.folder.containers(argument, place.scope):
            yield from self._line([self.folder.fold(value, place.scope) for _, value in container])
        if surely:
            for text in self.folder.fold(argument, place.scope):
                for part in _SHELL.split(text):
                    yield from self._line([(word.strip("\"'"),) for word in part.split()])

    def _line(self, words: list[tuple[str, ...]]) -> Iterator[Hit]:
        """Judge one command line, each word of which may be one of several texts."""
        while words and any(_skippable(one) for one in words[0]):
            words = words[1:]
        rest = [text for word in words[1:] for text in word]
        for program in words[0] if words else ():
            name = re.split(r"[/\\]", program)[-1].removesuffix(".exe").removesuffix(".cmd")
            if name in _FETCHERS:
                yield from self._fetched(name, rest)
            elif _RUNS_MODULE.match(name) or program.endswith("sys.executable" + END):
                yield from self._python(words[1:])
            elif name in COMMANDS and _is_call(name, rest):
                yield "provider-command", COMMANDS[name][0], f"the {name} command is started"

    def _fetched(self, program: str, rest: list[str]) -> Iterator[Hit]:
        for text in rest:
            provider = self.words.url(text) or (OTHER_SERVER if path_of_model_server(text) else None)
            if provider:
                yield "provider-url", provider, f"{_shown(text)} is called with {program}"

    def _python(self, words: list[tuple[str, ...]]) -> Iterator[Hit]:
        for flag, word in itertools.pairwise(words):
            for text in word:
                if "-c" in flag:
                    yield from self._code([text])
                provider = self.words.sdk(text) if "-m" in flag else None
                if provider:
                    yield "provider-command", provider, f"{text} is run as a module"


def _is_call(program: str, rest: list[str]) -> bool:
    words = COMMANDS[program][1]
    if words:
        return any(word in words for word in rest)
    return bool(rest) and rest[0] not in LLM_HARMLESS


def _skippable(word: str) -> bool:
    return word in _PREFIXES or word.isdigit() or bool(re.fullmatch(r"\w+=\S*", word))


def _last(node: ast.expr, names: tuple[str, ...]) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    for name in names:  # an import under another name goes by its own
        if not name.startswith("?"):
            return name.rstrip("()").rpartition(".")[2]
    return node.id if isinstance(node, ast.Name) else names[0].rpartition(".")[2].lstrip("?")


def _handed_on(node: ast.Call) -> Iterator[ast.Call]:
    """Give the calls that a call makes for us, as in `submit(post, url)` and `Thread(target=post, args=(url,))`."""
    each = _last(node.func, ("?",)) in {"map", "imap", "imap_unordered", "starmap", "amap"}
    for index, argument in enumerate(node.args[:3]):
        if isinstance(argument, (ast.Name, ast.Attribute)):
            rest: list[ast.expr] = node.args[index + 1 :]
            if each:
                rest = [ast.Subscript(value=one, slice=ast.Constant(None)) for one in rest]
            yield ast.Call(func=argument, args=rest, keywords=node.keywords)
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    if "target" in named:
        arguments = named.get("args")
        given = arguments.elts if isinstance(arguments, (ast.Tuple, ast.List)) else []
        yield ast.Call(func=named["target"], args=given, keywords=[])


def _is_factory(names: tuple[str, ...]) -> bool:
    """Tell the factory's own `post`, which records the request that it makes."""
    return all(_FACTORY.search(name) for name in names)


def _imitates(names: tuple[str, ...]) -> bool:
    roots = {re.split(r"[.(\[]", name.lstrip("?"))[0] for name in names}
    return bool(roots & _IMITATIONS)


def _argument(node: ast.Call, index: int, *keywords: str) -> ast.expr | None:
    for keyword in node.keywords:
        if keyword.arg in keywords:
            return keyword.value
    return node.args[index] if index < len(node.args) else None


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(text)), *_]):
                yield text


def _shown(text: str) -> str:
    plain = re.sub(f"{START}([^{END}]*){END}", r"{\1}", text).replace("{@", "{")
    return (plain[:77] + "...") if len(plain) > 80 else plain
