"""Turn what files hold into findings: what is allowed, what an allowance lacks, how to put it right."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from src.migration.check.records import RULES, Allow, Facts, Finding, Pending, Report, Site
from src.migration.check.vocabulary.words import FACTORY, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.config import AllowedPath, Config
    from src.migration.check.scan import Scanned

_NO_ALLOWANCE = frozenset({"unparseable", "allow-without-reason", "unused-allow"})


def judge(outcomes: list[Scanned], config: Config, whole: Iterable[str]) -> Report:
    """Return the report on a run; `whole` names the folders that were read entirely."""
    report = Report(files=len(outcomes))
    used: set[AllowedPath] = set()
    constants = _constants(outcomes)
    for outcome in outcomes:
        report.parsed += outcome.parsed
        report.cached += outcome.cached
        if outcome.facts != Facts():
            sites = [*outcome.facts.sites, *_resolved(outcome, constants, config)]
            _one_file(outcome.path, sites, outcome.facts.allows, config, report, used)
    report.findings += _allowances(config, used, list(whole))
    report.findings.sort()
    return report


def _one_file(
    path: str, sites: list[Site], allows: tuple[Allow, ...], config: Config, report: Report, used: set[AllowedPath]
) -> None:
    spent: set[Allow] = set()
    alone = {allow.line for allow in allows if allow.alone}
    for site in sites:
        finding = _finding(path, site)
        inline = (
            None if site.rule in _NO_ALLOWANCE else next((one for one in allows if _speaks(one, site, alone)), None)
        )
        place = None
        if inline is None and site.rule not in _NO_ALLOWANCE:
            place = next((one for one in config.allow if one.reason and one.covers(path, site.rule)), None)
        if inline is not None:
            spent.add(inline)
            report.allowed.append((finding, inline.reason))
        elif place is not None:
            used.add(place)
            report.allowed.append((finding, place.reason))
        else:
            report.findings.append(finding)
    for allow in allows:
        if not allow.reason:
            report.findings.append(_about_allow(path, allow, "allow-without-reason"))
        elif allow not in spent:
            report.findings.append(_about_allow(path, allow, "unused-allow"))


def _speaks(allow: Allow, site: Site, alone: set[int]) -> bool:
    """Tell whether a comment stands on the statement's lines, or by itself directly above them."""
    if not allow.reason:
        return False
    if site.first <= allow.line <= site.last:
        return True
    return allow.alone and allow.line < site.first and all(line in alone for line in range(allow.line, site.first))


def _about_allow(path: str, allow: Allow, rule: str) -> Finding:
    if rule == "unused-allow":
        message, fix = "This comment allows nothing.", "Remove the comment."
    else:
        message, fix = "This comment gives no reason.", "Write # direct-call: allow (reason)."
    return Finding(path, allow.line, allow.column, rule, "", message, allow.text, fix)


def _allowances(config: Config, used: set[AllowedPath], whole: list[str]) -> Iterator[Finding]:
    for one in config.allow:
        rule = "unused-allow" if one.reason else "allow-without-reason"
        if one.reason and (one in used or not any(_below(one.start(), folder) for folder in whole)):
            continue
        message = f"{one.path} allows nothing." if one.reason else f"{one.path} is allowed without a reason."
        fix = "Remove the entry." if one.reason else "Give the entry a reason."
        yield Finding(config.file, one.line, 1, rule, "", message, f'{{path = "{one.path}"}}', fix)


def _below(path: str, folder: str) -> bool:
    return folder in {"", "."} or path == folder or path.startswith(f"{folder}/")


def _finding(path: str, site: Site) -> Finding:
    what = site.what or RULES[site.rule]
    return Finding(path, site.line, site.column, site.rule, site.provider, f"{what}.", site.text, fix_for(site))


def fix_for(site: Site) -> str:
    """Say what to write instead."""
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
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for outcome in outcomes:
        module = outcome.path.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")
        for name, text in outcome.facts.exports:
            found[name].append((module, text))
    return found


def _resolved(outcome: Scanned, constants: dict[str, list[tuple[str, str]]], config: Config) -> Iterator[Site]:
    for pending in outcome.facts.pending:
        holder, _, owner = pending.module.rpartition(".")
        wanted = [(pending.module, pending.name), (holder, f"{owner}.{pending.name}")]
        texts = (
            text for place, name in wanted for module, text in constants.get(name, ()) if _same_module(place, module)
        )
        site = next((one for text in texts if (one := _meant(pending, text, config))), None)
        if site:
            yield site


def _same_module(wanted: str, module: str) -> bool:
    wanted = wanted.lstrip(".")
    return bool(wanted) and (f".{module}".endswith(f".{wanted}") or f".{wanted}".endswith(f".{module}"))


def _meant(pending: Pending, text: str, config: Config) -> Site | None:
    site, words = pending.site, config.vocabulary
    if site.rule == "dynamic-import":
        name = pending.before + text + pending.rest
        provider, what = words.provider_of_module(name), f"{name} is imported by name"
    else:
        address = pending.before + text + pending.rest
        provider, what = (
            words.provider_of_url(address)
            or words.provider_of_host(address)
            or ("another server" if is_model_server_path(address) else None),
            f"{address} is called",
        )
    if not provider:
        return None
    where = (site.line, site.column, site.first, site.last)
    return Site(site.rule, *where, provider, f"{what} ({pending.name} of {pending.module.lstrip('.')})", site.text)
