"""Ask ruff, import-linter and semgrep for direct calls, each told all that its kind of rule can be told."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
BANNED = [
    "openai", "anthropic", "groq", "ollama", "google.generativeai", "google.genai", "mistralai", "cohere", "xai_sdk",
    "litellm", "langchain_openai", "langchain_anthropic", "langchain.chat_models", "llama_index.llms", "together",
    "replicate", "huggingface_hub.InferenceClient",
]  # fmt: skip
HOSTS = (
    "api.openai.com", "api.anthropic.com", "api.deepseek.com", "api.x.ai", "openrouter.ai", "api.groq.com",
    "generativelanguage.googleapis.com", "localhost:11434",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Name the lines that a tool found, in a file's path from the root of the tree."""

    path: str
    first: int
    last: int

    def covers(self, line: int) -> bool:
        """Tell whether a line is among them."""
        return self.first <= line <= self.last


def by_ruff(folder: Path, place: Path) -> set[Place]:
    """Return what TID251 names: imports of banned names."""
    rules = "".join(f'"{name}".msg = "no"\n' for name in BANNED)
    config = place / "ruff.toml"
    config.write_text(f'[lint]\nselect = ["TID251"]\n[lint.flake8-tidy-imports.banned-api]\n{rules}', encoding="utf-8")
    command = [
        str(BIN / "ruff"),
        "check",
        "--no-cache",
        "--exclude",
        "*.ipynb",  # nobody else reads notebooks
        "--config",
        str(config),
        "--output-format",
        "json",
        str(folder),
    ]
    found = json.loads(_output(command, {0, 1}))
    return {
        Place(_path(one["filename"], folder), one["location"]["row"], one["end_location"]["row"])
        for one in found
        if one["code"] == "TID251"
    }


def by_import_linter(folder: Path, place: Path) -> set[Place]:
    """Return what a `forbidden` contract names: imports of whole packages outside.

    It reads packages alone, and stops at a file that does not parse: the tree is copied, each folder is made a package,
    and broken files are left out. A part of an outer package cannot be named, so that `google` stands for both SDKs.
    """
    package = place / "tree"
    names = _copied(folder, package)
    forbidden = sorted({name.partition(".")[0] for name in BANNED})
    config = place / "importlinter.toml"
    contract = {"name": "no SDK", "type": "forbidden", "source_modules": ["tree"], "forbidden_modules": forbidden}
    lines = [f"{key} = {json.dumps(value)}" for key, value in contract.items()]
    head = '[tool.importlinter]\nroot_package = "tree"\ninclude_external_packages = true\n'
    text = (
        f"{head}exclude_type_checking_imports = true\n[[tool.importlinter.contracts]]\nallow_indirect_imports = true\n"
    )
    config.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    command = [str(BIN / "lint-imports"), "--no-cache", "--no-logo", "--config", str(config)]
    told = _output(command, {0, 1}, cwd=place, PYTHONPATH=str(place))
    found = set()
    for module, numbers in re.findall(r"^\s*-\s+(tree\S*) -> \S+ \((l\.[^)]*)\)", told, re.MULTILINE):
        for line in re.findall(r"\d+", numbers):
            found.add(Place(names[module], int(line), int(line)))
    return found


def _copied(folder: Path, package: Path) -> dict[str, str]:
    """Copy what parses of a tree into a package; return each module's file."""
    names = {}
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder)
        parts = [re.sub(r"\W", "_", part) for part in (*inside.parts[:-1], inside.stem)]
        try:
            ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        target = package.joinpath(*parts).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        module = [part for part in parts if part != "__init__"]
        names[".".join(["tree", *module])] = inside.as_posix()
    for here in [package, *(one for one in package.rglob("*") if one.is_dir())]:
        (here / "__init__.py").touch()
    return names


def find_semgrep() -> str | None:
    """Return semgrep's command, or None: it is no part of the lock."""
    return shutil.which("semgrep")


def by_semgrep(folder: Path, place: Path, command: str) -> set[Place]:
    """Return what rules of ours name: imports, imports by name, calls, addresses and command lines."""
    rules = place / "semgrep.json"
    rules.write_text(json.dumps({"rules": [_rule(name, one) for name, one in semgrep_patterns().items()]}), "utf-8")
    options = [
        "scan",
        "--config",
        str(rules),
        "--json",
        "--metrics",
        "off",
        "--no-git-ignore",
        "--quiet",
        "--jobs",
        "2",
    ]
    told = json.loads(_output([command, *options, str(folder)], {0, 1}, SEMGREP_ENABLE_VERSION_CHECK="0"))
    return {Place(_path(one["path"], folder), one["start"]["line"], one["end"]["line"]) for one in told["results"]}


def semgrep_patterns() -> dict[str, list[str]]:
    """Return the patterns of each rule, in semgrep's own language."""
    names = [name for name in BANNED if name != "huggingface_hub.InferenceClient"]
    imports = [f"import {name}" for name in names] + [f"from {name} import $X" for name in names]
    imports += [f"import {name} as $Y" for name in names]
    imports += ["from google import genai", "from google import generativeai"]
    imports += ["from huggingface_hub import InferenceClient"]
    sdk = '"=~/^(' + "|".join(re.escape(name) for name in names) + ')$/"'
    hosts = '"=~/(' + "|".join(re.escape(host) for host in HOSTS) + '|\\/chat\\/completions)/"'
    methods = ("chat.completions.create", "generate_content", "responses.create", "audio.speech.create",
               "audio.transcriptions.create", "images.generate", "videos.create", "embeddings.create")  # fmt: skip
    calls = [f"$X.{method}" for method in methods]
    return {
        "imports": imports,
        "imports-by-name": [f"importlib.import_module({sdk}, ...)", f"__import__({sdk}, ...)",
                            'exec("=~/import (openai|anthropic|groq|ollama)/")'],
        "calls": [*calls, "$X.messages.create(..., model=$M, ...)"],
        "addresses": [f"requests.$M({hosts}, ...)", f"httpx.$M({hosts}, ...)", f"$F(..., base_url={hosts}, ...)",
                      f"$X.post({hosts}, ...)", f"$X.urlopen({hosts}, ...)", f"$X.Request({hosts}, ...)",
                      'requests.$M(f"...{$X}/chat/completions", ...)',
                      'requests.$M(f"...{$X}/v1/chat/completions", ...)'],
        "commands": ['subprocess.$M(["ollama", "run", ...], ...)', 'subprocess.$M(["llm", ...], ...)',
                     'os.system("=~/^(claude -p|ollama run|llm )/")', 'subprocess.$M(["claude", ...], ...)'],
    }  # fmt: skip


def _rule(name: str, patterns: list[str]) -> dict[str, object]:
    either = [{"pattern": pattern} for pattern in patterns]
    return {"id": name, "languages": ["python"], "severity": "ERROR", "message": name, "pattern-either": either}


def _path(told: str, folder: Path) -> str:
    return Path(told).resolve().relative_to(folder.resolve()).as_posix()


def _output(command: list[str], codes: set[int], cwd: Path | None = None, **environment: str) -> str:
    """Return what a tool says; one that ends in another way than with a verdict has failed."""
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode not in codes:
        raise RuntimeError(done.stderr or done.stdout)
    return done.stdout
