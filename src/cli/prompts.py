"""Look at prompts, compare their versions, and put one into use: `moondev prompts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import escape, escape_lines, money, note, out, print_json, problem
from src.observability.commands.fast_start import FastCommand, FastGroup, FastTyper
from src.observability.commands.tables import Column, print_table
from src.prompts.records import LATEST, PRODUCTION

if TYPE_CHECKING:
    from src.cli.prompt_inventory import Version
    from src.prompts import Prompt

app = FastTyper(
    cls=FastGroup,
    help="Look at prompts and their versions, compare them, and try one before it is used.",
    invoke_without_command=True,
)

_COLUMNS = (
    Column("prompt", least=10),
    Column("version"),
    Column("source", rank=1),
    Column("label", rank=3),
    Column("last used", rank=4),
    Column("calls", right=True),
    Column("cost", rank=2, right=True),
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
_Name = Annotated[str, typer.Argument(help="The prompt's name.")]
_PUSH_S = 30.0


@app.callback()
def prompts(context: typer.Context, as_json: _Json = False) -> None:
    """Look at prompts and their versions, compare them, and try one before it is used. Alone, it lists them.

    Prompts are files: prompts/NAME.md, or prompts/NAME/1.md, 2.md, ... (docs/prompts.md). With MOONDEV_PROMPTS=langfuse
    they come from Langfuse.
    """
    if context.invoked_subcommand is None:
        list_prompts(as_json=as_json)


@app.command("list", cls=FastCommand)
def list_prompts(as_json: _Json = False) -> None:
    """List prompts with their versions: where they come from, which is in use, and how each was used.

    Calls are those that the store has recorded with this version; trials of it do not count.
    """
    from src.cli.prompt_inventory import inventory, uses_of

    versions = inventory(uses_of(quiet=as_json))
    if as_json:
        print_json([version.data() for version in versions])
        return
    print_table(_COLUMNS, [_cells(version) for version in versions])
    for version in versions:
        if version.problem is not None:
            problem(version.problem)
    note("`moondev prompts show NAME` shows one, `... try NAME --version V` tries it on past decisions.")


def _cells(item: Version) -> list[str]:
    from src.observability.search.records import moment

    prompt, use = item.prompt, item.use
    return [
        escape(item.name),
        escape(item.version),
        escape(prompt.source) if prompt is not None else "unusable" if item.problem else "recorded",
        "" if prompt is None else escape(_labels(prompt)),
        "-" if use.last_ns is None else moment(use.last_ns)[:10],
        f"{use.calls:,}",
        money(use.cost_usd, at_least=use.unpriced > 0) if use.calls else "-",
    ]


def _labels(prompt: Prompt) -> str:
    """Return a version's labels; that the one in use is the latest goes without saying."""
    return ", ".join(label for label in prompt.labels if label != LATEST or PRODUCTION not in prompt.labels)


@app.command(cls=FastCommand)
def show(
    name: _Name,
    version: Annotated[str, typer.Option(help="A number, a version as listed, or a label.")] = "production",
    as_json: _Json = False,
) -> None:
    """Show what a version of a prompt says.

    Example: `moondev prompts show trading --version 2`
    """
    from src.cli.prompt_inventory import Use, Version, resolve
    from src.prompts.records import body_of

    prompt = resolve(name, version)
    if as_json:
        data = Version(name, prompt.version, prompt, Use()).data()
        shown = {key: data[key] for key in data if key not in ("calls", "cost_usd", "unpriced", "last_used")}
        print_json({**shown, "type": prompt.kind, "prompt": body_of(prompt), "config": dict(prompt.config)})
        return
    out().print(f"[bold]{escape(name)}[/] version [bold]{escape(prompt.version)}[/]{_remarks(prompt)}")
    note(f"{prompt.place}, sha256 {prompt.digest[:16]}")
    out().print(_highlighted(prompt.text))
    for key, value in sorted(prompt.config.items()):
        out().print(f"[dim]config {escape(key)} =[/] {escape(str(value))}")


def _remarks(prompt: Prompt) -> str:
    labels = f" ({escape(', '.join(prompt.labels))})" if prompt.labels else ""
    is_linked = prompt.langfuse_version is not None and prompt.source != "langfuse"
    return labels + (f", Langfuse's version {prompt.langfuse_version}" if is_linked else "")


def _highlighted(text: str) -> str:
    import re

    return re.sub(r"(\{\{\s*[A-Za-z_]\w*\s*\}\})", r"[cyan]\1[/]", escape_lines(text))


@app.command(cls=FastCommand)
def diff(
    name: _Name,
    old: Annotated[str, typer.Argument(help="A number, a version as listed, or a label.")],
    new: Annotated[str, typer.Argument(help="The version that it is compared with.")] = "latest",
    as_json: _Json = False,
) -> None:
    """Show how two versions of a prompt differ, by lines and words.

    Example: `moondev prompts diff trading 1 2`
    """
    from src.cli.prompt_diff import diff_lines, document, show_diff
    from src.cli.prompt_inventory import resolve

    before, after = resolve(name, old), resolve(name, new)
    lines = list(diff_lines(document(before), document(after)))
    if as_json:
        changes = [{"sign": line.sign, "text": line.text} for line in lines]
        print_json({"name": name, "old": before.version, "new": after.version, "lines": changes})
        return
    if not lines:
        note(f"Versions {before.version} and {after.version} of {name!r} say the same.")
        return
    taken, put = (sum(line.sign == sign for line in lines) for sign in "-+")
    out().print(f"[bold]{escape(name)}[/] {escape(before.version)} to {escape(after.version)}: -{taken} +{put} lines")
    show_diff(lines)


@app.command(cls=FastCommand)
def use(
    name: _Name,
    version: Annotated[str, typer.Argument(help="A number, or a version as listed.")],
    label: Annotated[str, typer.Option(help="The label that is put on it.")] = "production",
) -> None:
    """Put a numbered version of a file into use, by writing its label into labels.toml.

    Example: `moondev prompts use trading 2`
    """
    from src.cli.prompt_inventory import versions_of
    from src.prompts import PromptError, PromptMissing
    from src.prompts.files import prompt_folder, set_label
    from src.prompts.lookup import asks_langfuse, matching

    folder = prompt_folder()
    files = [prompt for prompt in versions_of(name) if prompt.source == "file"] if folder is not None else []
    prompt = matching(files, version)
    if folder is None or prompt is None:
        raise PromptMissing(f"No file is version {version} of {name!r}: `moondev prompts list` shows which there are.")
    if prompt.number is None:
        raise PromptError(f"{prompt.place} has no number, and is in use as it is: there is nothing to set.")
    written = set_label(folder, name, label, prompt.number)
    out().print(f"{escape(name)}: {escape(label)} is version {escape(prompt.version)} now.")
    note(f"Written into {written}. Programs that run take it at their next decision.")
    if asks_langfuse():
        note("MOONDEV_PROMPTS=langfuse: a prompt of this name in Langfuse comes first; labels are set there.")


@app.command(cls=FastCommand)
def push(
    name: _Name,
    version: Annotated[str, typer.Option(help="A number, a version as listed, or a label.")] = "production",
    label: Annotated[list[str] | None, typer.Option(help="A label for it in Langfuse.", show_default=False)] = None,
    as_json: _Json = False,
) -> None:
    """Make a version known to Langfuse's prompt management, so that generations link to it there.

    Where Langfuse has the same text already, nothing is made. No label is moved unless --label names it.
    """
    from src.cli.prompt_inventory import resolve
    from src.prompts import PromptError
    from src.prompts.langfuse import ServerSilent
    from src.prompts.lookup import current_project, keep_pushed

    prompt, project = resolve(name, version), current_project()
    if project is None:
        raise PromptError("Langfuse's keys are not set: LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.")
    try:
        pushed, is_new = _pushed(prompt, project, tuple(label or ()))
    except ServerSilent as error:
        raise PromptError(f"{project.host} gave no answer ({error}): try again.") from error
    if pushed.digest != prompt.digest:
        raise PromptError(f"{project.host} has something else than was sent as version {pushed.langfuse_version}.")
    keep_pushed(project, pushed)
    if as_json:
        print_json(
            {"name": name, "version": prompt.version, "langfuse_version": pushed.langfuse_version, "new": is_new}
        )
        return
    verb = "is now" if is_new else "was already"
    out().print(
        f"{escape(name)} {escape(prompt.version)} {verb} version {pushed.langfuse_version} on {escape(project.host)}."
    )


def _pushed(prompt: Prompt, project: Any, labels: tuple[str, ...]) -> tuple[Prompt, bool]:
    """Return the version that Langfuse has, and whether it was made now."""
    from src.prompts import PromptMissing

    try:
        newest = project.fetch(prompt.name, version=None, label="latest", timeout_s=_PUSH_S)
    except PromptMissing:
        newest = None
    if newest is not None and newest.digest == prompt.digest and set(labels) <= set(newest.labels):
        return newest, False
    return project.push(prompt, labels=labels, timeout_s=_PUSH_S), True
