"""Merge what an installation needs into a checkout's own text files; its own lines stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<spec>[^;#@]*?)\s*(?P<rest>(?:[;@]|\s#).*)?$"
)
_HEADING = "# --- Model calls through src.models, traced by src.observability "
_TABLE = "check_direct_calls"
_RANGE = re.compile(r"(>=|<)\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Merged:
    """A file's new text, with notes on what changed for the checkout's owner."""

    text: str
    notes: tuple[str, ...] = ()


# requirements.txt


def requirements(text: str, required: tuple[str, ...]) -> Merged | None:
    """Return requirements with what is missing added, and with pins outside the required range moved into it.

    None where lines have hashes: pip refuses to install a requirement without one beside them.
    """
    if "--hash=" in text:
        return None
    lines, notes = text.splitlines(), []
    places = {_canonical(match["name"]): at for at, line in enumerate(lines) if (match := _REQUIREMENT.match(line))}
    missing = []
    for requirement in required:
        parts = _REQUIREMENT.match(requirement)
        assert parts is not None  # noqa: S101 - a line of this project's pyproject.toml
        at = places.get(_canonical(parts["name"]))
        if at is None:
            missing.append(requirement)
            continue
        after = _in_range(lines[at], parts)
        if after != lines[at]:
            notes.append(f"{lines[at].strip()} becomes {after.strip()}")
            lines[at] = after
    if missing:
        lines += ["", *_heading(), *missing]
        notes.append(f"added {', '.join(requirement.split()[0] for requirement in missing)}")
    return Merged(_joined(text, lines), tuple(notes))


def _in_range(line: str, required: re.Match[str]) -> str:
    """Return a requirement's line with its version moved into the required range, where it lies outside."""
    parts = _REQUIREMENT.match(line)
    assert parts is not None  # noqa: S101 - the caller matched it
    spec, required_spec, rest = parts["spec"].replace(" ", ""), required["spec"].replace(" ", ""), parts["rest"] or ""
    if rest.startswith("@"):
        return line  # an address names one version, which its owner chose
    if spec and all(bound in spec.split(",") for bound in required_spec.split(",")):
        return line
    pin = re.fullmatch(r"===?([\d.]+)\S*", spec)
    if pin and _is_in_range(pin[1], required_spec):
        return line
    lower_bounds = spec and all(bound.startswith(">") for bound in spec.split(","))
    new_spec = f"{required_spec},{spec}" if lower_bounds else required_spec
    gap = " " if rest.startswith((";", "#")) else ""
    return f"{parts['name']}{parts['extras'] or ''}{new_spec}{gap}{rest}"


def _is_in_range(version: str, spec: str) -> bool:
    numbers = _numbers(version)
    return all(
        numbers >= _numbers(bound) if sign == ">=" else numbers < _numbers(bound)
        for sign, bound in _RANGE.findall(spec)
    )


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.strip(".").split(".") if part.isdecimal()]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


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
        _joined(text, [*text.splitlines(), "", *_heading(), *added]), (f"{_count_variables(added)} variables added",)
    )


def _count_variables(lines: list[str]) -> int:
    return sum(bool(re.match(r"#?\s*[A-Z][A-Z0-9_]*=", line)) for line in lines)


def ignored(text: str, patterns: tuple[str, ...]) -> Merged:
    """Return a .gitignore with the patterns that it lacks."""
    known = {line.strip().strip("/") for line in text.splitlines()}
    missing = [pattern for pattern in patterns if pattern.strip("/") not in known]
    if not missing:
        return Merged(text)
    return Merged(_joined(text, [*text.splitlines(), "", *_heading(), *missing]), (f"added {', '.join(missing)}",))


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
    return Merged(_joined(text, [*text.splitlines(), *switch]), ("added ENABLE_LANGFUSE",))


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
    """Return a pre-commit configuration with the check's hook; None where no hook can be added to it safely."""
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
    """Join lines with the line ends that the text had before."""
    end = "\r\n" if "\r\n" in before else "\n"
    return end.join(lines) + end
