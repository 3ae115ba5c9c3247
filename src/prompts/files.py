"""Read prompts from files: `NAME.md` or `NAME.toml`, or a folder `NAME` with a file for each version, `1.md`, `2.toml`.

A `.md` or `.txt` file is the text. A `.toml` file has `text`, or `[[messages]]` with role and content, and may have
`[config]`. `labels.toml` in a version folder says which version a label points to: `production = 2`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Final

from src.observability.dotenv_file import top_of_project
from src.observability.settings import load_dotenv_once
from src.prompts.private_files import write_atomically
from src.prompts.records import LATEST, PRODUCTION, Prompt, PromptError, PromptMissing, check_name, make_prompt

FOLDER_VARIABLE: Final = "MOONDEV_PROMPTS_DIR"
LABELS_FILE: Final = "labels.toml"
_SUFFIXES: Final = (".md", ".txt", ".toml")
_KEYS: Final = frozenset({"text", "messages", "config"})


def prompt_folder() -> Path | None:
    """Return the folder with prompts: that of MOONDEV_PROMPTS_DIR, else `prompts` in the project; None without any.

    Raises:
        PromptError: the variable names none.
    """
    load_dotenv_once()
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise PromptError(f"{FOLDER_VARIABLE} is {named!r}, which is no folder: name the one with your prompts.")
        return folder
    try:
        folder = Path.cwd()
    except OSError:  # the working folder has been deleted
        return None
    places = (folder, *folder.parents)[: top_of_project(folder) + 1]
    return next((place / "prompts" for place in places if (place / "prompts").is_dir()), None)


def names_in(folder: Path) -> list[str]:
    """Return the names of the prompts below a folder, sorted; files with other endings are none."""
    names = set()
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).with_suffix("").parts
        is_prompt = file.suffix in _SUFFIXES and file.name != LABELS_FILE and file.is_file()
        if not is_prompt or any(part.startswith((".", "_")) for part in parts) or file.stem.upper() == "README":
            continue
        parts = parts[:-1] if file.stem.isdecimal() else parts
        if parts:
            names.add("/".join(parts))
    return sorted(names)


def versions_in(folder: Path, name: str) -> list[Prompt]:
    """Return all versions of a prompt, the oldest first; an empty list where no file has its name.

    Raises:
        PromptError: a file cannot be used; the message names it.
    """
    check_name(name)
    single = [file for suffix in _SUFFIXES if (file := folder / f"{name}{suffix}").is_file()]
    numbered = sorted(_numbered(folder / name), key=lambda item: item[0])
    if len(single) > 1 or (single and numbered):
        places = [str(file) for file in (*single, *(file for _, file in numbered))]
        raise PromptError(
            f"The prompt {name!r} stands in {places[0]} and in {places[1]}: keep one file, or number the versions "
            f"in {folder / name}."
        )
    if single:
        return [_read(single[0], name, None, (PRODUCTION, LATEST))]
    numbers = [number for number, _ in numbered]
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise PromptError(f"Version {twice} of the prompt {name!r} has two files in {folder / name}: keep one.")
    if not numbered:
        return []
    labels = _labels(folder / name / LABELS_FILE, numbers)
    return [
        _read(file, name, number, tuple(label for label, at in labels.items() if at == number))
        for number, file in numbered
    ]


def set_label(folder: Path, name: str, label: str, number: int) -> Path:
    """Put a label on a numbered version; return the file that says so, written as a whole.

    Raises:
        PromptError: it has no such version, or the label is none that can be set.
    """
    prompts = versions_in(folder, name)
    if not prompts:
        raise PromptMissing(f"There is no prompt {name!r} in {folder}.")
    if prompts[0].number is None:
        raise PromptError(f"{prompts[0].place} is the only version of {name!r}, and in use: there is nothing to set.")
    numbers = [prompt.number for prompt in prompts if prompt.number is not None]
    if number not in numbers:
        raise PromptMissing(f"{name!r} has no version {number}: it has {', '.join(map(str, numbers))}.")
    if label == LATEST or not label.replace("-", "").replace("_", "").isalnum():
        raise PromptError(f"{label!r:.40} is no label that can be set: use letters, digits, - and _, and not latest.")
    file = folder / name / LABELS_FILE
    labels = _stated_labels(file, numbers) | {label: number}
    lines = [f"{key} = {labels[key]}\n" for key in sorted(labels)]
    write_atomically(file, "".join(lines).encode(), mode=0o644)
    return file


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    return [
        (int(file.stem), file)
        for file in folder.iterdir()
        if file.suffix in _SUFFIXES and file.stem.isdecimal() and file.is_file()
    ]


def _labels(file: Path, numbers: list[int]) -> dict[str, int]:
    """Return the number that each label stands on. Without a file production is the first version.

    So a new file is used by nobody until a label says so.
    """
    return {PRODUCTION: numbers[0]} | _stated_labels(file, numbers) | {LATEST: numbers[-1]}


def _stated_labels(file: Path, numbers: list[int]) -> dict[str, int]:
    if not file.exists():
        return {}
    labels = _toml(file)
    for label, number in labels.items():
        if label == LATEST:
            raise PromptError(f"{file}: latest is always the highest number: leave it out.")
        if number not in numbers or isinstance(number, bool):
            raise PromptError(
                f"{file}: {label} is {number!r:.40}, and there is no such version: give one of "
                f"{', '.join(map(str, numbers))}."
            )
    return labels


def _read(file: Path, name: str, number: int | None, labels: tuple[str, ...]) -> Prompt:
    place = str(file)
    if file.suffix != ".toml":
        return make_prompt(name, _text(file).rstrip("\n"), number=number, labels=labels, place=place)
    content = _toml(file)
    unknown = sorted(content.keys() - _KEYS)
    if unknown:
        raise PromptError(f"{place}: {unknown[0]!r} is nothing that a prompt has: give text or messages, and config.")
    if "text" in content and "messages" in content:
        raise PromptError(f"{place}: it has a text and messages: give one of them.")
    body = content["text"].rstrip("\n") if isinstance(content.get("text"), str) else content.get("messages")
    return make_prompt(name, body, config=content.get("config"), number=number, labels=labels, place=place)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError(f"{file} is not in UTF-8 ({error.reason} at byte {error.start}): save it so.") from error
    except OSError as error:
        raise PromptError(f"{file} cannot be read: {error.strerror}.") from error


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"{file} is no TOML: {error}.") from error
