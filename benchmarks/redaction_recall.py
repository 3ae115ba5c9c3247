"""Print how many secrets redaction finds in the samples that other scanners test themselves with.

Their repositories are not part of this project: clone them first and name their folders. Gitleaks' samples are made
from the expressions in its rules, in the contexts that its own generator knows; those of TruffleHog and detect-secrets
are what their tests expect to be found. A secret counts as found where no part of eight characters of it remains.

Run: python -m benchmarks.redaction_recall --gitleaks DIR --trufflehog DIR --detect-secrets DIR [--wrapped] [--missed 9]
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.observability.redaction import Redactor
from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from collections.abc import Iterator

PARSER: Any = re._parser  # type: ignore[attr-defined] # the standard library's own parser of expressions
MOST_REPEATS = 40
SIZES = {
    "Numeric": "[0-9]{{{}}}",
    "Hex": "[a-f0-9]{{{}}}",
    "AlphaNumeric": "[a-z0-9]{{{}}}",
    "AlphaNumericExtendedShort": "[a-z0-9_-]{{{}}}",
    "AlphaNumericExtended": r"[a-z0-9=_\-]{{{}}}",
    "AlphaNumericExtendedLong": r"[a-z0-9\/=_\+\-]{{{}}}",
}
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PIECE = re.compile(r'utils\.(\w+)\("([^"]*)"\)|utils\.Hex8_4_4_4_12\(\)|`([^`]*)`|"((?:[^"\\]|\\.)*)"')
NEW_SECRET = re.compile(r"secrets\.NewSecret\(")
SAMPLES = re.compile(r'GenerateSampleSecrets?\(\s*"([^"]+)",\s*secrets\.NewSecret\(')
CONTEXT = re.compile(r'^\s*"[^"]+":\s*("(?:[^"\\]|\\.)*"|`[^`]*`),', re.MULTILINE)
GO_CASE = re.compile(
    r"input:\s*(`[^`]*`|\"(?:[^\"\\\n]|\\.)*\"|fmt\.Sprintf\()(.*?)want:\s*(?:\[\]string)?\{(.*?)\}", re.DOTALL
)
GO_TEXT = re.compile(r"`([^`]*)`|\"((?:[^\"\\\n]|\\.)*)\"")


def sample(pattern: str, rng: random.Random) -> str:
    """Return a text that an expression matches."""
    return "".join(_draw(node, rng) for node in PARSER.parse(pattern))


def _draw(node: Any, rng: random.Random) -> str:
    kind, value = str(node[0]), node[1]
    if kind == "LITERAL":
        return chr(value)
    if kind == "IN":
        return rng.choice([char for item in value for char in _characters(item)] or ["a"])
    if kind == "MAX_REPEAT":
        least, most, inner = value
        count = rng.randint(least, min(int(most), max(least, MOST_REPEATS)))
        return "".join(_draw(part, rng) for _ in range(count) for part in inner)
    if kind == "SUBPATTERN":
        return "".join(_draw(part, rng) for part in value[-1])
    if kind == "BRANCH":
        return "".join(_draw(part, rng) for part in rng.choice(value[1]))
    if kind == "ANY":
        return rng.choice("abcdefghij0123456789")
    return ""


def _characters(item: Any) -> str:
    kind, value = str(item[0]), item[1]
    if kind == "RANGE":
        return "".join(map(chr, range(value[0], value[1] + 1)))
    if kind == "CATEGORY":
        return {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": "abcXYZ0189_"}.get(str(value), " ")
    return chr(value)


def gitleaks(folder: Path, rng: random.Random) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the name, a text, and the secrets in it, for each sample of gitleaks' rules."""
    generator = (folder / "cmd/generate/config/utils/generate.go").read_text(encoding="utf-8")
    contexts = [_go_text(literal) for literal in CONTEXT.findall(generator)]
    contexts = [context for context in contexts if "{s}" in context]
    for path in sorted((folder / "cmd/generate/config/rules").glob("*.go")):
        code = re.sub(r"fps\s*:?=.*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in SAMPLES.finditer(code):
            secret = sample(_pattern(code, match.end()), rng)
            if "%s" in secret:  # the rule fills it in by other code
                continue
            for context in contexts:
                name = match.group(1)
                text = context.replace("{i}", name).replace("{I}", name.upper()).replace("{s}", secret)
                yield path.stem, text, [secret]


def _pattern(code: str, start: int) -> str:
    """Return the expression that an argument in Go spells, from its start to the closing parenthesis."""
    depth, end = 1, start
    while depth and end < len(code):
        if code[end] == "`":
            end = code.index("`", end + 1)
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return "".join(
        UUID if piece.group().endswith("12()") else SIZES.get(piece[1], "{}").format(piece[2]) if piece[1]
        else piece[3] if piece[3] is not None else _go_text(f'"{piece[4]}"')
        for piece in PIECE.finditer(code[start : end - 1])
    )  # fmt: skip


def _go_text(literal: str) -> str:
    return literal[1:-1] if literal.startswith("`") else ast.literal_eval(literal)


def trufflehog(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the name, the input, and what is wanted, for each case of TruffleHog's detectors."""
    for path in sorted((folder / "pkg/detectors").rglob("*_test.go")):
        for match in GO_CASE.finditer(path.read_text(encoding="utf-8")):
            texts = [
                _go_text(f"`{raw}`" if quoted == "" else f'"{quoted}"') for raw, quoted in GO_TEXT.findall(match[3])
            ]
            if match[1].startswith("fmt") or "input:" in match[2] or not texts:
                continue
            text = _go_text(match[1])
            secrets = [secret for secret in texts if secret in text and is_secret_by_itself(secret)]
            if secrets:
                yield path.parent.name, text, secrets


def detect_secrets(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the name, a line, and the line itself as the secret, for the lines that detect-secrets' tests flag."""
    for path in sorted((folder / "tests/plugins").glob("*_test.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Tuple(elts=[ast.Constant(value=str(line)), ast.Constant(value=True)]) if len(line) >= 16:
                    if path.stem == "ip_public_test":  # an address is no secret
                        continue
                    longest = max(re.findall(r"[^\s\"'`=:,;<>]+", line), key=len)
                    if is_secret_by_itself(longest):
                        yield path.stem, line, [longest]


def is_secret_by_itself(value: str) -> bool:
    """Return whether an expected value is the secret, and not a name, host or id that the cases expect beside it."""
    is_host = (
        bool(re.fullmatch(r"(?:\w+://)?[\w.-]+\.[a-z]{2,6}(?:[:/@].*)?", value)) or "=" in value[:24] or "@" in value
    )
    is_filler = len(set(value[4:])) <= 2
    return len(value) >= 12 and not (is_host or is_filler or checks.is_uuid(value) or checks.is_wordy(value))


def remains(clean: str, secret: str) -> bool:
    """Return whether a part of a secret of eight characters, or all of a shorter one, is still there."""
    return any(secret[at : at + 8] in clean for at in range(max(1, len(secret) - 7)))


def wrapped(text: str, secret: str) -> tuple[str, list[str]] | None:
    """Return a text with the secret broken over two lines inside quotes, and the two parts; None where it has none."""
    if f'"{secret}"' not in text or len(secret) < 16:
        return None
    middle = len(secret) // 2
    first, second = secret[:middle], secret[middle:]
    return text.replace(f'"{secret}"', f'"{first}\n    {second}"'), [first, second]


def measure(name: str, cases: Iterator[tuple[str, str, list[str]]], options: argparse.Namespace) -> None:
    redactor = Redactor()
    total, missed, shown = 0, Counter[str](), []
    for source, text, secrets in cases:
        for secret in secrets:
            parts = [secret]
            if options.wrapped:
                broken = wrapped(text, secret)
                if broken is None:
                    continue
                text, parts = broken  # noqa: PLW2901 - the same case, broken
            total += 1
            clean = redactor.text(text)
            if any(remains(clean, part) for part in parts):
                missed[source] += 1
                shown.append(f"{source}: {secret!r} in {' '.join(text.split())[:160]!r}")
    if not total:
        print(f"{name:16} no samples: is the folder right?")
        return
    print(
        f"{name:16} {total:6} samples, {sum(missed.values()):5} missed, recall {1 - sum(missed.values()) / total:.4f}"
    )
    for line in shown[: options.missed]:
        print("   ", line)
    if options.missed:
        print("    most:", missed.most_common(25))


def main() -> None:
    """Measure the recall on the corpora whose folders are named."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    for name in ("gitleaks", "trufflehog", "detect-secrets"):
        parser.add_argument(f"--{name}", type=Path, help="a clone of its repository")
    parser.add_argument("--wrapped", action="store_true", help="break each quoted secret over two lines")
    parser.add_argument("--missed", type=int, default=0, help="show so many of the missed samples")
    options = parser.parse_args()
    if not any((options.gitleaks, options.trufflehog, options.detect_secrets)):
        sys.exit(
            "Name at least one corpus: --gitleaks, --trufflehog or --detect-secrets, each a clone of its repository."
        )
    if options.gitleaks:
        measure("gitleaks", gitleaks(options.gitleaks, random.Random(1)), options)  # noqa: S311 - made-up secrets
    if options.trufflehog:
        measure("trufflehog", trufflehog(options.trufflehog), options)
    if options.detect_secrets:
        measure("detect-secrets", detect_secrets(options.detect_secrets), options)


if __name__ == "__main__":
    main()
