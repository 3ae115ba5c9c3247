"""Count whose name the calls of a checkout's agents carry, after an installation.

Each module of `src/agents` is imported in a process of its own, and each of its functions that asks a model is called
with stand-ins for its arguments; what it asks is replaced by a short prompt. A function that ends before it asks, for
lack of data, runs once more with nothing left of it but the question, under its own name and file. Packages that are
missing are stand-ins too, the provider is a loopback server, and everything else is refused. What is stored is then
counted by agent, in SQL.

Usage: python benchmarks/agents_by_name.py CHECKOUT [--seconds 20]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("ANTHROPIC_KEY", "OPENAI_KEY", "DEEPSEEK_KEY", "GROQ_API_KEY", "GEMINI_KEY", "GROK_API_KEY",
        "OPENROUTER_API_KEY")  # fmt: skip
ADDRESSES = {
    "CLAUDE_BASE_URL": "", "GEMINI_BASE_URL": "", "OLLAMA_HOST": "", "GROQ_BASE_URL": "", "OPENAI_BASE_URL": "/v1",
    "DEEPSEEK_BASE_URL": "/v1", "XAI_BASE_URL": "/v1", "OPENROUTER_BASE_URL": "/v1",
}  # fmt: skip
STAND_INS = r'''
import ast, asyncio, importlib.abc, importlib.machinery, importlib.util, inspect, os, re, sys, threading, time
from pathlib import Path
from unittest.mock import MagicMock

path, seconds = Path(sys.argv[1]), float(sys.argv[2])
ASKS = {"generate_response", "agenerate_response", "chat", "achat", "stream_response", "astream_response", "post"}
MODEL = None



class StandIn(MagicMock):
    """Takes part in formats, sums and comparisons."""

    def __format__(self, spec):
        return "1"

    def __lt__(self, other):
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __add__(self, other):
        return self

    __sub__ = __mul__ = __truediv__ = __rsub__ = __rmul__ = __rtruediv__ = __add__

    def __radd__(self, other):
        return other + "1" if isinstance(other, str) else self


missing = set()
for file in [*Path("src").glob("*.py"), *Path("src/agents").glob("*.py")]:
    words = re.findall(r"^[ \t]*(?:from|import)[ \t]+(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    for name in re.findall(r"(?:getenv|environ\.get)\(\s*.([A-Z][A-Z0-9_]+)", file.read_text(encoding="utf-8")):
        if name.endswith(("_KEY", "_TOKEN", "_ID", "_SECRET", "_SID", "_ENDPOINT", "_NUMBER", "_PHRASE")):
            os.environ.setdefault(name, "stand-in-0123456789")
    missing |= {word for word in words if word not in ("src", "config") and importlib.util.find_spec(word) is None}


class Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, where, target=None):
        if name.partition(".")[0] not in missing:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = StandIn(name=spec.name)
        module.__path__, module.__name__, module.__spec__ = [], spec.name, spec
        return module

    def exec_module(self, module):
        pass


def asks(function):
    """Return the attributes of self on which a function asks a model, or None where it asks none."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    owners = [func.value for func in calls if isinstance(func, ast.Attribute) and func.attr in ASKS]
    own = [item for item in owners if isinstance(item, ast.Attribute) and ast.unparse(item.value) == "self"]
    return {item.attr for item in own} if owners else None


class Questions:
    """Asks the model a short question, whatever it is asked."""

    asked = 0

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        if name not in ASKS:
            return StandIn(name=name)
        self.count()
        if name.startswith("a"):
            return lambda *_, **__: self.model.agenerate_response(None, "Trend?")
        return lambda *_, **__: self.model.generate_response(None, "Trend?")

    def count(self):
        type(self).asked += 1


def call(function, arguments):
    try:
        result = function(*arguments)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except BaseException as error:
        print(f"{path.stem}.{function.__name__}: {type(error).__name__}: {error}"[:160], file=sys.stderr)


def positional(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [item for item in parameters if item.kind in kinds and item.default is item.empty]


def reduced(node):
    """Return a function of nothing but a question, at its place in its file."""
    node = ast.FunctionDef(name=node.name, args=ast.arguments([], [], None, [], [], None, []), decorator_list=[],
                           body=ast.parse("return MODEL.generate_response(None, 'Trend?')").body)
    names = {"__name__": f"src.agents.{path.stem}", "MODEL": MODEL}
    for part in ast.walk(node):
        part.lineno = part.end_lineno = 1
        part.col_offset = part.end_col_offset = 0
    exec(compile(ast.Module([node], []), str(path), "exec"), names)
    return names[node.name]


def work():
    global MODEL
    sys.meta_path.append(Missing())
    sys.path[:0] = [str(Path.cwd()), str(Path("src").resolve())]
    time.sleep = lambda _: None
    import builtins
    builtins.input = lambda *_: "q"
    from src.models import ModelFactory
    MODEL = ModelFactory.get_model("openai", "gpt-4o")
    questions = Questions(MODEL)
    ModelFactory.get_model = classmethod(lambda *_, **__: questions)
    ModelFactory.post = classmethod(lambda *_, **__: questions.chat())
    try:
        module = importlib.import_module(f"src.agents.{path.stem}")
    except BaseException as error:
        print(f"{path.stem}: {type(error).__name__}: {error}"[:160], file=sys.stderr)
        module = None
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or asks(node) is None:
            continue
        before = Questions.asked
        for scope in (module, *(item for item in vars(module or time).values() if isinstance(item, type))):
            function = vars(scope).get(node.name) if scope else None
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function) and function.__code__.co_filename == str(path):
                arguments = [StandIn(name=item.name) for item in positional(function)]
                for owner in asks(node) if arguments else ():
                    setattr(arguments[0], owner, questions)
                call(function, arguments)
        print("REACHED", node.name, int(Questions.asked > before))
        if Questions.asked == before:
            call(reduced(node), [])


import importlib
worker = threading.Thread(target=work, daemon=True)
worker.start()
worker.join(seconds)
sys.stdout.flush()
os._exit(0)
'''
SQL = """
select agent, count(*), sum(level = 'ERROR'), count(distinct session_id)
from observations where type = 'generation' group by agent order by agent
"""


def main() -> None:
    """Run the agents of the checkout, and print whose name their calls carry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--seconds", type=float, default=20, help="the longest that a module may take")
    options = parser.parse_args()
    modules = sorted((options.checkout / "src/agents").glob("*.py"))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "traces.db"
        serve = "from benchmarks import overhead; overhead.serve()"
        server = subprocess.Popen([sys.executable, "-c", serve], cwd=ROOT, stdout=subprocess.PIPE)
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            reached: list[int] = []
            wrong = [note for module in modules for note in _run(module, options, store, url, reached)]
        finally:
            server.kill()
        with sqlite3.connect(store) as database:
            rows = database.execute(SQL).fetchall()
            (total,) = database.execute("select count(*) from observations where type = 'generation'").fetchone()
    print(f"{'agent':34}{'calls':>7}{'failed':>8}{'sessions':>10}")
    for agent, calls, failed, sessions in rows:
        print(f"{agent or '(none)':34}{calls:>7}{failed:>8}{sessions:>10}")
    print(f"{'all':34}{sum(row[1] for row in rows):>7} of {total}; {len(rows)} agents of {len(modules)} modules")
    print(f"{len(reached)} functions ask; {sum(reached)} got that far as written, the others reduced to their question")
    print("\n".join(wrong) or "Each call of a module carries that module's name.")


def _run(module: Path, options: argparse.Namespace, store: Path, url: str, reached: list[int]) -> list[str]:
    """Run one module; return the names other than its own that its calls carry.

    For each of its functions that ask, 1 is added to `reached` where it got as far as asking, else 0.
    """
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(store.parent), "MOONDEV_TRACE_DB": str(store), "MOONDEV_DOTENV": "off",
        "PYTHONPATH": str(options.checkout), "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1",
        "MOONDEV_OFFLINE": "1", **dict.fromkeys(KEYS, "sk-bench-0123456789abcdefghij"),
        **{name: url + path for name, path in ADDRESSES.items()},
    }  # fmt: skip
    before = _last(store)
    command = [sys.executable, "-c", STAND_INS, str(module.resolve()), str(options.seconds)]
    done = subprocess.run(
        command, cwd=options.checkout, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=options.seconds + 60,
    )  # fmt: skip
    reached += [int(line[-1]) for line in done.stdout.splitlines() if line.startswith("REACHED")]
    if not store.exists():
        return []
    with sqlite3.connect(store) as database:
        query = "select distinct agent from observations where type = 'generation' and seq > ?"
        names = [row[0] for row in database.execute(query, (before,))]
    return [f"{module.stem}: a call carries {name}" for name in names if name != module.stem]


def _last(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(store) as database:
        return int(database.execute("select coalesce(max(seq), 0) from observations").fetchone()[0])


if __name__ == "__main__":
    main()
