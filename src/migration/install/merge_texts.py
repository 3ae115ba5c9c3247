"""Merge what an installation needs into a checkout's own text files: lines are added, and its own stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<spec>[^;#@]*?)\s*(?P<rest>(?:[;@]|\s#).*)?$"
)
_HEADING = "# --- Model calls through src.models, traced by src.observability "
_TABLE = "check_direct_calls"
_RANGE = re.compile(r"(>=|<)\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Merged:
    """Hold a file's new text, and what a person should know about it."""

    text: str
    notes: tuple[str, ...] = ()


# requirements.txt


def requirements(text: str, wanted: tuple[str, ...]) -> Merged | None:
    """Return requirements with what is missing added, and with pins that are out of range moved into it.

    None where every line has a hash: what is added without one could not be installed.
    """
    if "--hash=" in text:
        return None
    lines, notes = text.splitlines(), []
    places = {_canonical(found["name"]): at for at, line in enumerate(lines) if (found := _LINE.match(line))}
    missing = []
    for one in wanted:
        need = _LINE.match(one)
        assert need is not None  # noqa: S101 - ours
        at = places.get(_canonical(need["name"]))
        if at is None:
            missing.append(one)
            continue
        after = _moved(lines[at], need)
        if after != lines[at]:
            notes.append(f"{lines[at].strip()} becomes {after.strip()}")
            lines[at] = after
    if missing:
        lines += ["", *_heading(), *missing]
        notes.append(f"added {', '.join(one.split()[0] for one in missing)}")
    return Merged(_joined(text, lines), tuple(notes))


def _moved(line: str, need: re.Match[str]) -> str:
    """Return a requirement's line so that it lies in the range that is needed."""
    found = _LINE.match(line)
    assert found is not None  # noqa: S101 - the caller has looked
    given, wanted, rest = found["spec"].replace(" ", ""), need["spec"].replace(" ", ""), found["rest"] or ""
    if rest.startswith("@"):
        return line  # an address: what is there is what its owner wants
    if given and all(part in given.split(",") for part in wanted.split(",")):
        return line
    pinned = re.fullmatch(r"===?([\d.]+)\S*", given)
    if pinned and _within(pinned[1], wanted):
        return line
    lower_bounds = given and all(part.startswith(">") for part in given.split(","))
    spec = f"{wanted},{given}" if lower_bounds else wanted
    gap = " " if rest.startswith((";", "#")) else ""
    return f"{found['name']}{found['extras'] or ''}{spec}{gap}{rest}"


def _within(version: str, spec: str) -> bool:
    at = _numbers(version)
    return all(at >= _numbers(bound) if sign == ">=" else at < _numbers(bound) for sign, bound in _RANGE.findall(spec))


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.strip(".").split(".") if part.isdecimal()]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# .env_example, .gitignore, src/config.py


def environment(text: str, ours: str) -> Merged:
    """Return an example of an environment with the variables that it lacks, each with its comment."""
    known = set(re.findall(r"^\s*#?\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", text, re.MULTILINE))
    added, comments = [], list[str]()
    for line in ours.splitlines():
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
        _joined(text, [*text.splitlines(), "", *_heading(), *added]), (f"{_variables(added)} variables added",)
    )


def _variables(lines: list[str]) -> int:
    return sum(bool(re.match(r"#?\s*[A-Z][A-Z0-9_]*=", line)) for line in lines)


def ignored(text: str, patterns: tuple[str, ...]) -> Merged:
    """Return a .gitignore with patterns that it lacks."""
    known = {line.strip().strip("/") for line in text.splitlines()}
    missing = [one for one in patterns if one.strip("/") not in known]
    if not missing:
        return Merged(text)
    return Merged(_joined(text, [*text.splitlines(), "", *_heading(), *missing]), (f"added {', '.join(missing)}",))


def configuration(text: str) -> Merged:
    """Return a checkout's config.py with the one switch that is ours, where it lacks it."""
    if re.search(r"^ENABLE_LANGFUSE\b", text, re.MULTILINE):
        return Merged(text)
    ours = [
        "",
        "# Send traces of model calls to Langfuse when its keys are set (.env_example). The store on this machine is",
        "# written either way: python -m src.observability traces",
        "ENABLE_LANGFUSE = True",
    ]
    return Merged(_joined(text, [*text.splitlines(), *ours]), ("added ENABLE_LANGFUSE",))


# pyproject.toml, .pre-commit-config.yaml


_CHECK = f"""[tool.{_TABLE}]
paths = ["src"]
exclude = ["src/data/"]
allow = [
    {{ path = "src/models/adapters/**/*.py", reason = "the one place where provider SDKs are spoken to" }},
]"""


def project(text: str) -> Merged:
    """Return a pyproject.toml with the check's table."""
    if f"[tool.{_TABLE}]" in text:
        return Merged(text)
    head = [*text.splitlines(), ""] if text.strip() else []
    return Merged(_joined(text, [*head, *_CHECK.splitlines()]), (f"added [tool.{_TABLE}]",))


_HOOK = """- repo: local
  hooks:
    - id: check-direct-calls
      name: language models are called through the factory
      entry: python scripts/check_direct_calls.py
      language: system
      types: [python]
      require_serial: true"""


def hooks(text: str) -> Merged | None:
    """Return a pre-commit configuration with the check's hook; None where its form is not one to add to safely."""
    if "check-direct-calls" in text or "check_direct_calls" in text:
        return Merged(text)
    lines = text.splitlines()
    if not any(line.strip() and not line.lstrip().startswith("#") for line in lines):
        return Merged(
            _joined(text, [*lines, "repos:", *(f"  {line}" for line in _HOOK.splitlines())]), ("added the hook",)
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
    return Merged(_joined(text, [*lines[:end], *added, *lines[end:]]), ("added the hook",))


def _heading() -> list[str]:
    return [_HEADING + "-" * (117 - len(_HEADING))]


def _joined(before: str, lines: list[str]) -> str:
    """Return lines as a text with the line ends of the one before."""
    end = "\r\n" if "\r\n" in before else "\n"
    return end.join(lines) + end
