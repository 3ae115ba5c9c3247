"""Name the agent on whose behalf code runs, by the modules on the Python stack.

An agent is a module below the checkout's `src/agents`. The nearest one outward from the call is the caller; where the
stack holds none, as in a pool's thread, it is the program's main script. A module's name is worked out once for each
file, so that a walk costs about as much as its frames do.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_AGENT: Final = re.compile(r"(?P<kind>.*?)agent(?=[_\d]|$)", re.IGNORECASE)
# Modules and folders below `src/agents` that work for agents and are none.
_SUPPORT: Final = frozenset(
    {"__init__", "__main__", "agent", "agent_base", "api", "base", "base_agent", "cli", "client", "clients", "common",
     "config", "core", "helper", "helpers", "lib", "llm", "main", "models", "prompts", "run", "runner", "services",
     "shared", "tools", "util", "utils"}
)  # fmt: skip
# Programs that run others' code, with the name that a reader of a trace expects.
_HOSTS: Final = {"ipykernel_launcher": "notebook", "colab_kernel_launcher": "notebook", "ipython3": "ipython"}
_LONGEST: Final = 100
_MOST_FILES: Final = 20_000  # of which a program that generates code could have any number

# What a frame's file says: its agent and whether that is beyond doubt; None for files that are no agents.
_by_file: dict[str, tuple[str, bool] | None] = {}
_by_script: dict[str, str | None] = {}
_missing: Final = ("", False)
_agent_override: ContextVar[str | None] = ContextVar("moondev_asking", default=None)


@contextmanager
def as_agent(agent: str | None) -> Iterator[None]:
    """Have `calling_agent` return this agent inside the block, for work that began elsewhere."""
    token = _agent_override.set(agent)
    try:
        yield
    finally:
        _agent_override.reset(token)


def calling_agent() -> str | None:
    """Return the name of the agent that runs on this thread, or None where nothing names one."""
    candidate = _agent_override.get()
    if candidate is not None:
        return candidate
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        entry = _by_file.get(frame.f_code.co_filename, _missing)
        if entry is _missing:
            entry = _learn(frame)
        if entry is not None:
            if entry[1]:
                return entry[0]
            candidate = candidate or entry[0]
        frame = frame.f_back
    return candidate or main_script()


def agent_type(agent: str) -> str:
    """Return what kind of agent one is: `rbi_agent` for `rbi_agent_v3`, else its own name."""
    match = _AGENT.match(agent)
    return match[0] if match and match["kind"] else agent


def main_script() -> str | None:
    """Return the name of the program's main script; None where it has none, as under `python -c`."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not isinstance(file, str):
        return "interactive" if hasattr(sys, "ps1") else None
    if file not in _by_script:
        if len(_by_script) > _MOST_FILES:
            _by_script.clear()
        _by_script[file] = _script_name(file, getattr(main, "__spec__", None))
    return _by_script[file]


def _script_name(file: str, spec: object) -> str | None:
    path = PurePath(file)
    name = path.stem
    if name == "__main__":  # of a package that `python -m` runs, or of a folder or an archive
        module = str(getattr(spec, "name", "")).removesuffix(".__main__").rpartition(".")[2]
        name = module if module not in ("", "__main__") else PurePath(path.parent.name).stem
    if name.startswith("<") or not name:
        return None
    return plain(_HOSTS.get(name, name))


def _learn(frame: FrameType) -> tuple[str, bool] | None:
    """Work out the agent of a frame's file, and remember it."""
    file = frame.f_code.co_filename
    if len(_by_file) > _MOST_FILES:
        _by_file.clear()
    try:
        module = frame.f_globals.get("__name__")
        entry = _entry(_parts(file, module if isinstance(module, str) else ""))
    except (OSError, ValueError):  # a name that is no path
        entry = None
    _by_file[file] = entry
    return entry


def _parts(file: str, module: str) -> tuple[str, ...]:
    """Return a module's path below `src/agents`, without its suffix; empty where it lies elsewhere."""
    if file.startswith("<"):
        return ()  # code of a text, whose globals may be those of any module
    if module.startswith("src.agents."):
        parts = tuple(module.split(".")[2:])
        return (*parts, "__init__") if PurePath(file).stem == "__init__" else parts
    if "agents" not in file.lower():
        return ()
    path = Path(file).resolve()
    folders = [Path(portion).resolve() / "agents" for portion in getattr(sys.modules.get("src"), "__path__", ())]
    folder = next((folder for folder in folders if path.is_relative_to(folder)), None)
    return () if folder is None else path.relative_to(folder).with_suffix("").parts


def _entry(parts: tuple[str, ...]) -> tuple[str, bool] | None:
    """Return the agent that a module belongs to, by its path below `src/agents`, and whether that is beyond doubt.

    It is the module itself where its name says `agent`, else the innermost folder whose name does, else the outermost
    folder. A plain module beside the agents may be an agent or help others, which its callers decide.
    """
    if not parts:
        return None
    for name in reversed(parts):
        if name.lower() not in _SUPPORT and _AGENT.match(name):
            return plain(name), True
    top = parts[0]
    if top.lower() in _SUPPORT:
        return None
    return plain(top), len(parts) > 1


def plain(name: str) -> str:
    """Return a name that can be encoded, of a length that fits a tag."""
    return name.encode("utf-8", "replace").decode()[:_LONGEST]
