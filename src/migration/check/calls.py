"""Judge one call: an address it asks, a command it starts, code it runs, a module it imports by name."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.migration.check.command_lines import OTHER_SERVER, Lines, argument, run_text, shown
from src.migration.check.evaluate.folding import END, START, Folder
from src.migration.check.vocabulary.words import Vocabulary, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.check.command_lines import Hit
    from src.migration.check.evaluate.module import Place


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name a constant of another module on which a judgement waits, and what stands before and after it."""

    module: str
    name: str
    before: str
    rest: str


_FIRST = frozenset({"post", "get", "put", "patch", "head", "options", "urlopen", "Request", "ws_connect", "urlretrieve",
                    "fetch", "HTTPSConnection", "HTTPConnection", "apost", "aget", "websocket_connect",
                    "HTTPSConnectionPool",
                    "HTTPConnectionPool", "connection_from_url", "connection_from_host"})  # fmt: skip
_SECOND = frozenset({"request", "stream", "build_request", "send", "arequest", "urlopen"})
# What opens a connection to a host, or is told an address in passing.
_CONNECTS = frozenset({"create_connection", "connect", "connect_ex", "open_connection", "secure_channel",
                       "WebSocketApp",
                       "insecure_channel", "setopt", "wrap_socket"})  # fmt: skip
_SETS = frozenset({"base_url", "api_base", "azure_endpoint"})
_KEPT = frozenset(
    {"self", "cls", "args", "config", "cfg", "settings", "options", "opts", "conf", "parser", "namespace"}
)
_STORES = re.compile(
    r"(?:^|[._?])\w*(?:cache|redis|settings|config|conf|environ|headers|store|memo|seen)(?:\(\))?$", re.IGNORECASE
)
_ADDRESS = frozenset({"base_url", "api_base", "openai_api_base", "azure_endpoint", "endpoint", "api_url", "server_url",
                      "api_endpoint", "endpoint_url", "base_uri", "anthropic_api_url"})  # fmt: skip
_PLAIN_ADDRESS = frozenset({"url", "host", "uri"})
_ASKS = re.compile(
    r"(?:^|_)(?:post|fetch|request|requests|query|send|ask|chat|complet\w*|generat\w*|client|session|invoke|stream|call|hit"
    r"|curl|llm)(?:_|$)|(?:Client|Session|Transport|Connection|LLM|Model|Request)$",
    re.IGNORECASE,
)
_IMITATIONS = frozenset({"respx", "respx_mock", "requests_mock", "httpretty", "aioresponses", "httpx_mock", "mocker",
                         "httpserver", "httpx2_mock", "mock", "rsps", "pytest", "monkeypatch", "patch"})  # fmt: skip
_SERVES = ("responses.", "aiohttp.web.", "?web.")  # imported: an imitation; a server's own routes
_FACTORY = re.compile(r"^\.*(?:\w+\.)*models(?:\.\w+)*\.(?:ModelFactory|model_factory)(?:\(\))?\.(?:a?post|get_model)$")
_IMPORTERS = frozenset({"import_module", "__import__", "importorskip", "resolve_name", "locate", "run_module",
                        "import_string", "import_from_string", "import_object", "get_loader", "find_loader",
                        "load_module",
                        "module_from_spec", "load_dynamic", "import_by_path"})  # fmt: skip
_LAZY = re.compile(r"lazy_?(?:import|load|module)|(?:try|safe|optional)_?import|import_?optional", re.IGNORECASE)
_HANDED = ("requests.", "httpx.", "urllib.", "subprocess.", "os.", "importlib.", "?__import__")
_HTTP = ("requests.", "httpx.", "httpx2.", "aiohttp.", "urllib3.", "niquests.", "curl_cffi.", "treq.", "asks.")


class Calls:
    """Judge calls with the help of one module's folder and a vocabulary."""

    def __init__(self, folder: Folder, vocabulary: Vocabulary) -> None:
        self.folder = folder
        self.words = vocabulary
        self.lines = Lines(folder, vocabulary)
        self.wanted: list[Wanted] = []

    def judge(self, place: Place, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        """Give everything that one call does wrong; `names` are the dotted names of what is called."""
        yield from self._judge(place, node, names)
        for inner in _handed_on(node):
            handed = self.folder.dotted(inner.func, place.scope)
            if any(name.startswith(_HANDED) for name in handed):
                yield from self._judge(place, inner, handed)

    def assigned(self, place: Place, node: ast.Assign) -> Iterator[Hit]:
        """Give the address that an object of somebody else's is told: `client.base_url = ...`."""
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr in _SETS:
                owner = target.value.id if isinstance(target.value, ast.Name) else ""
                for text in self.folder.fold(node.value, place.scope) if owner and owner not in _KEPT else ():
                    provider = self._provider(text, target.attr, "", 2)
                    if provider:
                        yield "provider-url", provider, f"{shown(text)} becomes an address that is called"
                        break

    def _judge(self, place: Place, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        last = _last(node.func, names)
        if last in _IMPORTERS or _LAZY.search(last):
            yield from self._imports(place, node)
        elif last in {"exec", "eval", "compile"}:
            yield from run_text(self.folder.fold(argument(node, 0), place.scope), self.words)
        elif not place.decorates and not _imitates(names) and not _is_factory(names):
            if not any(_STORES.search(name.rpartition(".")[0]) for name in names):
                yield from self._addresses(place, node, last, names)
            yield from self.lines.commands(place, node, names, last)
            if last in {"client", "resource", "create_client"}:
                yield from self._bedrock(place, node)

    def _imports(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        given = argument(node, 0, "name", "modname", "mod_name")
        packages = self.folder.fold(argument(node, 9, "package"), place.scope)
        for text in self.folder.fold(given, place.scope):
            whole = [package + text for package in packages] if text.startswith(".") else [text.replace(":", ".")]
            for one in whole:
                provider = self.words.provider_of_module(one)
                if provider:
                    yield "dynamic-import", provider, f"{one} is imported by name"
                self._want(one)

    # Addresses

    def _addresses(self, place: Place, node: ast.Call, last: str, names: tuple[str, ...]) -> Iterator[Hit]:
        asks = _ASKS.search(last) is not None or (START in last and any(name.startswith(_HTTP) for name in names))
        for name, value, strength in self._arguments(place, node, last, asks):
            for text in self.folder.fold(value, place.scope):
                provider = self._provider(text, name, last, strength)
                if provider:
                    yield "provider-url", provider, f"{shown(text)} is called"
                    break
                if strength == 2:
                    self._want(text)

    def _provider(self, text: str, keyword: str, last: str, strength: int) -> str | None:
        provider = self.words.provider_of_url(text)
        if not provider and (keyword in _ADDRESS | {"host"} or "Connection" in last or last in _CONNECTS):
            provider = self.words.provider_of_host(text)
        if not provider and strength == 2 and is_model_server_path(text):
            provider = "ollama" if "ollama" in text.lower() else OTHER_SERVER
        return provider if strength else None

    def _arguments(self, place: Place, node: ast.Call, last: str, asks: bool) -> Iterator[tuple[str, ast.AST, int]]:
        """Give arguments with how surely each is an address that is asked: 2 surely, 1 if it looks like one."""
        for index, given in enumerate(node.args):
            surely = (last in _FIRST and index == 0) or (last in _SECOND and index < 2)
            if last in _CONNECTS:  # a host, or a pair of host and port
                yield "", given.elts[0] if isinstance(given, ast.Tuple) and given.elts else given, 1
            elif surely or asks:
                yield "", given, 2 if surely else 1
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
        """Note a constant that another module holds: `@module.NAME`, the first of a text that is unknown."""
        before, _, after = text.partition(f"{START}@")
        if not after or START in before:
            return
        label, _, rest = after.partition(END)
        module, _, name = label.rpartition(".")
        if module and name.isidentifier() and "(" not in module:
            self.wanted.append(Wanted(module, name, before[:200], rest.replace(START, "").replace(END, "")[:200]))

    def _bedrock(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        for text in self.folder.fold(argument(node, 0, "service_name"), place.scope):
            if text in {"bedrock-runtime", "bedrock-agent-runtime"}:
                yield "sdk-call", "bedrock", f"a client of {text} is made"


def _last(node: ast.expr, names: tuple[str, ...]) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and "__builtins__" in ast.unparse(node):
        return str(node.slice.value)
    for name in names:  # an import under another name goes by its own
        if not name.startswith("?"):
            return name.rstrip("()").rpartition(".")[2]
    return node.id if isinstance(node, ast.Name) else names[0].rpartition(".")[2].lstrip("?")


def _handed_on(node: ast.Call) -> Iterator[ast.Call]:
    """Give the calls that a call makes for us, as in `submit(post, url)` and `Thread(target=post, args=(url,))`."""
    each = _last(node.func, ("?",)) in {"map", "imap", "imap_unordered", "starmap", "amap"}
    for index, given in enumerate(node.args[:3]):
        if isinstance(given, (ast.Name, ast.Attribute)):
            rest: list[ast.expr] = node.args[index + 1 :]
            if each:
                rest = [ast.Subscript(value=one, slice=ast.Constant(None)) for one in rest]
            yield ast.Call(func=given, args=rest, keywords=node.keywords)
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    if "target" in named:
        arguments = named.get("args")
        elements = arguments.elts if isinstance(arguments, (ast.Tuple, ast.List)) else []
        yield ast.Call(func=named["target"], args=elements, keywords=[])


def _is_factory(names: tuple[str, ...]) -> bool:
    """Tell the factory's own `post`, which records the request that it makes."""
    return all(_FACTORY.search(name) for name in names)


def _imitates(names: tuple[str, ...]) -> bool:
    roots = {re.split(r"[.(\[]", name.lstrip("?"))[0] for name in names}
    return bool(roots & _IMITATIONS) or any(name.startswith(_SERVES) for name in names)
