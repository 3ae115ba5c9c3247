"""Judge what files hold against the allowances: what is allowed, what is a finding, and how to fix it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from src.migration.check.records import RULES, Allow, Facts, Finding, Pending, Report, Site
from src.migration.check.vocabulary.words import FACTORY, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.config import AllowedPath, Config
    from src.migration.check.scan import Scanned

_NO_ALLOWANCE = frozenset({"unparseable", "allow-without-reason", "unused-allow"})


def judge(outcomes: list[Scanned], config: Config, whole: Iterable[str]) -> Report:
    """Return the report on a run; `whole` names the folders of which every file was read."""
    report = Report(files=len(outcomes))
    used: set[AllowedPath] = set()
    constants = _constants(outcomes)
    for outcome in outcomes:
        report.parsed += outcome.parsed
        report.cached += outcome.cached
        if outcome.facts != Facts():
            sites = [*outcome.facts.sites, *_resolved(outcome, constants, config)]
            _judge_file(outcome.path, sites, outcome.facts.allows, config, report, used)
    report.findings += _allowances(config, used, list(whole))
    report.findings.sort()
    return report


def _judge_file(
    path: str, sites: list[Site], allows: tuple[Allow, ...], config: Config, report: Report, used: set[AllowedPath]
) -> None:
    used_comments: set[Allow] = set()
    alone = {allow.line for allow in allows if allow.alone}
    for site in sites:
        finding = _finding(path, site)
        comment = entry = None
        if site.rule not in _NO_ALLOWANCE:
            comment = next((allow for allow in allows if _covers(allow, site, alone)), None)
            entry = next((allow for allow in config.allow if allow.reason and allow.covers(path, site.rule)), None)
        if comment is not None:
            used_comments.add(comment)
            report.allowed.append((finding, comment.reason))
        elif entry is not None:
            used.add(entry)
            report.allowed.append((finding, entry.reason))
        else:
            report.findings.append(finding)
    for allow in allows:
        if not allow.reason:
            report.findings.append(_comment_finding(path, allow, "allow-without-reason"))
        elif allow not in used_comments:
            report.findings.append(_comment_finding(path, allow, "unused-allow"))


def _covers(allow: Allow, site: Site, alone: set[int]) -> bool:
    """Tell whether a comment is on the statement's lines, or alone directly above them."""
    if not allow.reason:
        return False
    if site.first <= allow.line <= site.last:
        return True
    return allow.alone and allow.line < site.first and all(line in alone for line in range(allow.line, site.first))


def _comment_finding(path: str, allow: Allow, rule: str) -> Finding:
    if rule == "unused-allow":
        message, fix = "This comment allows nothing.", "Remove the comment."
    else:
        message, fix = "This comment gives no reason.", "Write # direct-call: allow (reason)."
    return Finding(
        path=path, line=allow.line, column=allow.column, rule=rule, message=message, text=allow.text, fix=fix
    )


def _allowances(config: Config, used: set[AllowedPath], whole: list[str]) -> Iterator[Finding]:
    """Yield what is wrong with the configured allowances themselves."""
    for entry in config.allow:
        if entry.reason and (entry in used or not any(_below(entry.start(), folder) for folder in whole)):
            continue
        yield Finding(
            path=config.file,
            line=entry.line,
            column=1,
            rule="unused-allow" if entry.reason else "allow-without-reason",
            message=f"{entry.path} allows nothing." if entry.reason else f"{entry.path} is allowed without a reason.",
            text=f'{{path = "{entry.path}"}}',
            fix="Remove the entry." if entry.reason else "Give the entry a reason.",
        )


def _below(path: str, folder: str) -> bool:
    return folder in {"", "."} or path == folder or path.startswith(f"{folder}/")


def _finding(path: str, site: Site) -> Finding:
    return Finding(
        path=path,
        line=site.line,
        column=site.column,
        rule=site.rule,
        provider=site.provider,
        message=f"{site.what or RULES[site.rule]}.",
        text=site.text,
        fix=fix_for(site),
    )


def fix_for(site: Site) -> str:
    """Return what to write instead."""
    if site.rule == "unparseable":
        return "Make the file readable, or leave it out with exclude in [tool.check_direct_calls]."
    if site.rule == "non-chat-call":
        return "The factory makes text. If this must stay, add # direct-call: allow (reason) to the line."
    name = f'"{site.provider}"' if site.provider in FACTORY else "provider"
    return (
        f"Use ModelFactory.get_model({name}, model).generate_response(system_prompt, user_content) "
        "from src.models; if this must stay, add # direct-call: allow (reason)."
    )


# Constants of other modules


def _constants(outcomes: list[Scanned]) -> dict[str, list[tuple[str, str]]]:
    """Map a constant's name to the modules that hold it, as pairs of dotted module and text."""
    constants: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for outcome in outcomes:
        module = outcome.path.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")
        for name, text in outcome.facts.exports:
            constants[name].append((module, text))
    return constants


def _resolved(outcome: Scanned, constants: dict[str, list[tuple[str, str]]], config: Config) -> Iterator[Site]:
    """Yield the pending calls of a file that a constant of another file makes direct calls."""
    for pending in outcome.facts.pending:
        parent, _, owner = pending.module.rpartition(".")
        references = [(pending.module, pending.name), (parent, f"{owner}.{pending.name}")]
        texts = (
            text
            for reference, name in references
            for module, text in constants.get(name, ())
            if _same_module(reference, module)
        )
        site = next(filter(None, (_with_constant(pending, text, config) for text in texts)), None)
        if site:
            yield site


def _same_module(reference: str, module: str) -> bool:
    """Tell whether a module may be the one that an import refers to; either may be named from further inside."""
    reference = reference.lstrip(".")
    return bool(reference) and (f".{module}".endswith(f".{reference}") or f".{reference}".endswith(f".{module}"))


def _with_constant(pending: Pending, text: str, config: Config) -> Site | None:
    """Return the direct call that a constant's text makes of a pending call, or None."""
    words, argument = config.vocabulary, pending.before + text + pending.rest
    if pending.site.rule == "dynamic-import":
        provider, what = words.provider_of_module(argument), f"{argument} is imported by name"
    else:
        server = "another server" if is_model_server_path(argument) else None
        provider = words.provider_of_url(argument) or words.provider_of_host(argument) or server
        what = f"{argument} is called"
    if not provider:
        return None
    return replace(pending.site, provider=provider, what=f"{what} ({pending.name} of {pending.module.lstrip('.')})")
