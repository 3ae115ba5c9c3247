"""Compare the check with ruff's banned-api rule, import-linter and semgrep, where true and false sites are known.

    .venv/bin/python benchmarks/direct_calls.py [--files 10000] [--tree PATH]

Each line of the made-up tree that ends in `# site` calls a provider and should be found; every other line should not.
The rules of each tool are in `other_checkers.py`. semgrep takes part where it is on the PATH.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.other_checkers import (  # noqa: E402 - the path comes first
    Place,
    by_import_linter,
    by_ruff,
    by_semgrep,
    find_semgrep,
)
from src.migration.check.command import check  # noqa: E402
from src.migration.check.config import Config  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

TRUE: dict[str, list[str]] = {
    "import": [
        "import openai  # site",
        "import anthropic as a  # site",
        "from google import genai  # site",
        "from openai import OpenAI  # site",
        "import google.generativeai as genai  # site",
        "from langchain_openai import ChatOpenAI  # site",
        "import litellm  # site",
        "from huggingface_hub import InferenceClient  # site",
    ],
    "import inside a block": [
        "def f():\n    import openai  # site",
        "class A:\n    from groq import Groq  # site",
        "try:\n    import ollama  # site\nexcept ImportError:\n    ollama = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\nelse:\n    import openai  # site",
    ],
    "import by name": [
        "import importlib\nimportlib.import_module('openai')  # site",
        "from importlib import import_module\nNAME = 'anth' + 'ropic'\nimport_module(NAME)  # site",
        "__import__('groq')  # site",
        "import importlib\nSDK = {'a': 'anthropic'}\n\ndef f(p):\n    return importlib.import_module(SDK[p])  # site",
        "exec('import openai')  # site",
    ],
    "a client from elsewhere": [
        "def f(c):\n    return c.chat.completions.create(model='m', messages=[])  # site",
        "class A:\n    def f(self):\n        return self.ai.messages.create(model='m', max_tokens=9)  # site",
        "def f(model):\n    return model.client.chat.completions.create(model='m')  # site",
        "def f(m):\n    return m.generate_content('hi')  # site",
        "def f(c, pool):\n    return pool.submit(c.chat.completions.create, model='m')  # site",
    ],
    "raw HTTP": [
        "import requests\nrequests.post('https://api.openai.com/v1/chat/completions')  # site",
        "import requests\nB = 'https://openrouter.ai/api/v1'\nrequests.post(f'{B}/chat/completions')  # site",
        "import httpx\n\nclass A:\n    u = 'https://api.x.ai'\n\n    def f(self):\n        httpx.post(self.u)  # site",
        "import requests\nrequests.post('http://localhost:11434/api/chat')  # site",
        "import requests\n\ndef f(host):\n    return requests.post(f'http://{host}/v1/chat/completions')  # site",
        "def f(make):\n    return make(base_url='https://api.deepseek.com')  # site",
    ],
    "raw HTTP, indirectly": [
        "import requests\ns = requests.Session()\ns.post('https://api.openai.com/v1/chat/completions')  # site",
        "import requests\nU = {'a': 'https://api.x.ai/v1'}\nfor n, url in U.items():\n    requests.post(url)  # site",
        "import httpx\n\ndef f(url='https://api.deepseek.com/v1'):\n    return httpx.post(url)  # site",
        "import os\nimport requests\nrequests.post(os.getenv('U', 'https://api.groq.com/openai/v1'))  # site",
        "import httpx\n\ndef u():\n    return 'https://api.openai.com'\n\nhttpx.post(u() + '/v1/responses')  # site",
        "import urllib.request as r\nr.urlopen(r.Request('https://api.anthropic.com/v1/messages', b''))  # site",
    ],
    "a command line": [
        "import subprocess\nsubprocess.run(['ollama', 'run', 'llama3'])  # site",
        "import os\nos.system('claude -p hello')  # site",
        "import subprocess\ncmd = ['llm', '-m', 'gpt-4o']\nsubprocess.run([*cmd, 'hi'])  # site",
    ],
}
FALSE: dict[str, list[str]] = {
    "look-alike names": [
        "import openai_utils",
        "from .openai import x",
        "from . import anthropic",
        "import ollama_helpers",
    ],
    "type checking": [
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import openai",
        "import typing as t\n\nif t.TYPE_CHECKING:\n    from anthropic import Anthropic",
    ],
    "comments and texts": [
        "# import openai; requests.post('https://api.openai.com/v1')",
        '"""Call `import openai` no more."""',
        "print('https://api.openai.com/v1 is where it goes')",
        "DOCS = 'https://platform.openai.com/docs'\nprint(DOCS)",
    ],
    "other services": [
        "def f(twilio):\n    twilio.messages.create(to='1', from_='2', body='x')",
        "import requests\nrequests.get('https://api.coingecko.com/api/v3/ping')",
        "import subprocess\nsubprocess.run(['ollama', 'list'])",
        "def routes(app):\n    @app.post('/v1/chat/completions')\n    async def serve(): ...",
    ],
    "other parts of packages": [
        "import google.protobuf",
        "from google.cloud import storage",
        "from huggingface_hub import hf_hub_download",
        "from langchain.text_splitter import CharacterTextSplitter",
    ],
    "the factory itself": [
        "from src.models import ModelFactory\nModelFactory.get_model('openai').generate_response('a', 'b')",
        "import importlib.util\nimportlib.util.find_spec('openai')",
    ],
}
_PLAIN = "import math\n\n\ndef area(r):\n    return math.pi * r * r\n" * 20


def write_tree(folder: Path) -> tuple[dict[str, set[tuple[str, int]]], dict[str, set[str]]]:
    """Write one file per snippet; return the true places and the innocent files by kind."""
    places: dict[str, set[tuple[str, int]]] = {}
    innocent: dict[str, set[str]] = {}
    for kinds, innocents in ((TRUE, False), (FALSE, True)):
        for kind, snippets in kinds.items():
            for number, snippet in enumerate(snippets):
                name = f"{'ok' if innocents else 'bad'}_{kind.replace(' ', '_')}_{number}.py"
                (folder / name).write_text(snippet + "\n", encoding="utf-8")
                lines = {(name, at) for at, line in enumerate(snippet.splitlines(), 1) if line.endswith("# site")}
                if innocents:
                    innocent.setdefault(kind, set()).add(name)
                else:
                    places.setdefault(kind, set()).update(lines)
    return places, innocent


def by_check(folder: Path) -> set[Place]:
    """Return the places that the check names."""
    findings = check([folder], Config(folder.resolve())).findings
    return {Place(path=finding.path, first=finding.line, last=finding.line) for finding in findings}


def by_each(folder: Path) -> dict[str, set[Place]]:
    """Return what each tool names in a tree."""
    places: dict[str, set[Place]] = {}
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name)
        places["ruff TID251"] = by_ruff(folder, workspace)
        places["import-linter"] = by_import_linter(folder, workspace)
        semgrep = find_semgrep()
        if semgrep is None:
            print("semgrep is not on the PATH: it takes no part.\n")
        else:
            places["semgrep"] = by_semgrep(folder, workspace, semgrep)
    return places | {"check": by_check(folder)}


def compare() -> None:
    """Print what each tool finds, kind by kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sites, innocent = write_tree(folder)
        places = by_each(folder)
    every = {site for of_kind in sites.values() for site in of_kind}
    hits = {
        tool: {
            (path, line) for path, line in every if any(place.path == path and place.covers(line) for place in of_tool)
        }
        for tool, of_tool in places.items()
    }
    _print_head("true sites", "there", places)
    for kind, of_kind in {**sites, "all": every}.items():
        _print_row(kind, len(of_kind), [len(of_kind & of_tool) for of_tool in hits.values()])
    print()
    _print_head("false alarms", "files", places)
    alarms = {
        tool: {kind: len({place for place in of_tool if place.path in files}) for kind, files in innocent.items()}
        for tool, of_tool in places.items()
    }
    for kind, files in innocent.items():
        _print_row(kind, len(files), [by_kind[kind] for by_kind in alarms.values()])
    for tool in set(places) - {"check"}:
        assert hits[tool] < hits["check"], f"the check must find strictly more than {tool}"
    assert sum(alarms["check"].values()) <= min(sum(by_kind.values()) for by_kind in alarms.values())


def _print_head(title: str, count: str, tools: Iterable[str]) -> None:
    names = [f"{tool:>13}" for tool in tools]
    print(f"| {title:<24} | {count:>5} | {' | '.join(names)} |\n|---|---:|{'---:|' * len(names)}")


def _print_row(kind: str, count: int, counts: list[int]) -> None:
    print(f"| {kind:<24} | {count:>5} | {' | '.join(f'{number:>13}' for number in counts)} |")


def compare_on(folder: Path) -> None:
    """Print what each tool finds in a real tree, and what the check does not find of it."""
    places = by_each(folder)
    for tool, of_tool in places.items():
        print(f"{tool:<14}{len({(place.path, place.first) for place in of_tool}):>4} lines in "
              f"{len({place.path for place in of_tool}):>3} files")  # fmt: skip
    for tool, of_tool in places.items():
        for place in sorted(of_tool):
            if not any(own.path == place.path and _overlap(own, place) for own in places["check"]):
                text = (folder / place.path).read_text(encoding="utf-8", errors="replace").splitlines()
                line = text[place.first - 1].strip()[:100]
                print(f"not by the check, by {tool}: {place.path}:{place.first}: {line}")


def _overlap(place: Place, other: Place) -> bool:
    return place.first <= other.last and other.first <= place.last


def measure(count: int, jobs: int, each: int) -> None:
    """Print how long many files take, of which one in `each` calls a provider."""
    print(f"\none file in {each} calls a provider")
    snippets = [snippet for kind in TRUE.values() for snippet in kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(count):
            text = _PLAIN + (snippets[number // each % len(snippets)] if number % each == 0 else "")
            (folder / f"f{number}.py").write_text(f"{text}\nN = {number}\n", encoding="utf-8")
        config, cache = Config(folder.resolve()), folder / "cache"
        for label, where in (("no cache", None), ("cache, first", cache), ("cache, again", cache)):
            started = time.perf_counter()
            report = check([folder], config, where, jobs)
            print(
                f"{label:<14}{report.files} files, {len(report.findings)} found: {time.perf_counter() - started:.2f} s"
            )


def main() -> None:
    """Compare, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tree", type=Path, help="only compare what they find in this folder")
    options = parser.parse_args()
    if options.tree:
        compare_on(options.tree)
        return
    compare()
    for each in (20, 1):
        measure(options.files, options.jobs, each)


if __name__ == "__main__":
    main()
