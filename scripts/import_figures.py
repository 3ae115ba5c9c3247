"""Import each file that the migration changes, before and after it, and compare how that ends.

    .venv/bin/python scripts/import_figures.py CHECKOUT ...

Each file runs as an import does, in a process of its own, on a copy of the checkout. Libraries that are not installed
are stand-ins that take any call. Keys are made up. The process has no network (`unshare -n`, which needs Linux and
root), since the files are other people's programs; `--network` runs them where that cannot be had.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60
MARK = "RESULT "
CHILD = r"""
import builtins, contextlib, importlib.abc, importlib.machinery, io, json, os, runpy, sys, types
root, file, project = sys.argv[1:]
os.chdir(root)

class Anything:
    def __init__(self, *_, **__): pass
    def __call__(self, *arguments, **options):
        return arguments[0] if len(arguments) == 1 and not options and callable(arguments[0]) else Anything()
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Anything()
    def __getitem__(self, _): return Anything()
    def __iter__(self): return iter(())
    def __enter__(self): return self
    def __exit__(self, *_): return False
    def __mro_entries__(self, _): return ()
    def __or__(self, _): return self
    __ror__ = __truediv__ = __add__ = __or__

class StandIn(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Anything()

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        places = [os.path.join(folder, top + end) for folder in (root, os.path.dirname(file)) for end in ("", ".py")]
        if top == "src" or any(map(os.path.exists, places)): return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec): return StandIn(spec.name)
    def exec_module(self, module): pass

sys.meta_path.append(Finder())
sys.path[:0] = [os.path.dirname(file), root]
sys.path.append(project)
sys.argv = [file]
out = io.StringIO()
try:
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        names = runpy.run_path(file, run_name="imported")
    end = ["ok", sorted(name for name in names if not name.startswith("__"))]
except BaseException as error:
    end = [type(error).__name__, str(error)[:300]]
sys.__stdout__.write("RESULT " + json.dumps([end, out.getvalue()[:1500]]) + "\n")
sys.__stdout__.flush()
os._exit(0)
"""
KEYS = ("OPENAI", "ANTHROPIC", "GROQ", "DEEPSEEK", "GEMINI", "GOOGLE", "OPENROUTER", "GROK", "XAI")


def main() -> int:
    """Print each file whose import ends otherwise, and the totals; return 1 where there is one."""
    parser = argparse.ArgumentParser(description="Import each file that the migration changes, before and after it.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="CHECKOUT")
    parser.add_argument("--network", action="store_true", help="run the files although they may reach the network")
    options = parser.parse_args()
    if not options.network and (sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare")):
        parser.error("a process without a network needs Linux, root and unshare; --network runs the files with one")
    if missing := [str(folder) for folder in options.folders if not folder.is_dir()]:
        parser.error(f"no such folder: {', '.join(missing)}")
    ends: Counter[str] = Counter()
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as place:
            before, after = Path(place, "before"), Path(place, "after")
            for copy in (before, after):
                shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
            for name in migrated(before, after):
                ends[compared(folder, (before, after), name, isolated=not options.network)] += 1
    print(", ".join(f"{count} {kind}" for kind, count in sorted(ends.items())) or "no file changes")
    return int(ends["other"] > 0)


def migrated(before: Path, after: Path) -> list[Path]:
    """Migrate a copy; return the files that changed, by their paths below it."""
    command = [sys.executable, str(ROOT / "scripts" / "migrate_to_factory.py"), str(after), "--write", "--allow-dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    if done.returncode not in (0, 10, 20):
        sys.exit(f"the migration ends with {done.returncode}: {done.stderr.strip()[-300:]}")
    names = [file.relative_to(after) for file in sorted(after.rglob("*.py")) if file.is_file()]
    return [name for name in names if (before / name).exists() and _differ(before / name, after / name)]


def _differ(first: Path, second: Path) -> bool:
    return first.read_bytes() != second.read_bytes()


def compared(folder: Path, copies: tuple[Path, Path], name: Path, *, isolated: bool) -> str:
    """Return "loads" or "fails alike" where both imports end so, else "other", which is printed."""
    first, second = (_import(copy, name, isolated=isolated) for copy in copies)
    if first[0][0] == second[0][0] == "ok":
        lost = [item for item in first[0][1] if item not in second[0][1] and _is_imported(copies[0], name, item)]
        if not lost and first[1] == second[1]:
            return "loads"
        reason = f"it lacks {', '.join(lost)}" if lost else "it prints otherwise"
        print(f"{folder.name}/{name}: {reason}")
        return "other"
    if first == second:
        return "fails alike"
    print(f"{folder.name}/{name}: before {first[0]}, after {second[0]}")
    return "other"


def _import(root: Path, name: Path, *, isolated: bool) -> Any:
    command = [sys.executable, "-c", CHILD, str(root), str(root / name), str(ROOT)]
    if isolated:
        command = ["unshare", "-n", *command]
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "MOONDEV_TRACE_DB": f"{home}/t.db"}
        environment |= {f"{key}{end}": f"sk-made-up-{'0' * 24}" for key in KEYS for end in ("_API_KEY", "_KEY")}
        try:
            done = subprocess.run(  # noqa: S603 - without a network, on copies
                command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return [["timeout", ""], ""]
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            return json.loads(line.removeprefix(MARK).replace(str(root), "."))
    return [["died", done.stderr.strip()[-200:].replace(str(root), ".")], ""]


def _is_imported(root: Path, name: Path, item: str) -> bool:
    """Tell whether any file takes a name from a module: by name, by `*` or as an attribute."""
    module, word = re.escape(name.stem), re.escape(item)
    pattern = re.compile(rf"from\s+[\w.]*\b{module}\s+import\s[^\n]*(?:\*|\b{word}\b)|\b{module}\.{word}\b".encode())
    return any(pattern.search(file.read_bytes()) for file in root.rglob("*.py") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
