"""Report entries for the places of one migrated file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code
from src.migration.rewrite.edit import allow_marks
from src.migration.rewrite.find.calls import bases_of
from src.migration.rewrite.records import LEFT, MIGRATED, NON_CHAT, REVIEW, TRACED, UNKNOWN_CLIENT, ReportedSite, Site
from src.migration.rewrite.translate.reply_reads import reads_any_delta

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator, Value
    from src.migration.rewrite.find.raw_posts import Post
    from src.migration.rewrite.find.traceable import TraceableClient
    from src.migration.rewrite.plan import Move, Plan

_ASK = 'ModelFactory.get_model("{provider}", model).generate_response(system_prompt, user_content)'
_PRINTED_BLOCK = re.compile(r"TextBlock\\?\(text=")
_NAME_ERRORS = "name the classes of src.models.errors that docs/errors.md lists"


def of_calls(
    plan: Plan,
    clients: list[TraceableClient],
    values: Evaluator,
    name: str,
    fault: str,
    undefined: dict[str, list[cst.Name]],
    traced_sdks: frozenset[str],
) -> list[ReportedSite]:
    """Return what became of each call that asks for text.

    Args:
        plan: The plan of the file.
        clients: The clients that stay, and are traced where they are made.
        values: What the file's expressions can be.
        name: The file's name in reports.
        fault: Why the whole file stays as it was; empty where it does not.
        undefined: The names that the file reads and nothing defines.
        traced_sdks: The SDKs whose clients other files trace.
    """
    moves = {move.site: move for move in plan.moves}
    reported = []
    for site in plan.sites:
        suggestion = _ASK.format(provider=sdk.PROVIDERS[site.sdk])
        if site.blocked is not None and not fault and _is_traced(site, clients, traced_sdks):
            reason = f"its client is traced, and stays: {site.blocked.reason}"
            reported.append(ReportedSite(file=name, line=site.line, style=site.style, status=TRACED, reason=reason))
        elif site.blocked is not None:
            reported.append(_left(site, name, site.blocked.reason, site.blocked.suggestion or suggestion))
        elif fault:
            reported.append(_left(site, name, f"the file stays as it was: {fault}", suggestion))
        else:
            reported.append(_moved(moves[site], values, undefined, name))
    return reported


def _is_traced(site: Site, clients: list[TraceableClient], traced_sdks: frozenset[str]) -> bool:
    """Tell whether all clients that a call can be made on are traced: of an unknown one, those of its SDK made here."""
    if site.blocked is not None and site.blocked.reason == UNKNOWN_CLIENT and sdk.PACKAGES[site.sdk] in traced_sdks:
        return True
    calls = {client.call for client in clients}
    origins = {value.node for value in site.values if value.kind == "client"}
    if origins:
        return origins <= calls and all(value.kind in ("client", "none") for value in site.values)
    is_unknown = all(value.kind in ("unknown", "other", "container", "none") for value in site.values)
    return is_unknown and any(client.sdk == site.sdk for client in clients)


def of_traced_clients(plan: Plan, clients: list[TraceableClient], values: Evaluator, name: str) -> list[ReportedSite]:
    """Return the traced clients whose calls are in other files, or are a framework's."""
    origins = _origins(plan)
    return [
        ReportedSite(
            file=name,
            line=values.tree.line(client.call),
            style=client.name,
            status=TRACED,
            reason="what it sends is traced where it is made",
        )
        for client in clients
        if client.call not in origins
    ]


def of_methods_handed_on(
    plan: Plan, clients: list[TraceableClient], values: Evaluator, name: str
) -> list[ReportedSite]:
    """Return the methods that are handed on as functions, of traced clients of which another call is reported."""
    reportable = {client.call for client in clients} & _origins(plan)
    reported = []
    for node in values.tree.nodes:
        parent = values.tree.parent(node)
        if not isinstance(node, cst.Attribute) or isinstance(parent, cst.Attribute):
            continue
        if (isinstance(parent, cst.Call) and parent.func is node) or values.tree.is_target(node):
            continue
        for base, names in bases_of(node):
            asked = [value for value in values.of(base) if (value.name, names) in sdk.CALLS and value.kind == "client"]
            if asked and reportable.issuperset(value.node for value in asked):
                style = f"{asked[0].name}.{'.'.join(names)}"
                reason = "its client is traced, and stays: the method is handed on as a function"
                line = values.tree.line(node)
                reported.append(ReportedSite(file=name, line=line, style=style, status=TRACED, reason=reason))
    return reported


def _origins(plan: Plan) -> set[cst.CSTNode | None]:
    """Return where the clients are made on which the reported calls may be."""
    return {value.node for site in plan.sites for value in site.values if _may_ask(value, site)}


def _may_ask(value: Value, site: Site) -> bool:
    """Tell whether a call may be on a client: its SDK has the method."""
    asked = (value.name, site.names)
    return value.kind != "client" or asked in sdk.CALLS or asked in sdk.LEFT


def of_handlers(plan: Plan, values: Evaluator, name: str, fault: str) -> list[ReportedSite]:
    """Return the sites of handlers whose calls are in other files."""
    own_packages = {sdk.PACKAGES[site.sdk] for site in plan.sites}
    reported = []
    for package, error in plan.unhandled.items():
        if package not in own_packages:
            reported.append(
                ReportedSite(
                    file=name,
                    line=1,
                    style=f"{package}.errors",
                    status=LEFT,
                    reason=f"calls of another file now raise the factory's errors, and {error.reason}",
                    suggestion=error.suggestion or _NAME_ERRORS,
                )
            )
    for package, uses in plan.handled.items():
        if package not in own_packages and uses.names:
            reason = "handles errors of calls that another file makes"
            reported.append(
                ReportedSite(
                    file=name,
                    line=values.tree.line(uses.names[0][0]),
                    style=f"{package}.errors",
                    status=LEFT if fault else MIGRATED,
                    reason=f"the file stays as it was: {fault}" if fault else reason,
                    suggestion=_NAME_ERRORS if fault else "",
                )
            )
    return reported


def of_post(post: Post, name: str, fault: str) -> ReportedSite:
    """Return what became of one raw HTTP request."""
    if post.blocked is not None:
        return _left(post, name, post.blocked.reason, post.blocked.suggestion)
    if fault:
        return _left(post, name, f"the file stays as it was: {fault}", _ASK)
    return ReportedSite(file=name, line=post.line, style=post.style, status=MIGRATED)


def of_non_chat_calls(source: bytes, name: str, calls: list[tuple[int, str]]) -> list[ReportedSite]:
    """Return the calls that stay because they are no chat, each with its line in the file before its migration.

    `calls` has their lines in the new text, with their reasons.
    """
    text = source.decode("utf-8", "replace")
    last_line = len(text.splitlines())
    calls_before = allow_marks.add_allow_comments(text, {"a provider"})[1]
    if len(calls_before) != len(calls):
        calls_before = [(min(line, last_line), reason) for line, reason in calls]
    return [
        ReportedSite(
            file=name,
            line=line,
            style=f"non-chat.{reason.partition(',')[0]}",
            status=NON_CHAT,
            reason=f"stays, and is marked: {reason}",
        )
        for line, reason in calls_before
    ]


def _left(place: Site | Post, name: str, reason: str, suggestion: str) -> ReportedSite:
    return ReportedSite(
        file=name, line=place.line, style=place.style, status=LEFT, reason=reason, suggestion=suggestion
    )


def _moved(move: Move, values: Evaluator, undefined: dict[str, list[cst.Name]], name: str) -> ReportedSite:
    site = move.site
    reasons = [*site.notes, *filter(None, [_raw_form_note(move)])]
    warnings = _warnings(site, values, undefined)
    if move.reply is not None and reads_any_delta(move.reply, values.tree):
        warnings.append("a delta without text, such as a thought or a tool's input, raised here and is passed over now")
    if not warnings:
        return ReportedSite(file=name, line=site.line, style=site.style, status=MIGRATED, reason="; ".join(reasons))
    return ReportedSite(
        file=name,
        line=site.line,
        style=site.style,
        status=REVIEW,
        reason="; ".join([f"behaviour may change: {', '.join(warnings)}", *reasons]),
        suggestion="read this path once more before it runs",
    )


def _raw_form_note(move: Move) -> str:
    """Return a note where the program goes on reading the SDK's own reply object."""
    reply = move.reply
    if reply is not None and reply.mode == "raw":
        return f"the reply keeps the SDK's own form (raw_response): {reply.raw_reason}"
    return ""


def _warnings(site: Site, values: Evaluator, undefined: dict[str, list[cst.Name]]) -> list[str]:
    """Return what may behave differently around a call: undefined names, and what its translation has noted."""
    tree = values.tree
    function = tree.enclosing_function(site.call)
    warnings = list(site.review)
    for name, nodes in undefined.items():
        lines = [tree.line(node) for node in nodes if tree.enclosing_function(node) is function]
        if lines:
            warnings.append(f"{name} is not defined (line {lines[0]})")
    if site.sdk == "anthropic":
        warnings += _parsers_of_printed_blocks(values)
    return warnings


def _parsers_of_printed_blocks(values: Evaluator) -> list[str]:
    """Return the places that look for what the SDK printed in older versions, where `text=` came first in a block."""
    return [
        f"line {values.tree.line(node)} looks for {code(node)[:40]}, before which newer versions of the SDK print"
        " citations=None: read message.content[0].text in place of str(message.content)"
        for node in values.tree.nodes
        if isinstance(node, cst.SimpleString) and _PRINTED_BLOCK.search(node.raw_value)
    ]
