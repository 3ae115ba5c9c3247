"""Find the direct calls of one file, whatever its path and the configuration are."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from src.migration.check import notebook
from src.migration.check.calls import Calls, own_name
from src.migration.check.comments import allows_in
from src.migration.check.evaluate.evaluator import Evaluator
from src.migration.check.evaluate.module import Candidate, Module, first_line, header_end
from src.migration.check.evaluate.texts import END, START
from src.migration.check.node_filter import NodeFilter, judged_attributes
from src.migration.check.presence import without_stale
from src.migration.check.records import Facts, Hit, Pending, Site
from src.migration.check.traced import untraced
from src.migration.check.vocabulary.word_filter import Interest
from src.migration.check.vocabulary.words import (
    CHAT_VERBS,
    CLIENTS,
    Vocabulary,
    chain_kind,
    is_model_server_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.evaluate.module import Binding, Scope

UNKNOWN = "a provider"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MOCK_ATTRIBUTES = frozenset({
    "return_value", "side_effect", "call_args", "call_args_list", "call_count", "called", "mock_calls", "reset_mock",
    "assert_called", "assert_called_once", "assert_called_with", "assert_called_once_with", "assert_not_called",
    "assert_any_call", "assert_has_calls", "assert_awaited", "assert_awaited_once", "assert_awaited_once_with",
    "assert_not_awaited", "await_args", "await_count",
})  # fmt: skip


def facts_of(source: bytes, vocabulary: Vocabulary, interest: Interest = Interest.NAMES) -> Facts:
    """Return what a file holds. Text that is not Python gives one site of the rule `unparseable`; nothing is raised.

    Args:
        source: The file.
        vocabulary: The names to look for.
        interest: What a quick look said. A file that is not Python and spells no provider out gives no site.
    """
    facts = _facts(source, vocabulary)
    is_broken = any(site.rule == "unparseable" for site in facts.sites)
    return Facts() if is_broken and interest is not Interest.NAMES else facts


def _facts(source: bytes, vocabulary: Vocabulary) -> Facts:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        analysis = _Analysis(tree, source, vocabulary)
        try:
            return analysis.facts()
        finally:
            analysis.module.release()
    except SyntaxError as error:
        why = error.msg or "it is no Python"
        return unparseable(error.lineno or 1, error.offset or 1, f"{why} (read as Python {_VERSION})")
    except ValueError as error:
        return unparseable(1, 1, str(error))
    except (RecursionError, MemoryError):
        return unparseable(1, 1, "it is nested too deeply")


def facts_of_notebook(source: bytes, vocabulary: Vocabulary) -> Facts:
    """Return what the code cells of a notebook hold; a cell that is not Python gives a site of its own."""
    try:
        book = notebook.read(source)
    except notebook.NotANotebook as error:
        return unparseable(1, 1, str(error)) if vocabulary.may_matter(source) else Facts()
    module = book.module.encode("utf-8", "replace")
    facts = facts_of(module, vocabulary, vocabulary.interest(module)) if vocabulary.may_matter(module) else Facts()
    faults = tuple(
        unparseable(cell.number * notebook.CELL + 1, 1, cell.fault).sites[0]
        for cell in book.cells
        if cell.fault and vocabulary.may_matter(cell.source.encode("utf-8", "replace"))
    )
    facts = notebook.encoded(facts, book)
    return replace(facts, sites=(*facts.sites, *faults))


def unparseable(line: int, column: int, why: str) -> Facts:
    """Return the facts of a file that cannot be read as Python."""
    line, column = max(line, 1), max(column, 1)
    site = Site(
        rule="unparseable", line=line, column=column, first=line, last=line, provider="", what=why[:200], text=""
    )
    return Facts(sites=(site,))


class _Analysis:
    """Analyses one file, which is parsed, indexed and evaluated once."""

    def __init__(self, tree: ast.Module, source: bytes, vocabulary: Vocabulary) -> None:
        self.tree = tree
        self.words = vocabulary
        self.source = source
        self.module = Module(tree, judged_attributes(vocabulary))
        self.evaluator = Evaluator(self.module)
        self.calls = Calls(self.evaluator, vocabulary)
        self.node_filter = NodeFilter(self.module, vocabulary, uses_import_function=b"__import__" in source)
        # `sys.modules` is spelled out, or put together for `getattr`.
        self._may_read_modules = b"modules" in source or b"getattr" in source or not source.isascii()
        self.pending: list[Pending] = []

    def facts(self) -> Facts:
        """Judge every place, then read the comments and the constants that other files may use."""
        sites: dict[tuple[object, ...], Site] = {}
        for candidate in self.module.candidates:
            hits = self._judge(candidate)
            if hits is None:
                continue
            self.evaluator.start_candidate()
            self.calls.foreign_constants.clear()
            for hit in hits:
                site = self._site(candidate, hit)
                sites.setdefault((site.rule, site.provider, site.line, site.column), site)
            for constant in self.calls.foreign_constants:
                rule = "dynamic-import" if _is_import(candidate.node) else "provider-url"
                self.pending.append(
                    Pending(
                        module=constant.module,
                        name=constant.name,
                        before=constant.before,
                        rest=constant.rest,
                        site=self._site(candidate, Hit(rule=rule, provider="", what="")),
                    )
                )
        may_trace = bool(sites) and (b".traced(" in self.source or b"http_client(" in self.source)
        remaining = tuple(untraced(sites.values(), self.tree, self.words) if may_trace else sites.values())
        return Facts(
            sites=tuple(sorted(remaining, key=lambda site: (site.line, site.column, site.rule))),
            allows=without_stale(allows_in(self.source), remaining, self.tree),
            exports=tuple(self._exports()),
            pending=tuple(self.pending),
        )

    def _judge(self, candidate: Candidate) -> Iterator[Hit] | None:
        """Return what judges a place when it is asked for its hits; None where the place cannot be a direct call."""
        node = candidate.node
        if isinstance(node, ast.Call):
            return self._call(candidate, node) if self.node_filter.lets_call_through(node, candidate.scope) else None
        if isinstance(node, ast.Attribute):
            return None if isinstance(node.ctx, ast.Store) else self._attribute(candidate, node)
        if isinstance(node, ast.Assign):
            return self.calls.assigned(candidate, node) if self.calls.may_set_address(node) else None
        if isinstance(node, ast.Subscript):
            is_read = self._may_read_modules and not isinstance(node.ctx, (ast.Store, ast.Del))
            return self._loaded(candidate, node) if is_read else None
        if isinstance(node, ast.Import):
            return self._imported(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            return self._imported(f"{node.module}.{alias.name}" for alias in node.names)
        return None

    def _imported(self, names: Iterable[str]) -> Iterator[Hit]:
        for name in names:
            provider = self.words.provider_of_module(name)
            if provider:
                yield Hit(rule="sdk-import", provider=provider, what=f"{name} is imported")

    def _call(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        yield from self.calls.judge(candidate, node)
        if isinstance(node.func, ast.Attribute) and node.func.attr != "attrgetter":
            return
        names = self.evaluator.dotted(node.func, candidate.scope)
        if names[0].rpartition(".")[2].lstrip("?") == "attrgetter":
            texts = self.evaluator.fold(node.args[0] if node.args else None, candidate.scope)
            for text in texts:
                if rule := chain_kind(f".{text}", frozenset()):
                    yield Hit(rule=rule, provider=UNKNOWN, what=f"{text} is read")
        if not isinstance(node.func, ast.Attribute):
            # A method under another name (`create = client.messages.create`), or a function of an SDK.
            for name in names:
                rule = chain_kind(_bare(name), _keywords(node))
                if rule or self._is_sdk_method(name):
                    yield Hit(rule=rule or "sdk-call", provider=self._provider(name), what=f"{_end(name)} is called")
                    return

    def _attribute(self, candidate: Candidate, node: ast.Attribute) -> Iterator[Hit]:
        if self.node_filter.may_name_module(node.attr) and self._is_imported(node, candidate.scope):
            yield from self._through_parent(self.evaluator.dotted(node, candidate.scope), node)
        if (
            not self.node_filter.lets_chain_through(node.attr)
            or getattr(candidate.parent, "attr", None) in _MOCK_ATTRIBUTES
        ):
            return
        names = self.evaluator.dotted(node, candidate.scope)
        is_called = isinstance(candidate.parent, ast.Call) and candidate.parent.func is node
        keywords = _keywords(candidate.parent) if isinstance(candidate.parent, ast.Call) else frozenset()
        for name in sorted(names, key=lambda name: self._provider(name) == UNKNOWN):
            rule = chain_kind(_bare(name), keywords)
            if rule or (is_called and self._is_sdk_method(name)):
                what = f"{_end(name)} is {'called' if is_called else 'used'}"
                yield Hit(rule=rule or "sdk-call", provider=self._provider(name), what=what)
                return
        if is_called and node.attr in CLIENTS and not any(self.words.provider_of_module(_bare(name)) for name in names):
            yield Hit(rule="sdk-call", provider=UNKNOWN, what=f"a client {node.attr} is made")

    @staticmethod
    def _is_imported(node: ast.expr, scope: Scope) -> bool:
        """Tell whether a chain of plain attributes starts at an import."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and any(isinstance(value, str) for value in scope.find(node.id) or ())

    def _through_parent(self, names: tuple[str, ...], node: ast.Attribute) -> Iterator[Hit]:
        """Find an SDK that is reached through a parent package: `import google`, and then `google.genai`."""
        for name in names:
            is_module = "(" not in name and not name.startswith("?") and name.endswith(f".{node.attr}")
            provider = self.words.provider_of_module(name) if is_module else None
            if provider and not self.words.provider_of_module(name.rpartition(".")[0]):
                yield Hit(rule="sdk-import", provider=provider, what=f"{name} is used")

    def _loaded(self, candidate: Candidate, node: ast.Subscript) -> Iterator[Hit]:
        if own_name(node.value, candidate.scope) not in {"modules", None}:
            return
        if not self.evaluator.dotted(node.value, candidate.scope)[0].endswith("sys.modules"):
            return
        for text in self.evaluator.fold(node.slice, candidate.scope):
            provider = self.words.provider_of_module(text)
            if provider:
                yield Hit(rule="dynamic-import", provider=provider, what=f"{text} is taken from sys.modules")

    def _is_sdk_method(self, name: str) -> bool:
        """Tell whether a dotted name is a method that generates text, of an SDK that this module imports."""
        return (
            not name.startswith("?")
            and _bare(name).rpartition(".")[2] in CHAT_VERBS
            and self.words.provider_of_module(_bare(name)) is not None
        )

    def _provider(self, name: str) -> str:
        return (None if name.startswith("?") else self.words.provider_of_module(_bare(name))) or UNKNOWN

    def _exports(self) -> Iterator[tuple[str, str]]:
        """Yield the module's constants that may decide a call elsewhere: `URL`, `Settings.URL`, `URLS.key`."""
        top = self.module.top
        for name, values in list(top.names.items()):
            if all(isinstance(value, str) for value in values):  # imports have their texts elsewhere
                continue
            self.evaluator.start_candidate()
            yield from self._export(name, values, top)
            owner = self.evaluator.objects.class_scope(ast.Name(id=name), top) if values else None
            for inner, inner_values in owner.names.items() if owner else ():
                yield from self._export(f"{name}.{inner}", inner_values, top)
            for value in values:
                for container in self.evaluator.containers(value, top) if isinstance(value, ast.Dict) else ():
                    for key, element in container:
                        yield from self._export(f"{name}.{key}", [element], top)

    def _export(self, name: str, values: list[Binding], scope: Scope) -> Iterator[tuple[str, str]]:
        returned = [
            text
            for value in values
            if isinstance(value, _FUNCTIONS)
            for text in self.evaluator.returned_texts(value, scope, 4)
        ]
        for text in [*returned, *self.evaluator.texts_of(values, "", scope, 4)]:
            if START not in text and self._names_provider(text):
                yield name, text
                return

    def _names_provider(self, text: str) -> bool:
        words = self.words
        provider = words.provider_of_url(text) or words.provider_of_module(text) or words.provider_of_host(text)
        return bool(provider) or is_model_server_path(text)

    @cached_property
    def _lines(self) -> list[bytes]:
        return re.split(rb"\r\n|\r|\n", self.source)

    def _site(self, candidate: Candidate, hit: Hit) -> Site:
        line: int = getattr(candidate.node, "lineno", candidate.statement.lineno)
        raw = self._lines[line - 1] if line <= len(self._lines) else b""
        column = len(raw[: getattr(candidate.node, "col_offset", 0)].decode("utf-8", "replace")) + 1
        return Site(
            rule=hit.rule,
            line=line,
            column=column,
            first=first_line(candidate.statement),
            last=header_end(candidate.statement),
            provider=hit.provider,
            what=hit.what,
            text=raw.decode("utf-8", "replace").strip()[:200],
        )


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
