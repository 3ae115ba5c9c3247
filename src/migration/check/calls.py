"""Judge one call: the address that it requests, the command or code that it runs, the module that it imports."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.check.command_lines import (
    OTHER_SERVER,
    CommandLines,
    argument,
    display_address,
    executed_text,
    may_start_command,
)
from src.migration.check.evaluate.objects import may_have_dotted_name
from src.migration.check.evaluate.texts import END, START
from src.migration.check.records import Hit
from src.migration.check.vocabulary.words import Vocabulary, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.check.evaluate.evaluator import Evaluator
    from src.migration.check.evaluate.module import Candidate, Scope


@dataclass(frozen=True, slots=True)
class ForeignConstant:
    """A constant of another module that decides whether a call is a direct one.

    Attributes:
        module: The module's dotted name.
        name: The constant's name.
        before: The text before it in the argument.
        rest: The text after it.
    """

    module: str
    name: str
    before: str
    rest: str


# Calls whose first argument is an address, and those that take it as the first or second.
_URL_FIRST = frozenset({
    "post", "get", "put", "patch", "head", "options", "urlopen", "Request", "ws_connect", "urlretrieve", "fetch",
    "HTTPSConnection", "HTTPConnection", "apost", "aget", "websocket_connect", "HTTPSConnectionPool",
    "HTTPConnectionPool", "connection_from_url", "connection_from_host",
})  # fmt: skip
_URL_EARLY = frozenset({"request", "stream", "build_request", "send", "arequest", "urlopen"})
# These take a host or an address among other arguments.
_CONNECTS = frozenset({"create_connection", "connect", "connect_ex", "open_connection", "secure_channel",
                       "WebSocketApp",
                       "insecure_channel", "setopt", "wrap_socket"})  # fmt: skip
_ADDRESS_ATTRIBUTES = frozenset({"base_url", "api_base", "azure_endpoint"})
_SETTINGS_OBJECTS = frozenset(
    {"self", "cls", "args", "config", "cfg", "settings", "options", "opts", "conf", "parser", "namespace"}
)
_STORE_NAME = re.compile(
    r"(?:^|[._?])\w*(?:cache|redis|settings|config|conf|environ|headers|store|memo|seen)(?:\(\))?$", re.IGNORECASE
)
ADDRESS_KEYWORDS = frozenset({
    "base_url", "api_base", "openai_api_base", "azure_endpoint", "endpoint", "api_url", "server_url", "api_endpoint",
    "endpoint_url", "base_uri", "anthropic_api_url",
})  # fmt: skip
_PLAIN_ADDRESS = frozenset({"url", "host", "uri"})
_REQUESTING_NAME = re.compile(
    r"(?:^|_)(?:post|fetch|request|requests|query|send|ask|chat|complet\w*|generat\w*|client|session|invoke|stream|call|hit"
    r"|curl|llm)(?:_|$)|(?:Client|Session|Transport|Connection|LLM|Model|Request)$",
    re.IGNORECASE,
)
_MOCKS = frozenset({"respx", "respx_mock", "requests_mock", "httpretty", "aioresponses", "httpx_mock", "mocker",
                         "httpserver", "httpx2_mock", "mock", "rsps", "pytest", "monkeypatch", "patch"})  # fmt: skip
_SERVER_MODULES = ("responses.", "aiohttp.web.", "?web.")  # a mock of requests; a server's own routes
_FACTORY_CALL = re.compile(
    r"^\.*(?:\w+\.)*models(?:\.\w+)*\.(?:ModelFactory|model_factory)(?:\(\))?\.(?:a?post|get_model)$"
)
_IMPORTERS = frozenset({"import_module", "__import__", "importorskip", "resolve_name", "locate", "run_module",
                        "import_string", "import_from_string", "import_object", "get_loader", "find_loader",
                        "load_module",
                        "module_from_spec", "load_dynamic", "import_by_path"})  # fmt: skip
_IMPORTING_NAME = re.compile(
    r"lazy_?(?:import|load|module)|(?:try|safe|optional)_?import|import_?optional", re.IGNORECASE
)
PASSED_FUNCTIONS = ("requests.", "httpx.", "urllib.", "subprocess.", "os.", "importlib.", "builtins.__import__")
_RUN_TEXTS = frozenset({"exec", "eval", "compile"})
_AWS_CLIENTS = frozenset({"client", "resource", "create_client"})
_JUDGED = _IMPORTERS | _RUN_TEXTS | _AWS_CLIENTS | _URL_FIRST | _URL_EARLY | _CONNECTS | {"attrgetter", "methodcaller"}
_HTTP_LIBRARIES = (
    "requests.",
    "httpx.",
    "httpx2.",
    "aiohttp.",
    "urllib3.",
    "niquests.",
    "curl_cffi.",
    "treq.",
    "asks.",
)


class Calls:
    """Judges the calls of one module. `foreign_constants` collects what other modules must decide."""

    def __init__(self, evaluator: Evaluator, vocabulary: Vocabulary) -> None:
        self.evaluator = evaluator
        self.words = vocabulary
        self.command_lines = CommandLines(evaluator, vocabulary)
        self.foreign_constants: list[ForeignConstant] = []

    def judge(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        """Yield what makes a call a direct one."""
        yield from self._judge(candidate, node)
        for inner in _indirect_calls(node):
            if not self._may_be_judged(inner, candidate.scope):
                continue
            inner_names = self.evaluator.dotted(inner.func, candidate.scope)
            if any(name.startswith(PASSED_FUNCTIONS) for name in inner_names):
                yield from self._judge(candidate, inner)

    def _may_be_judged(self, node: ast.Call, scope: Scope) -> bool:
        """Tell whether a call that is made for a caller may be a direct one, before anything is evaluated."""
        name = own_name(node.func, scope)
        if name is None or may_be_judged(name) or self.command_lines.uses_shell_library:
            return True
        return any(keyword.arg is None or keyword.arg in ADDRESS_KEYWORDS for keyword in node.keywords)

    @staticmethod
    def may_set_address(node: ast.Assign) -> bool:
        """Tell whether an assignment may set a client's address."""
        return any(isinstance(target, ast.Attribute) and target.attr in _ADDRESS_ATTRIBUTES for target in node.targets)

    def assigned(self, candidate: Candidate, node: ast.Assign) -> Iterator[Hit]:
        """Yield a hit where an assignment sets a client's address: `client.base_url = ...`."""
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr in _ADDRESS_ATTRIBUTES:
                owner = target.value.id if isinstance(target.value, ast.Name) else ""
                for text in (
                    self.evaluator.fold(node.value, candidate.scope) if owner and owner not in _SETTINGS_OBJECTS else ()
                ):
                    provider = self._provider(text, target.attr, "", 2)
                    if provider:
                        what = f"{display_address(text)} becomes an address that is called"
                        yield Hit(rule="provider-url", provider=provider, what=what)
                        break

    def _judge(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        last = self._last(node.func, candidate.scope)
        if last in _IMPORTERS or _IMPORTING_NAME.search(last):
            yield from self._imports(candidate, node)
        elif last == "methodcaller":
            yield from self._method(candidate, node)
        elif last in _RUN_TEXTS:
            yield from executed_text(self.evaluator.fold(argument(node, 0), candidate.scope), self.words)
        elif not candidate.decorates:
            noted = len(self.foreign_constants)
            hits = list(self._addresses(candidate, node, last))
            if (hits or len(self.foreign_constants) > noted) and not self._requests(node, candidate.scope):
                hits = []
                del self.foreign_constants[noted:]
            yield from hits
            if may_start_command(last) or self.command_lines.uses_shell_library:
                names = self.evaluator.dotted(node.func, candidate.scope)
                if not _is_mock(names) and not _is_factory(names):
                    yield from self.command_lines.hits(candidate, node, names, last)
            if last in _AWS_CLIENTS:
                yield from self._bedrock(candidate, node)

    def _requests(self, node: ast.Call, scope: Scope) -> bool:
        """Tell whether what is called may send requests: it is no imitation, no store, and not the factory."""
        names = self.evaluator.dotted(node.func, scope)
        if _is_mock(names) or _is_factory(names):
            return False
        return not any(_STORE_NAME.search(name.rpartition(".")[0]) for name in names)

    def _last(self, node: ast.expr, scope: Scope) -> str:
        name = own_name(node, scope)
        return _last(node, self.evaluator.dotted(node, scope)) if name is None else name

    def _method(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        """Yield hits for `methodcaller("import_module", "openai")(importlib)`."""
        if not _IMPORTERS.isdisjoint(self.evaluator.fold(argument(node, 0), candidate.scope)):
            yield from self._imports(candidate, ast.Call(func=node.func, args=node.args[1:], keywords=[]))

    def _imports(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        name = argument(node, 0, "name", "modname", "mod_name")
        packages = self.evaluator.fold(argument(node, 9, "package"), candidate.scope)
        for text in self.evaluator.fold(name, candidate.scope):
            modules = [package + text for package in packages] if text.startswith(".") else [text.replace(":", ".")]
            for module in modules:
                provider = self.words.provider_of_module(module)
                if provider:
                    yield Hit(rule="dynamic-import", provider=provider, what=f"{module} is imported by name")
                self._note_foreign_constant(module)

    # Addresses

    def _addresses(self, candidate: Candidate, node: ast.Call, last: str) -> Iterator[Hit]:
        names = self.evaluator.dotted(node.func, candidate.scope) if START in last else ()
        requests = _is_requesting(last) or any(name.startswith(_HTTP_LIBRARIES) for name in names)
        for name, value, strength in self._arguments(candidate, node, last, requests):
            if not strength:
                continue
            for text in self.evaluator.fold(value, candidate.scope):
                provider = self._provider(text, name, last, strength)
                if provider:
                    yield Hit(rule="provider-url", provider=provider, what=f"{display_address(text)} is called")
                    break
                if strength == 2:
                    self._note_foreign_constant(text)

    def _provider(self, text: str, keyword: str, last: str, strength: int) -> str | None:
        provider = self.words.provider_of_url(text)
        if not provider and (keyword in ADDRESS_KEYWORDS | {"host"} or "Connection" in last or last in _CONNECTS):
            provider = self.words.provider_of_host(text)
        if not provider and strength == 2 and is_model_server_path(text):
            provider = "ollama" if "ollama" in text.lower() else OTHER_SERVER
        return provider

    def _arguments(
        self, candidate: Candidate, node: ast.Call, last: str, requests: bool
    ) -> Iterator[tuple[str, ast.AST, int]]:
        """Yield arguments with how surely each is an address that is requested: 2 surely, 1 if it looks like one."""
        for index, value in enumerate(node.args):
            surely = (last in _URL_FIRST and index == 0) or (last in _URL_EARLY and index < 2)
            if last in _CONNECTS:  # a host, or a pair of host and port
                yield "", value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value, 1
            elif surely or requests:
                yield "", value, 2 if surely else 1
        for keyword in node.keywords:
            if keyword.arg is None:
                for container in self.evaluator.containers(keyword.value, candidate.scope):
                    yield from (self._keyword(name, value, last, requests) for name, value in container)
            else:
                yield self._keyword(keyword.arg, keyword.value, last, requests)

    @staticmethod
    def _keyword(name: str, value: ast.AST, last: str, requests: bool) -> tuple[str, ast.AST, int]:
        if name in ADDRESS_KEYWORDS:
            return name, value, 2
        if name in _PLAIN_ADDRESS and (last in _URL_FIRST | _URL_EARLY):
            return name, value, 2
        return name, value, int(requests and name in _PLAIN_ADDRESS)

    def _note_foreign_constant(self, text: str) -> None:
        """Note the first unknown part of a text where it is another module's constant: `@module.NAME`."""
        before, _, after = text.partition(f"{START}@")
        if not after or START in before:
            return
        label, _, rest = after.partition(END)
        module, _, name = label.rpartition(".")
        if module and name.isidentifier() and "(" not in module:
            rest = rest.replace(START, "").replace(END, "")
            self.foreign_constants.append(
                ForeignConstant(module=module, name=name, before=before[:200], rest=rest[:200])
            )

    def _bedrock(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        for text in self.evaluator.fold(argument(node, 0, "service_name"), candidate.scope):
            if text in {"bedrock-runtime", "bedrock-agent-runtime"}:
                yield Hit(rule="sdk-call", provider="bedrock", what=f"a client of {text} is made")


@lru_cache(maxsize=4096)
def _is_requesting(name: str) -> bool:
    return _REQUESTING_NAME.search(name) is not None


@lru_cache(maxsize=4096)
def may_be_judged(name: str) -> bool:
    """Tell whether a call of something with this last name may be a direct one."""
    return (
        name in _JUDGED or _is_requesting(name) or may_start_command(name) or _IMPORTING_NAME.search(name) is not None
    )


def own_name(node: ast.expr, scope: Scope) -> str | None:
    """Return the last name of an expression where it can have no other; None where it may."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if not isinstance(node, ast.Name):
        return None
    bindings = scope.find(node.id)
    if bindings is None:
        return None if scope.top().stars else node.id
    return None if any(isinstance(value, str) or may_have_dotted_name(value) for value in bindings) else node.id


def _last(node: ast.expr, names: tuple[str, ...]) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and "__builtins__" in ast.unparse(node):
        return str(node.slice.value)
    for name in names:  # an import under an alias is known by its own name
        if not name.startswith("?"):
            return name.rstrip("()").rpartition(".")[2]
    return node.id if isinstance(node, ast.Name) else names[0].rpartition(".")[2].lstrip("?")


def _indirect_calls(node: ast.Call) -> Iterator[ast.Call]:
    """Yield the calls that are made for a caller: `submit(post, url)`, `Thread(target=post, args=(url,))`."""
    is_map = _last(node.func, ("?",)) in {"map", "imap", "imap_unordered", "starmap", "amap"}
    for index, function in enumerate(node.args[:3]):
        if isinstance(function, (ast.Name, ast.Attribute)):
            rest: list[ast.expr] = node.args[index + 1 :]
            if is_map:
                rest = [ast.Subscript(value=values, slice=ast.Constant(None)) for values in rest]
            yield ast.Call(func=function, args=rest, keywords=node.keywords)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if "target" in keywords:
        arguments = keywords.get("args")
        elements = arguments.elts if isinstance(arguments, (ast.Tuple, ast.List)) else []
        yield ast.Call(func=keywords["target"], args=elements, keywords=[])


def _is_factory(names: tuple[str, ...]) -> bool:
    """Tell whether a call is the factory's own, which records the request that it makes."""
    return all(_FACTORY_CALL.search(name) for name in names)


def _is_mock(names: tuple[str, ...]) -> bool:
    roots = {re.split(r"[.(\[]", name.lstrip("?"))[0] for name in names}
    return bool(roots & _MOCKS) or any(name.startswith(_SERVER_MODULES) for name in names)
