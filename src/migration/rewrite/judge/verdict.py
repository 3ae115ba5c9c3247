"""The verdict on a rewritten module: which of its changes are not understood, and must be taken back."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.migration.rewrite.judge import vocabulary as words
from src.migration.rewrite.judge.claims import Misaligned, calls_after, calls_before
from src.migration.rewrite.judge.outside import mentions_in, open_to_callers
from src.migration.rewrite.judge.program import FUNCTIONS, program_of
from src.migration.rewrite.judge.state import State
from src.migration.rewrite.judge.statements import Interpreter
from src.migration.rewrite.line_map import lines_before

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from src.migration.rewrite.judge.atoms import Atom
    from src.migration.rewrite.judge.claims import Claim
    from src.migration.rewrite.judge.outside import Mentions
    from src.migration.rewrite.judge.program import Program


@dataclass(frozen=True, slots=True)
class Objection:
    """A change that must be taken back.

    Attributes:
        claim: The change; None for all changes of the file.
        reason: Why, in the report's words.
    """

    claim: Claim | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Texts:
    """The old text with what is claimed of it, and the calls of the new one that stand for the claims."""

    old: Program
    claimed: Mapping[Claim, ast.Call]
    models: Mapping[Claim, ast.Call]
    asked: Mapping[Claim, ast.Call]
    old_state: State


def objections_to(
    before: str, after: str, claims: Sequence[Claim], users: Iterable[Path] = (), bases: Iterable[Path] = ()
) -> list[Objection]:
    """Return what is not understood of a rewritten module.

    Args:
        before: The module's old text.
        after: Its new text.
        claims: What was changed, as the plan has it.
        users: The other files that can reach its objects.
        bases: The files that it imports, which may have the base classes of its classes.
    """
    try:
        old, new = program_of(before), program_of(after)
        claimed = calls_before(before, old, claims)
        models = calls_after(old, new, claimed, models=True)
        asked = calls_after(old, new, claimed, models=False)
    except Misaligned as error:
        return [Objection(claim=None, reason=str(error))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [Objection(claim=None, reason="the new text is not understood")]
    mentions = mentions_in(users)
    origins: dict[ast.AST, str] = dict.fromkeys(models.values(), "model")
    for node in asked.values():
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        origins[node] = "stream" if method in words.STREAM_METHODS else "reply"
    old_state, new_state = _interpreted(old, {}, mentions), _interpreted(new, origins, mentions)
    if old_state is None or new_state is None:
        return [Objection(claim=None, reason="the file is too intricate to be followed")]
    claim_of = {node: claim for claim, node in (*models.items(), *asked.items())}
    leaks = {origin: leak for origin, leak in new_state.leaks.items() if origin in claim_of}
    line_before = lines_before(before, after) if leaks else {}
    objections = [
        Objection(claim=claim_of[origin], reason=f"line {line_before.get(leak.line, leak.line)}: {leak.reason}")
        for origin, leak in leaks.items()
    ]
    objections += _patches(old_state, new_state)
    texts = _Texts(old=old, claimed=claimed, models=models, asked=asked, old_state=old_state)
    objections += _wrong_receivers(texts)
    objections += _unclear_results(asked, new_state)
    objections += _uses_outside(models, new_state, mentions, mentions_in(bases))
    return objections


def _interpreted(program: Program, origins: Mapping[ast.AST, str], mentions: Mentions) -> State | None:
    state = State(program=program)
    open_to_callers(program, state, mentions)
    try:
        return state if Interpreter(program, state, origins).run() else None
    except RecursionError:
        return None


def _wrong_receivers(texts: _Texts) -> list[Objection]:
    """Return objections to calls that may be made on something else than the clients which become models."""
    objections = []
    for claim, node in texts.claimed.items():
        receivers = texts.old_state.receivers.get(node)
        if claim.kind == "model" or receivers is None:
            continue
        reason = _receiver_fault(claim, node, receivers, texts)
        if claim.kind == "inline" and not reason:
            leaks = [texts.old_state.leaks[atom.node] for atom in receivers if atom.node in texts.old_state.leaks]
            reason = f"line {leaks[0].line}: {leaks[0].reason}" if leaks else ""
        if reason:
            objections.append(Objection(claim=claim, reason=reason))
    return objections


def _patches(*states: State) -> list[Objection]:
    """Return objections where the program replaces something of an SDK."""
    patches = {what for state in states for what in state.patches.values()}
    return [Objection(claim=None, reason=what) for what in sorted(patches)]


def _receiver_fault(claim: Claim, node: ast.Call, receivers: frozenset[Atom], texts: _Texts) -> str:
    known = [atom for atom in receivers if atom.kind != "none"]
    where = f"{ast.unparse(node.func)[:60]} in line {node.lineno}"
    if not known:
        return f"what {where} is called on is not known"
    if claim.kind == "factory":
        return "" if all(atom.kind in ("factory", "other") for atom in known) else f"{where} is not a model's client"
    if any(atom.kind == "import" for atom in known):
        return "" if len(known) == 1 and words.is_module_call(known[0].name) else f"{where} may be something else"
    if any(atom.kind != "client" for atom in known):
        return f"{where} may be called on something else than a client"
    for atom in known:
        if not words.has_method(atom.name, atom.path) and not _never_arrives(claim, atom, node, texts):
            line = getattr(atom.node, "lineno", 1)
            return f"{where} may be called on the client of line {line}, which has no such method"
    if claim.kind == "inline":
        return "" if len(known) == 1 else f"{where} may be called on several clients"
    converted = {call for other, call in texts.claimed.items() if other.kind == "model"}
    return f"{where} may be called on a client that stays" if any(a.node not in converted for a in known) else ""


def _never_arrives(claim: Claim, client: Atom, node: ast.Call, texts: _Texts) -> bool:
    """Tell whether a client that lacks a method never meets its call, or the new text refuses the client's model."""
    assert client.node is not None  # noqa: S101 - a client has the call that makes it
    if any((test, not outcome) in texts.old.tests(node) for test, outcome in texts.old.tests(client.node)):
        return True
    model = next((call for other, call in texts.models.items() if texts.claimed[other] is client.node), None)
    func = texts.asked[claim].func
    narrowing = func.value if isinstance(func, ast.Attribute) else None
    if model is None or not isinstance(narrowing, ast.Call) or not isinstance(narrowing.func, ast.Attribute):
        return False
    accepted = {arg.value for arg in narrowing.args if isinstance(arg, ast.Constant)}
    provider = model.args[0].value if model.args and isinstance(model.args[0], ast.Constant) else None
    return narrowing.func.attr == words.NARROWING and provider is not None and provider not in accepted


def _unclear_results(asked: Mapping[Claim, ast.Call], state: State) -> list[Objection]:
    """Return objections to calls of the new text that may be made on something else than a model."""
    objections = []
    for claim, node in asked.items():
        receivers = [atom for atom in state.receivers.get(node, ()) if atom.kind != "none"]
        allowed = ("model", "factory", "other") if claim.kind == "factory" else ("model",)
        if node in state.receivers and (not receivers or any(atom.kind not in allowed for atom in receivers)):
            text = ast.unparse(node.func)[:60]
            objections.append(Objection(claim=claim, reason=f"{text} may be called on something else than a model"))
    return objections


def _uses_outside(models: Mapping[Claim, ast.Call], state: State, users: Mentions, bases: Mentions) -> list[Objection]:
    """Return objections to models that other files may use by a name of this file."""
    classes = state.program.classes
    known_bases = words.KNOWN_BASES | {owner.name for owner in classes}
    inherits = any(ast.unparse(base) not in known_bases for owner in classes for base in owner.bases)
    claim_of = {node: claim for claim, node in models.items()}
    objections = []
    for key, value in state.facts.items():
        held = _models_in(value, state)
        if not held:
            continue
        name, is_used = _name_of(key), False
        if key[0] in ("global", "attribute", "result") and name:
            is_used = users.uses(name)
        if key[0] == "attribute" and inherits:
            is_used = is_used or name in bases.own_attributes or name in bases.attributes
        if is_used:
            reason = f"another file may use {name}"
            objections += [Objection(claim=claim_of[node], reason=reason) for node in held if node in claim_of]
    return objections


def _models_in(value: frozenset[Atom], state: State) -> set[ast.AST]:
    """Return the origins of the models that a value is or holds."""
    nodes: set[ast.AST] = set()
    seen: set[ast.AST] = set()
    pending = list(value)
    while pending:
        atom = pending.pop()
        if atom.kind == "model" and atom.node is not None:
            nodes.add(atom.node)
        elif atom.kind in ("container", "pair") and atom.node is not None and atom.node not in seen:
            seen.add(atom.node)
            pending += state.items(atom.node)
    return nodes


def _name_of(key: tuple[object, ...]) -> str:
    """Return the name by which other files could reach a place."""
    if key[0] == "global":
        return str(key[1])
    if key[0] == "attribute":
        return str(key[2])
    if key[0] == "result" and isinstance(key[1], FUNCTIONS):
        return getattr(key[1], "name", "")
    return ""
