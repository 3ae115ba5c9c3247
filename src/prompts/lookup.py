"""Look a prompt up by its name: in files, in Langfuse's prompt management, or the caller's built-in default."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from src.observability.settings import Settings, load_dotenv_once
from src.prompts.copies import Copies, copies_folder
from src.prompts.files import prompt_folder, versions_in
from src.prompts.records import LATEST, PRODUCTION, Prompt, PromptError, PromptMissing

if TYPE_CHECKING:
    from src.prompts.langfuse import Project

SOURCE_VARIABLE: Final = "MOONDEV_PROMPTS"
_FEWEST_DIGITS: Final = 4  # of a digest that names a version

_used: set[tuple[str, str, str]] = set()  # by folder, name and digest: copies that were made, or tried to be
_links: dict[tuple[str, str, str], int | None] = {}  # by project, name and digest: Langfuse's version


def get_prompt(
    name: str,
    version: int | str | None = None,
    label: str | None = None,
    *,
    default: Prompt | None = None,
) -> Prompt:
    """Return a version of a prompt: the one with the label `production` where neither version nor label is named.

    It comes from files, or, with MOONDEV_PROMPTS=langfuse, from Langfuse, which is waited for at most two seconds;
    then the copy serves. A name that Langfuse does not have comes from files.

    Args:
        name: The prompt's name.
        version: A number, a recorded version such as `2-3fa2c81b`, or the first digits of its digest.
        label: A label, such as production or latest.
        default: The built-in prompt, for a name that neither files nor Langfuse have.

    Raises:
        PromptMissing: there is no such prompt, version or label.
        PromptError: it cannot be used, or Langfuse does not answer and there is no copy.
    """
    return _remembered(find_prompt(name, version, label, default=default))


def find_prompt(
    name: str, version: int | str | None = None, label: str | None = None, *, default: Prompt | None = None
) -> Prompt:
    """Do what `get_prompt` does without storing a copy of a file's text, for readers that do not use the prompt."""
    if version is not None and label is not None:
        raise PromptError("A version and a label were named: name one of them.")
    prompt = _from_langfuse(name, version, label) if asks_langfuse() else None
    return prompt if prompt is not None else _from_files(name, version, label, default)


def asks_langfuse() -> bool:
    """Tell whether prompts come from Langfuse, so that a call may have to wait for a server.

    Raises:
        PromptError: MOONDEV_PROMPTS says neither files nor langfuse.
    """
    return prompt_source() == "langfuse"


def prompt_source() -> Literal["files", "langfuse"]:
    """Return where prompts come from, as MOONDEV_PROMPTS says.

    Raises:
        PromptError: it says neither files nor langfuse.
    """
    load_dotenv_once()
    word = os.environ.get(SOURCE_VARIABLE, "").strip().lower()
    if word not in ("", "files", "langfuse"):
        raise PromptError(f"{SOURCE_VARIABLE} is {word!r}: use files, or langfuse for Langfuse's prompt management.")
    return "langfuse" if word == "langfuse" else "files"


def current_project() -> Project | None:
    """Return the Langfuse project whose keys are set; None without."""
    from src.prompts.langfuse import project_of

    return project_of(Settings.read_or_default())


def current_copies() -> Copies:
    """Return the copies beside this process's trace store."""
    return Copies(copies_folder(Settings.read_or_default().trace_db))


def matching(prompts: list[Prompt], version: int | str) -> Prompt | None:
    """Return which of a prompt's versions a number, a recorded version or digits of a digest name; None for none.

    Raises:
        PromptError: several begin with these digits.
    """
    text = str(version).strip()
    exact = [prompt for prompt in prompts if text == prompt.version]
    if not exact and text.isdecimal():
        exact = [prompt for prompt in prompts if prompt.number == int(text)]
    if exact:
        return exact[-1]
    digits = text.rpartition("-")[2].lower()
    begins = {item.digest: item for item in prompts if len(digits) >= _FEWEST_DIGITS and item.digest.startswith(digits)}
    if len(begins) > 1:
        raise PromptError(f"Several versions begin with {digits}: give more of it.")
    return next(iter(begins.values()), None)


def choose(name: str, prompts: list[Prompt], version: int | str | None, label: str | None) -> Prompt:
    """Return the version that is asked for, of all that a prompt has, the oldest first.

    Raises:
        PromptMissing: it is none of them.
    """
    if version is not None:
        chosen = matching(prompts, version)
    elif label == LATEST:
        chosen = prompts[-1]
    else:
        chosen = next((item for item in prompts if (label or PRODUCTION) in item.labels), None)
    if chosen is None:
        what = f"version {version}" if version is not None else f"label {label or PRODUCTION}"
        labels = {item.version: item.labels for item in prompts}  # several copies of one version are stored
        has = ", ".join(f"{version_name}{_in_brackets(labels[version_name])}" for version_name in list(labels)[-8:])
        raise PromptMissing(f"The prompt {name!r} has no {what}. It has {has}.")
    return chosen


def _in_brackets(labels: tuple[str, ...]) -> str:
    return f" ({', '.join(labels)})" if labels else ""


def _from_files(name: str, version: int | str | None, label: str | None, default: Prompt | None) -> Prompt:
    folder = prompt_folder()
    prompts = versions_in(folder, name) if folder is not None else []
    if not prompts and default is not None:
        prompts = [replace(default, labels=(PRODUCTION, LATEST))]
    if version is not None and (not prompts or matching(prompts, version) is None):
        prompts = [*current_copies().used(name), *([default] if default is not None else []), *prompts]
    if not prompts:
        where = "no folder `prompts` in this project" if folder is None else f"no file {name}.md in {folder}"
        raise PromptMissing(f"There is no prompt {name!r}: {where}. `moondev prompts list` shows which there are.")
    return choose(name, prompts, version, label)


def _from_langfuse(name: str, version: int | str | None, label: str | None) -> Prompt | None:
    """Return Langfuse's version; None where the server has none, or where digits name one of a file."""
    from src.prompts.langfuse_cache import serve

    if version is not None and not str(version).isdecimal():
        return None
    project = current_project()
    if project is None:
        raise PromptError(
            f"{SOURCE_VARIABLE}=langfuse, but Langfuse cannot be asked: set LANGFUSE_PUBLIC_KEY and "
            f"LANGFUSE_SECRET_KEY, or {SOURCE_VARIABLE}=files."
        )
    number = None if version is None else int(version)
    return serve(project, current_copies(), name, version=number, label=None if number else label or PRODUCTION)


def _remembered(prompt: Prompt) -> Prompt:
    """Return a prompt of files with Langfuse's version of the same text; a copy of the text is kept, once."""
    if prompt.source == "langfuse":
        return prompt
    settings = Settings.read_or_default()
    copies = Copies(copies_folder(settings.trace_db))
    key = (str(copies.folder), prompt.name, prompt.digest)
    if key not in _used and prompt.source != "kept" and settings.tracing:
        _used.add(key)
        copies.keep_used(prompt)
    return linked(prompt, copies) if settings.langfuse_configured else prompt


def linked(prompt: Prompt, copies: Copies) -> Prompt:
    """Return a prompt with the version that the current Langfuse project is known to have for exactly this."""
    project = current_project()
    if project is None:
        return prompt
    key = (project.key, prompt.name, prompt.digest)
    if key not in _links:
        same = [item for item in copies.all_fetched(project.key, prompt.name) if item.digest == prompt.digest]
        _links[key] = same[-1].langfuse_version if same else None
    return replace(prompt, langfuse_version=_links[key])


def keep_pushed(project: Project, prompt: Prompt) -> None:
    """Keep what Langfuse has now, so that generations link to it."""
    from src.prompts import langfuse_cache

    current_copies().keep_fetched(project.key, prompt, None)
    _links.clear()
    langfuse_cache.forget_all()
