"""Bring together what is known of prompts: files, built-in texts, copies, and what recorded calls say of their use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.agents.prompts import BUILT_IN, built_in
from src.prompts import Prompt, PromptError, PromptMissing
from src.prompts.files import names_in, prompt_folder, versions_in
from src.prompts.lookup import current_copies, current_project, find_prompt, linked, matching
from src.prompts.records import LATEST, PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION: Final = re.compile(r"\d{1,5}|(?:\d+-)?[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Use:
    """How a version was used, by the recorded calls.

    Attributes:
        calls: How many calls.
        cost_usd: The known part of their cost.
        unpriced: How many have a cost that is not known, or not in whole.
        last_ns: When the newest of them that is still stored began; None where none is.
    """

    calls: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a prompt with its use.

    `prompt` is None where its text is not known here any more, or where its file cannot be used: `problem` says why.
    """

    name: str
    version: str
    prompt: Prompt | None
    use: Use
    problem: str | None = None

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        prompt, use = self.prompt, self.use
        return {
            "name": self.name,
            "version": self.version,
            "source": None if prompt is None else prompt.source,
            "labels": [] if prompt is None else list(prompt.labels),
            "sha256": None if prompt is None else prompt.digest,
            "langfuse_version": None if prompt is None else prompt.langfuse_version,
            "variables": None if prompt is None else list(prompt.variables),
            "place": None if prompt is None else prompt.place,
            "problem": self.problem,
            "calls": use.calls,
            "cost_usd": use.cost_usd,
            "unpriced": use.unpriced,
            "last_used": None if use.last_ns is None else _moment(use.last_ns),
        }


def versions_of(name: str) -> list[Prompt]:
    """Return all versions of a prompt whose texts are here: in files, built in, kept, and copies of Langfuse's.

    Raises:
        PromptError: a file cannot be used.
    """
    folder, copies = prompt_folder(), current_copies()
    prompts = versions_in(folder, name) if folder is not None else []
    if name in BUILT_IN:
        from dataclasses import replace

        labels = () if prompts else (PRODUCTION, LATEST)
        prompts = [replace(built_in(name), labels=labels), *prompts]
    digests = {prompt.digest for prompt in prompts}
    earlier = [prompt for prompt in copies.used(name) if prompt.digest not in digests]
    project = current_project()
    fetched = copies.all_fetched(project.key, name) if project is not None else []
    return [*earlier, *prompts, *fetched]


def inventory(uses: dict[tuple[str, str], Use], names: Iterable[str] = ()) -> list[Version]:
    """Return all prompts with their versions and their use, by name.

    Args:
        uses: The use of versions, by name and version.
        names: These prompts alone; all where none is named.
    """
    chosen = sorted(names) or _names(uses)
    result = []
    for name in chosen:
        try:
            prompts = {prompt.version: prompt for prompt in versions_of(name)}
        except PromptError as error:
            prompts = {}
            result.append(Version(name, "-", None, Use(), str(error)))
        recorded = sorted(version for at, version in uses if at == name and version not in prompts)
        result += [Version(name, version, None, uses[name, version]) for version in recorded]
        result += [Version(name, key, prompt, uses.get((name, key), Use())) for key, prompt in prompts.items()]
    return result


def _names(uses: dict[tuple[str, str], Use]) -> list[str]:
    folder, copies, project = prompt_folder(), current_copies(), current_project()
    names = {*BUILT_IN, *copies.used_names(), *(name for name, _ in uses)}
    names |= set(names_in(folder)) if folder is not None else set()
    names |= copies.fetched_names(project.key) if project is not None else set()
    return sorted(names)


def resolve(name: str, word: str) -> Prompt:
    """Return the version that a word names: a number, a recorded version, digits of its hash, or a label.

    Raises:
        PromptMissing: there is no such version.
    """
    default = built_in(name) if name in BUILT_IN else None
    is_version = _VERSION.fullmatch(word.strip().lower()) is not None
    try:
        if not is_version:
            prompt = find_prompt(name, label=word, default=default)
        else:
            prompt = find_prompt(name, version=word, default=default)
    except PromptMissing:
        other = matching(versions_of(name), word) if is_version else None
        if other is None:
            raise
        prompt = other
    return prompt if prompt.source == "langfuse" else linked(prompt, current_copies())


def uses_of(*, quiet: bool) -> dict[tuple[str, str], Use]:
    """Return how each version was used, by name and version; trials of it do not count."""
    from src.cli.report_views import prepared
    from src.insight.facts.filters import EVALUATION, Filter

    uses = {}
    with prepared(quiet=quiet) as reader:
        for row in reader.grouped(Filter(without_environment=EVALUATION), ("prompt_name", "prompt_version")):
            name, version = row.key
            if name is None:
                continue
            only = Filter(prompt_name=name, prompt_version=version or "", without_environment=EVALUATION)
            newest = reader.rows(only, "start", 1)
            uses[name, version or "-"] = Use(
                calls=row.totals.n,
                cost_usd=row.totals.cost_usd,
                unpriced=row.totals.unpriced,
                last_ns=newest[0].start_ns if newest else None,
            )
    return uses


def _moment(ns: int) -> str:
    from src.observability.search.records import moment

    return moment(ns)
