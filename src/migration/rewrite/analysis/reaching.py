"""Reaching definitions: which assignments of a local name can reach each place that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.migration.rewrite.analysis.tree import Binding, Tree

State = dict[str, frozenset["Binding"]]  # the bindings of each name that can reach a point; None for unreachable code


@dataclass(slots=True)
class _Loop:
    """The states in which `break` and `continue` leave the body of a loop."""

    broken: list[State] = field(default_factory=list)
    continued: list[State] = field(default_factory=list)


def _join(states: Iterable[State | None]) -> State | None:
    """Return the state where several paths meet; None where none of them is reachable."""
    joined: State | None = None
    for state in states:
        if state is None:
            continue
        if joined is None:
            joined = dict(state)
            continue
        for name, bindings in state.items():
            joined[name] = joined.get(name, frozenset()) | bindings
    return joined


class ReachingDefinitions:
    """The bindings that can reach each read in one scope.

    All bindings of a name reach an inner function that reads it, since it may run at any time.

    Attributes:
        tree: The module.
        scope: The scope that is followed, statement by statement.
        reads: For each name that is read, the bindings that can reach it; names in unreachable code are missing.
    """

    def __init__(self, tree: Tree, scope: cst.FunctionDef | cst.Module) -> None:
        self.tree = tree
        self.scope = scope
        self.reads: dict[cst.Name, frozenset[Binding]] = {}
        self._bindings: dict[cst.CSTNode, list[Binding]] = {}
        self._loops: list[_Loop] = []
        self._handler_entries: list[list[State]] = []
        for bindings in tree.bound.get(scope, {}).values():
            for binding in bindings:
                self._bindings.setdefault(binding.node, []).append(binding)
        start: State = {}
        for bindings in self._bindings.values():
            for binding in bindings:
                if binding.kind == "param":
                    start[binding.name] = frozenset({binding})
        body = scope.body.body if isinstance(scope, cst.FunctionDef) else scope.body
        self._block(body, start)

    def _block(self, body: Sequence[cst.CSTNode], state: State | None) -> State | None:
        for statement in body:
            if state is None:  # the rest of the block is unreachable
                break
            state = self._statement(statement, state)
        return state

    def _suite(self, suite: cst.BaseSuite | None, state: State | None) -> State | None:
        return self._block(suite.body, state) if suite is not None else state

    def _statement(self, node: cst.CSTNode, state: State) -> State | None:
        match node:
            case cst.SimpleStatementLine(body=body):
                return self._block(body, state)
            case cst.If():
                return self._if(node, state)
            case cst.While() | cst.For():
                return self._loop(node, state)
            case cst.Try() | cst.TryStar():
                return self._try(node, state)
            case cst.With():
                for item in node.items:
                    state = self._evaluate(item, state)
                return self._suite(node.body, state)
            case cst.Match():
                return self._match(node, state)
            case cst.FunctionDef() | cst.ClassDef():
                self._read_inner_scopes(node)
                return self._bind(node, state)
        return self._end_of_path(node, self._evaluate(node, state))

    def _end_of_path(self, node: cst.CSTNode, state: State) -> State | None:
        """Return the state after a small statement; None after `break`, `continue`, `return` and `raise`."""
        if isinstance(node, cst.Break) and self._loops:
            self._loops[-1].broken.append(state)
            return None
        if isinstance(node, cst.Continue) and self._loops:
            self._loops[-1].continued.append(state)
            return None
        return None if isinstance(node, cst.Return | cst.Raise) else state

    def _evaluate(self, node: cst.CSTNode, state: State) -> State:
        """Record the reads in a node without control flow, and return the state after its bindings."""
        self._record_for_handlers(state)
        for part in walk(node):
            if isinstance(part, cst.Name) and self.tree.is_load(part):
                self._read(part, state)
        for part in walk(node):
            state = self._bind(part, state)
        self._record_for_handlers(state)
        return state

    def _record_for_handlers(self, state: State) -> None:
        """Record a state in which an exception may enter the handlers of the enclosing `try` statements."""
        for states in self._handler_entries:
            states.append(state)

    def _read(self, node: cst.Name, state: State) -> None:
        scope = self.tree.scope(node)
        if self.tree.binding_scope(node.value, scope) is not self.scope:
            return
        is_deferred = scope is not self.scope and isinstance(scope, cst.FunctionDef | cst.Lambda)
        reaching = self._all_bindings(node.value) if is_deferred else state.get(node.value, frozenset())
        self.reads[node] = self.reads.get(node, frozenset()) | reaching

    def _read_inner_scopes(self, node: cst.CSTNode) -> None:
        for part in walk(node):
            if not isinstance(part, cst.Name) or not self.tree.is_load(part):
                continue
            if self.tree.binding_scope(part.value, self.tree.scope(part)) is self.scope:
                self.reads[part] = self._all_bindings(part.value)

    def _all_bindings(self, name: str) -> frozenset[Binding]:
        return frozenset(self.tree.bound.get(self.scope, {}).get(name, ()))

    def _bind(self, node: cst.CSTNode, state: State) -> State:
        for binding in self._bindings.get(node, ()):
            if binding.kind == "del":
                state = {name: bindings for name, bindings in state.items() if name != binding.name}
            elif binding.kind == "aug":
                state = {**state, binding.name: state.get(binding.name, frozenset()) | {binding}}
            else:
                state = {**state, binding.name: frozenset({binding})}
        return state

    def _if(self, node: cst.If, state: State) -> State | None:
        state = self._evaluate(node.test, state)
        body = self._suite(node.body, state)
        other = node.orelse
        if isinstance(other, cst.If):
            return _join((body, self._if(other, state)))
        return _join((body, self._suite(other.body, state) if other is not None else state))

    def _loop(self, node: cst.While | cst.For, state: State) -> State | None:
        loop_state: State | None = state
        loop = _Loop()
        body_end: State | None = state
        for _ in range(3):  # the bindings of one pass reach the reads of the next
            loop = _Loop()
            self._loops.append(loop)
            entry = _join((loop_state, state)) or state
            after_header = self._evaluate(node.test if isinstance(node, cst.While) else node.iter, entry)
            body_state = after_header
            if isinstance(node, cst.For):
                body_state = self._evaluate(node.target, self._bind(node.target, after_header))
            body_end = self._suite(node.body, body_state)
            self._loops.pop()
            loop_state = _join((loop_state, body_end, *loop.continued))
        after_loop = _join((state, loop_state))
        rest = self._suite(node.orelse.body, after_loop) if node.orelse is not None else after_loop
        return _join((rest, *loop.broken))

    def _try(self, node: cst.Try | cst.TryStar, state: State) -> State | None:
        raised: list[State] = [state]
        self._handler_entries.append(raised)
        after_body = self._suite(node.body, state)
        self._handler_entries.pop()
        if node.orelse is not None:
            after_body = self._suite(node.orelse.body, after_body)
        entry = _join(raised) or state
        ends: list[State | None] = [after_body]
        for handler in node.handlers:
            handler_state = self._bind(handler, entry)
            if handler.type is not None:
                handler_state = self._evaluate(handler.type, handler_state)
            ends.append(self._suite(handler.body, handler_state))
        joined = _join(ends)
        if node.finalbody is None:
            return joined
        final = self._suite(node.finalbody.body, _join((joined, entry)))
        return final if joined is not None else None

    def _match(self, node: cst.Match, state: State) -> State | None:
        state = self._evaluate(node.subject, state)
        ends: list[State | None] = [state]
        for case in node.cases:
            case_state = self._evaluate(case.pattern, state)
            if case.guard is not None:
                case_state = self._evaluate(case.guard, case_state)
            ends.append(self._suite(case.body, case_state))
        return _join(ends)
