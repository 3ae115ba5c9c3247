"""Find every place of one file that calls a provider directly, whatever its path and the configuration are."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from src.migration.check.calls import Calls
from src.migration.check.comments import allows_in
from src.migration.check.evaluate.folding import END, START, Folder
from src.migration.check.evaluate.module import Module, Place, first_line, header_end
from src.migration.check.records import Facts, Pending, Site
from src.migration.check.vocabulary.words import (
    CHAT_VERBS,
    CLIENTS,
    Vocabulary,
    chain_kind,
    is_model_server_path,
    may_end_chain,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.command_lines import Hit
    from src.migration.check.evaluate.module import Binding, Scope

UNKNOWN = "a provider"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OF_IMITATIONS = frozenset({
    "return_value", "side_effect", "call_args", "call_args_list", "call_count", "called", "mock_calls", "reset_mock",
    "assert_called", "assert_called_once", "assert_called_with", "assert_called_once_with", "assert_not_called",
    "assert_any_call", "assert_has_calls", "assert_awaited", "assert_awaited_once", "assert_awaited_once_with",
    "assert_not_awaited", "await_args", "await_count",
})  # fmt: skip


def facts_of(source: bytes, vocabulary: Vocabulary) -> Facts:
    """Return what a file holds. Text that is not Python gives one site of the rule `unparseable`; nothing is raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return _Sites(tree, source, vocabulary).facts()
    except SyntaxError as error:
        return _unparseable(error.lineno or 1, error.offset or 1, error.msg or "it is no Python")
    except ValueError as error:
        return _unparseable(1, 1, str(error))
    except (RecursionError, MemoryError):
        return _unparseable(1, 1, "it is nested too deeply")


def _unparseable(line: int, column: int, why: str) -> Facts:
    line, column = max(line, 1), max(column, 1)
    return Facts(sites=(Site("unparseable", line, column, line, line, "", why[:200], ""),))


class _Sites:
    def __init__(self, tree: ast.Module, source: bytes, vocabulary: Vocabulary) -> None:
        self.words = vocabulary
        self.source = source
        self.lines = re.split(rb"\r\n|\r|\n", source)
        self.module = Module(tree)
        self.folder = Folder(self.module)
        self.calls = Calls(self.folder, vocabulary)
        self.pending: list[Pending] = []

    def facts(self) -> Facts:
        """Judge every place, then read the comments and the constants that other files may use."""
        found: dict[tuple[object, ...], Site] = {}
        for place in self.module.places:
            self.folder.start()
            self.calls.wanted.clear()
            for rule, provider, what in self._judge(place):
                site = self._site(place, rule, provider, what)
                found.setdefault((site.rule, site.provider, site.line, site.column), site)
            for wanted in self.calls.wanted:
                rule = "dynamic-import" if _is_import(place.node) else "provider-url"
                site = self._site(place, rule, "", "")
                self.pending.append(Pending(wanted.module, wanted.name, wanted.before, wanted.rest, site))
        ordered = sorted(found.values(), key=lambda site: (site.line, site.column, site.rule))
        return Facts(tuple(ordered), allows_in(self.source), tuple(self._exports()), tuple(self.pending))

    def _judge(self, place: Place) -> Iterator[Hit]:
        match place.node:
            case ast.Import(names=names):
                yield from self._imported(alias.name for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from self._imported(f"{module}.{alias.name}" for alias in names)
            case ast.Call() as node:
                yield from self._call(place, node)
            case ast.Attribute() as node if not isinstance(node.ctx, ast.Store):
                yield from self._attribute(place, node)
            case ast.Assign() as node:
                yield from self.calls.assigned(place, node)
            case ast.Subscript() as node if not isinstance(node.ctx, (ast.Store, ast.Del)):
                yield from self._loaded(place, node)

    def _imported(self, names: Iterable[str]) -> Iterator[Hit]:
        for name in names:
            provider = self.words.provider_of_module(name)
            if provider:
                yield "sdk-import", provider, f"{name} is imported"

    def _call(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        names = self.folder.dotted(node.func, place.scope)
        yield from self.calls.judge(place, node, names)
        if names[0].rpartition(".")[2].lstrip("?") == "attrgetter":
            texts = self.folder.fold(node.args[0] if node.args else None, place.scope)
            yield from (
                (kind, UNKNOWN, f"{text} is read") for text in texts if (kind := chain_kind(f".{text}", frozenset()))
            )
        if not isinstance(node.func, ast.Attribute):
            # A method under another name (`create = client.messages.create`), or a function of an SDK.
            for name in names:
                kind = chain_kind(_bare(name), _keywords(node))
                if kind or self._verb(name):
                    yield kind or "sdk-call", self._owner(name), f"{_end(name)} is called"
                    return

    def _attribute(self, place: Place, node: ast.Attribute) -> Iterator[Hit]:
        if self._is_imported(node, place.scope):
            yield from self._reached(self.folder.dotted(node, place.scope), node)
        if not may_end_chain(node.attr) or getattr(place.parent, "attr", None) in _OF_IMITATIONS:
            return
        names = self.folder.dotted(node, place.scope)
        called = isinstance(place.parent, ast.Call) and place.parent.func is node
        keywords = _keywords(place.parent) if isinstance(place.parent, ast.Call) else frozenset()
        known = sorted(names, key=lambda name: self._owner(name) == UNKNOWN)
        for name in known:
            kind = chain_kind(_bare(name), keywords)
            if kind or (called and self._verb(name)):
                yield kind or "sdk-call", self._owner(name), f"{_end(name)} is {'called' if called else 'used'}"
                return
        if called and node.attr in CLIENTS and not any(self.words.provider_of_module(_bare(name)) for name in names):
            yield "sdk-call", UNKNOWN, f"a client {node.attr} is made"

    @staticmethod
    def _is_imported(node: ast.expr, scope: Scope) -> bool:
        """Tell whether a chain of plain attributes starts at an import."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and any(isinstance(one, str) for one in scope.find(node.id) or ())

    def _reached(self, names: tuple[str, ...], node: ast.Attribute) -> Iterator[Hit]:
        """Find an SDK that was imported by way of its parent: `import google` and then `google.genai`."""
        for name in names:
            plain = "(" not in name and not name.startswith("?") and name.endswith(f".{node.attr}")
            provider = self.words.provider_of_module(name) if plain else None
            if provider and not self.words.provider_of_module(name.rpartition(".")[0]):
                yield "sdk-import", provider, f"{name} is used"

    def _loaded(self, place: Place, node: ast.Subscript) -> Iterator[Hit]:
        if not self.folder.dotted(node.value, place.scope)[0].endswith("sys.modules"):
            return
        for text in self.folder.fold(node.slice, place.scope):
            provider = self.words.provider_of_module(text)
            if provider:
                yield "dynamic-import", provider, f"{text} is taken from sys.modules"

    def _verb(self, name: str) -> bool:
        """Tell whether a dotted name is a method of an SDK that this module imported, and asks for text."""
        return (
            not name.startswith("?")
            and _bare(name).rpartition(".")[2] in CHAT_VERBS
            and self.words.provider_of_module(_bare(name)) is not None
        )

    def _owner(self, name: str) -> str:
        return (None if name.startswith("?") else self.words.provider_of_module(_bare(name))) or UNKNOWN

    def _exports(self) -> Iterator[tuple[str, str]]:
        """Give the module's constants that mean something in a call elsewhere: `URL`, `Settings.URL`, `URLS.key`."""
        top = self.module.top
        for name, values in list(top.names.items()):
            self.folder.start()
            yield from self._export(name, values, top)
            owner = self.folder.objects.owner(ast.Name(id=name), top) if values else None
            for inner in owner.names if owner else ():
                yield from self._export(f"{name}.{inner}", owner.names[inner] if owner else [], top)
            for value in values:
                for container in self.folder.containers(value, top) if isinstance(value, ast.Dict) else ():
                    for key, one in container:
                        yield from self._export(f"{name}.{key}", [one], top)

    def _export(self, name: str, values: list[Binding], scope: Scope) -> Iterator[tuple[str, str]]:
        given = [
            text for one in values if isinstance(one, _FUNCTIONS) for text in self.folder.given_back(one, scope, 4)
        ]
        for text in [*given, *self.folder.bound(values, "", scope, 4)]:
            known = (
                self.words.provider_of_url(text)
                or self.words.provider_of_module(text)
                or self.words.provider_of_host(text)
            )
            if START not in text and (known or is_model_server_path(text)):
                yield name, text
                return

    def _site(self, place: Place, rule: str, provider: str, what: str) -> Site:
        line: int = getattr(place.node, "lineno", place.statement.lineno)
        raw = self.lines[line - 1] if line <= len(self.lines) else b""
        column = len(raw[: getattr(place.node, "col_offset", 0)].decode("utf-8", "replace")) + 1
        text = raw.decode("utf-8", "replace").strip()[:200]
        first, last = first_line(place.statement), header_end(place.statement)
        return Site(rule, line, column, first, last, provider, what, text)


def _is_import(node: ast.AST) -> bool:
    name = getattr(getattr(node, "func", None), "attr", None) or getattr(getattr(node, "func", None), "id", "")
    return "import" in str(name)


def _keywords(node: ast.Call) -> frozenset[str | None]:
    return frozenset(keyword.arg for keyword in node.keywords)


def _bare(name: str) -> str:
    return name.replace("()", "").replace("[]", "")


def _end(name: str) -> str:
    parts = re.sub(f"{START}[^{END}]*{END}", "", _bare(name)).lstrip("?").split(".")
    return ".".join(parts[-3:])
