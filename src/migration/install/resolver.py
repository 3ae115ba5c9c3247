"""Ask uv or pip whether requirements can be installed together, before they are written.

Nothing is installed, and no package's own build script runs: what only such a script could tell stays unknown.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_REASON: Final = 700
_CONFLICT: Final = re.compile(r"No solution found|ResolutionImpossible|conflicting dependencies")
# Reasons that say nothing about the versions: the index was not reached, or a package has to be built.
_NOT_KNOWN: Final = re.compile(
    r"not found in the cache|network|offline|was not found in the|building source|source distributions? (?:is|are) "
    r"disabled|no usable wheels|no wheels with a matching|Could not find a version|No matching distribution",
    re.IGNORECASE,
)
_PIP_CAUSE: Final = re.compile(r"The conflict is caused by:\n(?:[ \t]+\S.*\n?)+")
# pip's settings and what uv calls them.
_SETTINGS: Final = {
    "PIP_INDEX_URL": "--default-index",
    "PIP_EXTRA_INDEX_URL": "--index",
    "PIP_FIND_LINKS": "--find-links",
}
_PIP_FILES: Final = ("~/.pip/pip.conf", "~/.config/pip/pip.conf", "/etc/pip.conf", "~/pip/pip.ini")
_UV_FILES: Final = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml")
_UV_INDEXES: Final = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE")
_LOCAL: Final = re.compile(r"^\s*[\w.\[\],-]+\s*@\s*file://(?P<path>[^\s;#]+)")
_INCLUDE: Final = re.compile(
    r"^(?P<option>\s*(?:-r|-c|-e|--requirement|--constraint|--editable)[\s=]*)(?P<path>[^\s#]+)"
)


class Status(Enum):
    """What a resolver says."""

    RESOLVED = "resolved"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The outcome of one question.

    Attributes:
        status: Whether the requirements can be installed together.
        reason: Why not, or why that is not known; empty where they can.
        tool: Who was asked, such as `uv 0.13.9`; empty where there is none.
        left_out: Requirements whose files are not on this machine, which were not asked about.
    """

    status: Status
    reason: str = ""
    tool: str = ""
    left_out: tuple[str, ...] = ()


def resolve(
    root: Path, texts: Mapping[str, str], main: str = "requirements.txt", *, timeout_s: float = 180
) -> Resolution:
    """Return whether the requirement files of a checkout can be installed together, by its own index.

    Args:
        root: The checkout, whose other files the requirements may name.
        texts: The files' new texts, by their paths; other files are read from the checkout.
        main: The file to install.
        timeout_s: The longest that the answer may take.
    """
    command = _command()
    if command is None:
        return Resolution(status=Status.UNKNOWN, reason="neither uv nor pip is here")
    with tempfile.TemporaryDirectory() as folder:
        left_out = [line for path, text in texts.items() for line in _copy(root, Path(folder), path, text, texts)]
        words = [*command, str(Path(folder) / main)]
        try:
            done = subprocess.run(  # noqa: S603 - uv or pip, with the checkout's own requirements
                words, cwd=root, capture_output=True, text=True, errors="replace", check=False, timeout=timeout_s,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Resolution(status=Status.UNKNOWN, reason=f"no answer within {timeout_s:.0f} s", tool=_tool(command))
        except OSError as error:
            return Resolution(status=Status.UNKNOWN, reason=f"{command[0]}: {error.strerror}")
        cause = _PIP_CAUSE.search(done.stdout)
        message = f"{done.stderr}\n{cause[0] if cause else ''}".replace(f"{folder}/", "")
    return Resolution(
        status=_status(done.returncode, message),
        reason="" if done.returncode == 0 else _short(message),
        tool=_tool(command),
        left_out=tuple(left_out),
    )


def _status(code: int, message: str) -> Status:
    if code == 0:
        return Status.RESOLVED
    is_conflict = _CONFLICT.search(message) and not _NOT_KNOWN.search(message)
    return Status.CONFLICT if is_conflict else Status.UNKNOWN


def _short(message: str) -> str:
    """Return what a tool says in one line, without its marks and addresses' passwords."""
    lines = [line for line in message.splitlines() if not line.startswith(("WARNING:", "warning:"))]
    text = " ".join(re.sub(r"^[^A-Za-z\d]*(?:(?:error|cause|hint):)?", "", line, flags=re.IGNORECASE) for line in lines)
    text = re.sub(r"\s*\(from versions: [^)]*\)", "", text)
    text = re.sub(r"://[^/@\s]+@", "://", re.sub(r"\s+", " ", text)).strip()
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."


def _command() -> list[str] | None:
    """Return the command that resolves a requirements file: uv's, or pip's where only pip knows the index."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if shutil.which(uv) and not _only_pip_knows():
        settings = [word for name, option in _SETTINGS.items() for word in _settings(name, option)]
        settings += ["--no-index"] if os.environ.get("PIP_NO_INDEX") else []
        return [uv, "pip", "compile", "--quiet", "--no-build", "--no-header", "--python", sys.executable, *settings]
    if importlib.util.find_spec("pip") is None:
        return None
    options = ["--dry-run", "--ignore-installed", "--disable-pip-version-check", "--only-binary", ":all:"]
    return [sys.executable, "-m", "pip", "install", *options, "-r"]


def _settings(name: str, option: str) -> Iterator[str]:
    if not any(variable.startswith(_UV_INDEXES) for variable in os.environ):
        for value in os.environ.get(name, "").split():
            yield from (option, value)


def _only_pip_knows() -> bool:
    """Tell whether a file of pip's names an index, which uv does not read: it would ask the public one by name."""
    if any(name.startswith(_UV_INDEXES) for name in os.environ) or any(map(_is_file, _UV_FILES)):
        return False
    if os.environ.get("PIP_INDEX_URL") or os.environ.get("PIP_NO_INDEX"):  # which win over the files
        return False
    files = [os.environ.get("PIP_CONFIG_FILE", ""), *_PIP_FILES, str(Path(sys.prefix) / "pip.conf")]
    for name in filter(None, files):
        try:
            text = Path(name).expanduser().read_text("utf-8", "replace")
        except (OSError, RuntimeError):
            continue
        if re.search(r"^\s*(?:extra-)?index-url|^\s*find-links|^\s*no-index", text, re.MULTILINE):
            return True
    return False


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except RuntimeError:  # no home
        return False


def _tool(command: list[str]) -> str:
    return "pip" if "-m" in command else "uv"


def _copy(root: Path, folder: Path, path: str, text: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Write a requirements file for the resolver; yield the lines that are left out."""
    lines = []
    for line in text.splitlines():
        local = _LOCAL.match(line)
        if local is not None and not Path(local["path"]).exists():
            yield line.strip()
            continue
        include = _INCLUDE.match(line)
        lines.append(line if include is None else _include(root, folder, path, include, texts))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _include(root: Path, folder: Path, path: str, match: re.Match[str], texts: Mapping[str, str]) -> str:
    """Return an option with the file that it names, seen from anywhere."""
    named = match["path"]
    if "://" in named:
        return match[0]
    relative = os.path.normpath((Path(path).parent / named).as_posix()).replace(os.sep, "/")
    target = folder / relative if relative in texts else root / relative
    return f"{match['option'].rstrip('= ')} {target}"
