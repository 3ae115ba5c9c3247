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
    folders, top = (folder, *folder.parents), top_of_project(folder)
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


def top_of_project(folder: Path) -> int:
    """Return how many folders above a folder its project's topmost lies; 0 where nothing marks one."""
    folders = (folder, *folder.parents)
    return next(
        (position for position, item in enumerate(folders) if any((item / mark).exists() for mark in _MARKS)), 0
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _check(file: Path, *, is_named: bool) -> None:
    """Raise DotenvProblem where others than its owner may write a file, or where another user owns it."""
    try:
        breach = foreign_writers(file)
        is_foreign = not is_named and not is_trusted_owner(file)
    except OSError as error:
        raise DotenvProblem(f"{file} is not read: {error.strerror}.") from error
    if breach is not None:
        reason, remedy = breach
    elif is_foreign:
        reason, remedy = "it belongs to another user", f"set MOONDEV_DOTENV={file}, if it is meant"
    else:
        return
    raise DotenvProblem(f"{file} is not read: {reason}, and so decide where keys and prompts go. Run: {remedy}")


def foreign_writers(file: Path) -> tuple[str, str] | None:
    """Return how others than its owner may write a file, and the command that ends it; None where they may not.

    Raises:
        OSError: the file is not there, or its folder is not.
    """
    status, folder = file.stat(), file.absolute().parent.stat()
    if os.name != "posix":
        return None
    if status.st_mode & stat.S_IWOTH:
        return "anybody may write it", f"chmod go-w {file}"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status):
        return "its group may write it", f"chmod go-w {file}"
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        return "anybody may replace it in its folder", f"chmod o-w {file.absolute().parent}"
    return None


def is_trusted_owner(file: Path) -> bool:
    """Tell whether a file belongs to this user, to the system, or to whom the working folder belongs."""
    return os.name != "posix" or file.stat().st_uid in _trusted_owners()


def _trusted_owners() -> set[int]:
    return {os.geteuid(), 0, Path.cwd().stat().st_uid}


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
