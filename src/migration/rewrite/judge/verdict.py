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
    from src.migration.rewrite.judge.outside import ForeignCall, Mentions
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
    """Both texts: the calls of the old one that the claims are about, and those of the new one that stand for them."""

    old: Program
    new: Program
    claimed: Mapping[Claim, ast.Call]
    models: Mapping[Claim, ast.Call]
    asked: Mapping[Claim, ast.Call]


def objections_to(
    before: str,
    after: str,
    claims: Sequence[Claim],
    *,
    module: str = "",
    users: Iterable[Path] = (),
    bases: Iterable[Path] = (),
    fixtures: Iterable[Path] = (),
) -> list[Objection]:
    """Return what is not understood of a rewritten module.

    Args:
        before: The module's old text.
        after: Its new text.
        claims: What was changed, as the plan has it.
        module: The module's name, without those of its packages.
        users: The other files that can reach its objects.
        bases: The files that it imports, which may have the base classes of its classes.
        fixtures: The files with the fixtures of tests, which need not import it to put something in a name's place.
    """
    try:
        texts = _aligned(before, after, claims)
    except Misaligned as error:
        return [Objection(claim=None, reason=str(error))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [Objection(claim=None, reason="the new text is not understood")]
    mentions, inherited = mentions_in(users), mentions_in(bases)
    calls = mentions.calls | inherited.calls
    old_state = _interpreted(texts.old, _raw_replies(texts), calls)
    new_state = _interpreted(texts.new, _origins(texts), calls)
    if old_state is None or new_state is None:
        return [Objection(claim=None, reason="the file is too intricate to be followed")]
    return [
        *_leaks(texts, new_state, before, after),
        *_patches(old_state, new_state),
        *_invented_reads(texts, old_state, new_state, before, after),
        *_wrong_receivers(texts, old_state),
        *_unclear_results(texts.asked, new_state),
        *_uses_outside(texts.models, new_state, mentions, inherited),
        *_options_outside(texts, mentions),
        *_lost_names(texts.old, texts.new, module, mentions),
        *_replaced_names(texts.old, module, (mentions, mentions_in(fixtures))),
    ]


def _aligned(before: str, after: str, claims: Sequence[Claim]) -> _Texts:
    old, new = program_of(before), program_of(after)
    claimed = calls_before(before, old, claims)
    return _Texts(
        old=old,
        new=new,
        claimed=claimed,
        models=calls_after(old, new, claimed, models=True),
        asked=calls_after(old, new, claimed, models=False),
    )


def _origins(texts: _Texts) -> dict[ast.AST, str]:
    """Return the calls of the new text that make what the judge watches, each with the kind of object."""
    origins: dict[ast.AST, str] = dict.fromkeys(texts.models.values(), "model")
    for node in texts.asked.values():
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        origins[node] = "stream" if method in words.STREAM_METHODS else "reply"
    return origins


def _raw_replies(texts: _Texts) -> dict[ast.AST, str]:
    """Return the calls of the old text whose replies are whole, which are the SDK's own."""
    new = _origins(texts)
    return {texts.claimed[claim]: "raw" for claim, node in texts.asked.items() if new[node] == "reply"}


def _invented_reads(texts: _Texts, old: State, new: State, before: str, after: str) -> list[Objection]:
    """Return objections to reads of the SDK's own replies that the old text has not."""
    objections = []
    for claim, node in texts.asked.items():
        known = old.raw_reads.get(texts.claimed[claim], {})
        for path, line in new.raw_reads.get(node, {}).items():
            if path not in known:
                where = f"line {lines_before(before, after).get(line, line)}"
                reason = f"{where}: {'.'.join(path)} of the SDK's own reply is read, which the program does not read"
                objections.append(Objection(claim=claim, reason=reason))
                break
    return objections


def _leaks(texts: _Texts, state: State, before: str, after: str) -> list[Objection]:
    """Return objections to models and replies that are used in a way that is not understood."""
    claim_of = {node: claim for claim, node in (*texts.models.items(), *texts.asked.items())}
    leaks = {origin: leak for origin, leak in state.leaks.items() if origin in claim_of}
    line_before = lines_before(before, after) if leaks else {}
    return [
        Objection(claim=claim_of[origin], reason=f"line {line_before.get(leak.line, leak.line)}: {leak.reason}")
        for origin, leak in leaks.items()
    ]


def _interpreted(program: Program, origins: Mapping[ast.AST, str], calls: Iterable[ForeignCall]) -> State | None:
    state = State(program=program)
    open_to_callers(program, state, calls)
    try:
        return state if Interpreter(program, state, origins).run() else None
    except RecursionError:
        return None


def _wrong_receivers(texts: _Texts, state: State) -> list[Objection]:
    """Return objections to calls that may be made on something else than the clients which become models."""
    objections = []
    for claim, node in texts.claimed.items():
        receivers = state.receivers.get(node)
        if claim.kind == "model" or receivers is None:
            continue
        reason = _receiver_fault(claim, node, receivers, texts)
        if claim.kind == "inline" and not reason:
            leaks = [state.leaks[atom.node] for atom in receivers if atom.node in state.leaks]
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
    inherits = any(state.program.has_foreign_base(owner) for owner in state.program.classes)
    claim_of = {node: claim for claim, node in models.items()}
    objections = []
    for key, value in state.facts.items():
        origins = _models_in(value, state)
        name = _name_of(key)
        if not origins or not name:
            continue
        is_used = name in users.inherited_attributes if key[0] == "parameter" else users.uses(name)
        if inherits and key[0] in ("attribute", "result"):
            is_used = is_used or name in bases.own_attributes or name in bases.attributes
        if is_used:
            reason = f"another file may use {name}"
            objections += [Objection(claim=claim_of[node], reason=reason) for node in origins if node in claim_of]
    return objections


def _options_outside(texts: _Texts, users: Mentions) -> list[Objection]:
    """Return objections to calls with a dictionary of options that other files may change by its name."""
    return [
        Objection(claim=claim, reason=f"another file may change {ast.unparse(keyword.value)}")
        for claim, node in texts.claimed.items()
        for keyword in node.keywords
        if keyword.arg is None and isinstance(keyword.value, ast.Name)
        if keyword.value.id in texts.old.module.names and users.uses(keyword.value.id)
    ]


def _lost_names(old: Program, new: Program, module: str, users: Mentions) -> list[Objection]:
    """Return objections to the loss of names, such as imported classes, which other files take from this one."""
    lost = sorted(name for name in old.module.names - new.module.names if (module, name) in users.members)
    return [Objection(claim=None, reason=f"another file uses {name} of this one") for name in lost]


def _replaced_names(old: Program, module: str, others: Sequence[Mentions]) -> list[Objection]:
    """Return objections to calls through names of an SDK in whose place other files, such as tests, put something."""
    pairs = {pair for mentions in others for pair in mentions.replaced}
    packages = {name for mentions in others for name in mentions.replaced_in} - {"google"}  # of which much is no SDK
    imported: dict[str, str] = {}
    for node in ast.walk(old.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            imported |= {alias.asname or alias.name: f"{prefix}{alias.name}" for alias in node.names}
    names = {name: full for name, full in imported.items() if words.is_sdk(full)}
    return [
        Objection(claim=None, reason=f"another file puts something in the place of {full}")
        for name, full in sorted(names.items())
        if (module, name) in pairs or full.partition(".")[0] in packages
    ]


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
    if key[0] in ("result", "parameter") and isinstance(key[1], FUNCTIONS):
        return getattr(key[1], "name", "")
    return ""
