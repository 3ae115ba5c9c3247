"""Find direct calls with ruff, import-linter and semgrep, each with all that its kind of rule can express."""

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
    """The lines of a file that a tool names, with the file's path from the root of the tree."""

    path: str
    first: int
    last: int

    def covers(self, line: int) -> bool:
        """Tell whether a line is among them."""
        return self.first <= line <= self.last


def by_ruff(folder: Path, workspace: Path) -> set[Place]:
    """Return what TID251 names: imports of banned names."""
    rules = "".join(f'"{name}".msg = "no"\n' for name in BANNED)
    config = workspace / "ruff.toml"
    config.write_text(f'[lint]\nselect = ["TID251"]\n[lint.flake8-tidy-imports.banned-api]\n{rules}', encoding="utf-8")
    command = [
        str(BIN / "ruff"),
        "check",
        "--no-cache",
        "--exclude",
        "*.ipynb",  # the other tools do not read notebooks
        "--config",
        str(config),
        "--output-format",
        "json",
        str(folder),
    ]
    return {
        Place(
            path=_path(violation["filename"], folder),
            first=violation["location"]["row"],
            last=violation["end_location"]["row"],
        )
        for violation in json.loads(_output(command, {0, 1}))
        if violation["code"] == "TID251"
    }


def by_import_linter(folder: Path, workspace: Path) -> set[Place]:
    """Return what a `forbidden` contract names: imports of whole packages outside.

    It reads packages alone, and stops at a file that does not parse: the tree is copied, each folder is made a package,
    and broken files are left out. A part of an outer package cannot be named, so that `google` stands for both SDKs.
    """
    package = workspace / "tree"
    names = _copied(folder, package)
    forbidden = sorted({name.partition(".")[0] for name in BANNED})
    config = workspace / "importlinter.toml"
    contract = {"name": "no SDK", "type": "forbidden", "source_modules": ["tree"], "forbidden_modules": forbidden}
    lines = [f"{key} = {json.dumps(value)}" for key, value in contract.items()]
    head = '[tool.importlinter]\nroot_package = "tree"\ninclude_external_packages = true\n'
    text = (
        f"{head}exclude_type_checking_imports = true\n[[tool.importlinter.contracts]]\nallow_indirect_imports = true\n"
    )
    config.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    command = [str(BIN / "lint-imports"), "--no-cache", "--no-logo", "--config", str(config)]
    report = _output(command, {0, 1}, cwd=workspace, PYTHONPATH=str(workspace))
    return {
        Place(path=names[module], first=int(line), last=int(line))
        for module, lines in re.findall(r"^\s*-\s+(tree\S*) -> \S+ \((l\.[^)]*)\)", report, re.MULTILINE)
        for line in re.findall(r"\d+", lines)
    }


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
    for inner in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (inner / "__init__.py").touch()
    return names


def find_semgrep() -> str | None:
    """Return semgrep's command, or None: it is no part of the lock."""
    return shutil.which("semgrep")


def by_semgrep(folder: Path, workspace: Path, command: str) -> set[Place]:
    """Return what rules of ours name: imports, imports by name, calls, addresses and command lines."""
    rules = workspace / "semgrep.json"
    content = [_rule(name, patterns) for name, patterns in semgrep_patterns().items()]
    rules.write_text(json.dumps({"rules": content}), "utf-8")
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
    report = json.loads(_output([command, *options, str(folder)], {0, 1}, SEMGREP_ENABLE_VERSION_CHECK="0"))
    return {
        Place(path=_path(result["path"], folder), first=result["start"]["line"], last=result["end"]["line"])
        for result in report["results"]
    }


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


def _path(path: str, folder: Path) -> str:
    return Path(path).resolve().relative_to(folder.resolve()).as_posix()


def _output(command: list[str], codes: set[int], cwd: Path | None = None, **environment: str) -> str:
    """Return a tool's output.

    Raises:
        RuntimeError: its exit code is none of those with which it reports.
    """
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode not in codes:
        raise RuntimeError(done.stderr or done.stdout)
    return done.stdout
