"""Find and read the project's own .env file, and refuse one that others could have written.

A .env file says where keys and prompts are sent. So one that lies above the project is another project's, and one
that other users may write is anybody's.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Final

# What lies in the topmost folder of a project.
_MARKS: Final = (
    ".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "environment.yml",
    "src/models/model_factory.py",
)  # fmt: skip
_REMEDY: Final = "Save it as UTF-8, in Windows Notepad with «Save as»"


class DotenvProblem(ValueError):
    """A .env file is not read; the message names it, the reason, and what to do."""


def load(named: str) -> None:
    """Read the variables of a file into the environment; those that are set already keep their values.

    Args:
        named: The file that MOONDEV_DOTENV names; empty for the project's own, which need not exist.

    Raises:
        DotenvProblem: the file is not read.
    """
    try:
        folder = Path.cwd()
    except OSError:  # it has been deleted
        return
    file = folder / named if named else project_file(folder)
    if file is None:
        return
    _check(file, is_named=bool(named))
    text = _text(file)
    import dotenv

    try:
        dotenv.load_dotenv(stream=io.StringIO(text))
    except ValueError as error:  # of a variable that the system does not take
        raise DotenvProblem(f"{file} is not read: {error}.") from error


def project_file(folder: Path) -> Path | None:
    """Return the .env file of the project that a folder is in; None where it has none.

    The project is the working folder and those above it, up to the first one that is marked as a project's. Without a
    mark it is the working folder alone.

    Raises:
        DotenvProblem: there is none in the project, but one above it.
    """
    folders = (folder, *folder.parents)
    top = len(project_folders(folder)) - 1
    for position, item in enumerate(folders):
        file = item / ".env"
        if not _is_file(file):
            continue
        if position <= top:
            return file
        raise DotenvProblem(
            f"{file} is not read: it lies above {folders[top]}, and may be another project's. If it is meant, "
            f"set MOONDEV_DOTENV={file}."
        )
    return None


def project_folders(folder: Path) -> tuple[Path, ...]:
    """Return a folder and those above it, up to the first that is marked as a project's; without one, it alone."""
    folders = (folder, *folder.parents)
    top = next((position for position, item in enumerate(folders) if any((item / mark).exists() for mark in _MARKS)), 0)
    return folders[: top + 1]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _check(file: Path, *, is_named: bool) -> None:
    """Raise DotenvProblem where others than its owner may write a file, or where its owner is somebody else."""
    try:
        status, folder = file.stat(), file.absolute().parent.stat()
    except OSError as error:
        raise DotenvProblem(f"{file} is not read: {error.strerror}.") from error
    if os.name != "posix":
        return
    owners = {os.geteuid(), 0, Path.cwd().stat().st_uid}
    if status.st_mode & stat.S_IWOTH:
        reason, remedy = "anybody may write it", f"chmod go-w {file}"
    elif status.st_mode & stat.S_IWGRP and not _is_private_group(status):
        reason, remedy = "its group may write it", f"chmod go-w {file}"
    elif folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        reason, remedy = "anybody may replace it in its folder", f"chmod o-w {file.absolute().parent}"
    elif not is_named and status.st_uid not in owners:
        reason, remedy = "it belongs to another user", f"set MOONDEV_DOTENV={file}, if it is meant"
    else:
        return
    raise DotenvProblem(f"{file} is not read: {reason}, and so decide where keys and prompts go. Run: {remedy}")


def _is_private_group(status: os.stat_result) -> bool:
    """Tell whether a file's group is its owner's alone, as many systems make one for each user."""
    if status.st_gid == status.st_uid:
        return True
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and not set(group.gr_mem) - {owner.pw_name}


def _text(file: Path) -> str:
    """Return a file's text.

    Raises:
        DotenvProblem: it cannot be read, or is not UTF-8.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DotenvProblem(f"{file} is not read: {error.strerror}.") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise DotenvProblem(f"{file} is not read: it is UTF-16. {_REMEDY}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DotenvProblem(
            f"{file} is not read: line {line} holds the byte 0x{content[error.start]:02X}, which is no UTF-8 (Latin-1, "
            f"perhaps). {_REMEDY}, or take the sign out."
        ) from error
