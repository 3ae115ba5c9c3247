"""Merge what an installation needs into a checkout's own text files; its own lines stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADING = "# --- Model calls through src.models, traced by src.observability "
_TABLE = "check_direct_calls"


@dataclass(frozen=True, slots=True)
class Merged:
    """A file's new text, with notes on what changed for the checkout's owner."""

    text: str
    notes: tuple[str, ...] = ()


# .env_example, .gitignore, src/config.py


def environment(text: str, example: str) -> Merged:
    """Return a checkout's example of an environment with the variables of ours that it lacks, and their comments."""
    known = set(re.findall(r"^\s*#?\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", text, re.MULTILINE))
    added, comments = [], list[str]()
    for line in example.splitlines():
        variable = re.match(r"#?\s*([A-Z][A-Z0-9_]*)=", line)
        if line.startswith("# ---") or not line.strip():
            comments = []
        elif variable is None:
            comments.append(line)
        else:
            added += [*comments, line] if variable[1] not in known else []
            comments = []
    if not added:
        return Merged(text)
    return Merged(
        joined(text, [*text.splitlines(), "", *heading(), *added]), (f"{_count_variables(added)} variables added",)
    )


def _count_variables(lines: list[str]) -> int:
    return sum(bool(re.match(r"#?\s*[A-Z][A-Z0-9_]*=", line)) for line in lines)


def ignored(text: str, patterns: tuple[str, ...]) -> Merged:
    """Return a .gitignore with the patterns that it lacks."""
    known = {line.strip().strip("/") for line in text.splitlines()}
    missing = [pattern for pattern in patterns if pattern.strip("/") not in known]
    if not missing:
        return Merged(text)
    return Merged(joined(text, [*text.splitlines(), "", *heading(), *missing]), (f"added {', '.join(missing)}",))


def configuration(text: str) -> Merged:
    """Return a checkout's config.py with the switch `ENABLE_LANGFUSE`, where it lacks it."""
    if re.search(r"^ENABLE_LANGFUSE\b", text, re.MULTILINE):
        return Merged(text)
    switch = [
        "",
        "# Send traces of model calls to Langfuse when its keys are set (.env_example). The store on this machine is",
        "# written either way: python -m src.observability traces",
        "ENABLE_LANGFUSE = True",
    ]
    return Merged(joined(text, [*text.splitlines(), *switch]), ("added ENABLE_LANGFUSE",))


# pyproject.toml, .pre-commit-config.yaml


_CHECK = f"""[tool.{_TABLE}]
paths = ["src"]
exclude = ["src/data/"]
allow = [
    {{ path = "src/models/adapters/**/*.py", reason = "the one place where provider SDKs are spoken to" }},
]"""


def project(text: str) -> Merged:
    """Return a pyproject.toml with the check's table, where it lacks it."""
    if f"[tool.{_TABLE}]" in text:
        return Merged(text)
    head = [*text.splitlines(), ""] if text.strip() else []
    return Merged(joined(text, [*head, *_CHECK.splitlines()]), (f"added [tool.{_TABLE}]",))


_HOOK = """- repo: local
  hooks:
    - id: check-direct-calls
      name: language models are called through the factory
      entry: python scripts/check_direct_calls.py
      language: system
      types: [python]
      require_serial: true"""


def hooks(text: str) -> Merged | None:
    """Return a pre-commit configuration with the check's hook; None where no hook can be added to it safely."""
    if "check-direct-calls" in text or "check_direct_calls" in text:
        return Merged(text)
    lines = text.splitlines()
    if not any(line.strip() and not line.lstrip().startswith("#") for line in lines):
        return Merged(
            joined(text, [*lines, "repos:", *(f"  {line}" for line in _HOOK.splitlines())]), ("added the hook",)
        )
    start = next((at for at, line in enumerate(lines) if re.fullmatch(r"repos:\s*(#.*)?", line)), None)
    first = next((line for line in lines[start:] if re.match(r"\s*- repo:", line)), None) if start is not None else None
    if start is None or first is None:
        return None
    indent = first[: len(first) - len(first.lstrip())]
    end = next((at for at in range(start + 1, len(lines)) if re.match(r"[A-Za-z_]", lines[at])), len(lines))
    while end > start and not lines[end - 1].strip():
        end -= 1
    added = [f"{indent}{line}" for line in _HOOK.splitlines()]
    return Merged(joined(text, [*lines[:end], *added, *lines[end:]]), ("added the hook",))


def heading() -> list[str]:
    """Return the line above what an installation adds to a file."""
    return [_HEADING + "-" * (117 - len(_HEADING))]


def joined(before: str, lines: list[str]) -> str:
    """Join lines with the line ends that the text had before."""
    end = "\r\n" if "\r\n" in before else "\n"
    return end.join(lines) + end
