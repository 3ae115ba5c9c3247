"""Bring lines of requirement files into the ranges that the installed packages need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*\(?(?P<spec>[^;#@()\\]*?)\)?\s*(?P<rest>(?:[;@\\]|\s#).*)?$"
)
_BOUND = re.compile(r"(===|==|>=|<=|~=|!=|>|<)\s*([^\s,]+)")
_Version = tuple[int, ...]
_LAST: _Version = (10**9,)


@dataclass(frozen=True, slots=True)
class Need:
    """What one package needs of another.

    Attributes:
        package: The package that is needed.
        spec: Its versions, as in `>=4.10,<5`.
        needer: Who needs it; empty for our packages themselves.
    """

    package: str
    spec: str
    needer: str = ""


@dataclass(frozen=True, slots=True)
class _Range:
    """Versions from `low` on and below `high`, both by their numbers."""

    low: _Version = ()  # a bound with a zero at its end lies just above the version without it
    high: _Version = _LAST

    def overlaps(self, other: _Range) -> bool:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low < high

    def spec(self) -> str:
        bounds = [(">=", self.low)] if self.low else []
        bounds += [("<", self.high)] if self.high != _LAST else []
        return ",".join(sign + ".".join(map(str, numbers)) for sign, numbers in bounds)


def canonical(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required_needs(required: Iterable[str]) -> list[Need]:
    """Return the needs that lines of requirements state."""
    parts = [part for line in required if (part := REQUIREMENT.match(line))]
    return [Need(package=canonical(part["name"]), spec=part["spec"].replace(" ", "")) for part in parts]


def names_in(texts: Iterable[str]) -> set[str]:
    """Return the packages that requirement files list."""
    lines = (line for text in texts for line in text.splitlines())
    return {canonical(match["name"]) for line in lines if (match := REQUIREMENT.match(line))}


def in_range(line: str, needs: Sequence[Need], pinned: Collection[str] = ()) -> tuple[str, str]:
    """Return a requirement's line with its versions moved to where all needs overlap, and who needs that.

    Args:
        line: The line.
        needs: What is needed of its package: by our packages first, then by what those need.
        pinned: The packages that the owner has pinned; what a given version of one needs is not known here.
    """
    match = REQUIREMENT.match(line)
    if match is None:
        return line, ""
    spec, rest = match["spec"].replace(" ", ""), match["rest"] or ""
    if rest.startswith("@"):
        return line, ""  # an address names one version, which its owner chose
    own = next((need for need in needs if not need.needer), None)
    if own is not None:
        after = _own_spec(spec, own.spec)
        return (line, "") if after == spec else (_with_spec(match, after), "")
    known = [need for need in needs if not (need.needer in pinned and need.spec.startswith("=="))]
    conflicts = [need for need in known if not _range(spec).overlaps(_range(need.spec))]
    if not spec or not conflicts:
        return line, ""
    return _with_spec(match, _common_spec(known)), ", ".join(sorted({need.needer for need in conflicts}))


def pins_in(texts: Iterable[str]) -> set[str]:
    """Return the packages of which requirement files name one version."""
    lines = (line for text in texts for line in text.splitlines())
    matches = (match for line in lines if (match := REQUIREMENT.match(line)))
    return {canonical(match["name"]) for match in matches if re.match(r"===?[^*]+$", match["spec"].strip())}


def _own_spec(spec: str, required: str) -> str:
    """Return the versions of a package that ours import: those that are required, as the owner has narrowed them."""
    if spec and all(bound in spec.split(",") for bound in required.split(",")):
        return spec
    pin = re.fullmatch(r"===?([\d.]+)\S*", spec)
    if pin and _range(required).low <= _numbers(pin[1]) < _range(required).high:
        return spec
    lower_bounds = spec and all(bound.startswith(">") for bound in spec.split(","))
    return f"{required},{spec}" if lower_bounds else required


def _with_spec(match: re.Match[str], spec: str) -> str:
    rest = match["rest"] or ""
    gap = " " if rest.startswith((";", "#")) else ""
    return f"{match['name']}{match['extras'] or ''}{spec}{gap}{rest}"


def _common_spec(needs: Sequence[Need]) -> str:
    """Return where needs overlap; nothing where one of them names a version, which depends on its own version."""
    if any(re.match(r"===?[^*]+$", need.spec) for need in needs):
        return ""
    ranges = [_range(need.spec) for need in needs]
    common = _Range(low=max(item.low for item in ranges), high=min(item.high for item in ranges))
    return common.spec() if common.low < common.high else ""


def _range(spec: str) -> _Range:
    """Return the versions between a specifier's bounds; what it excludes in between does not matter here."""
    ranges = list(_ranges(spec))
    return _Range(
        low=max((item.low for item in ranges), default=()), high=min((item.high for item in ranges), default=_LAST)
    )


def _ranges(spec: str) -> Iterator[_Range]:
    for sign, version in _BOUND.findall(spec):
        numbers = _numbers(version)
        match sign:
            case ">=":
                yield _Range(low=numbers)
            case ">":
                yield _Range(low=(*numbers, 0))
            case "<":
                yield _Range(high=numbers)
            case "<=":
                yield _Range(high=(*numbers, 0))
            case "~=":
                count = version.split("+")[0].count(".")
                yield _Range(low=numbers, high=_next(_padded(numbers, count)))
            case "==" if version.endswith(".*"):
                numbers = _padded(numbers, version.count("."))
                yield _Range(low=numbers, high=_next(numbers))
            case "==" | "===":
                yield _Range(low=numbers, high=(*numbers, 0))


def _numbers(version: str) -> _Version:
    """Return the numbers of a version without the zeros at its end; letters, as of pre-releases, do not count."""
    numbers = [int(part) for part in re.match(r"[\d.]*", version)[0].strip(".").split(".") if part]  # type: ignore[index] # it matches anything
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _padded(numbers: _Version, count: int) -> _Version:
    return (*numbers, *(0,) * count)[:count]


def _next(numbers: _Version) -> _Version:
    return (*numbers[:-1], numbers[-1] + 1) if numbers else (1,)
