"""Compare the check with ruff's banned-api rule on a made-up tree whose true and false sites are known.

    .venv/bin/python benchmarks/direct_calls.py [--files 10000]

Each line of the tree that ends in `# site` calls a provider and should be found; every other line should not. Ruff is
given all that its rule TID251 can be given: the names of the same SDKs, and of their clients.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from src.migration.check_command import check  # noqa: E402 - the path comes first
from src.migration.check_config import Config  # noqa: E402

BANNED = [
    "openai", "anthropic", "groq", "ollama", "google.generativeai", "google.genai", "mistralai", "cohere", "xai_sdk",
    "litellm", "langchain_openai", "langchain_anthropic", "langchain.chat_models", "llama_index.llms", "together",
    "replicate", "huggingface_hub.InferenceClient",
]  # fmt: skip

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


def by_ruff(folder: Path, place: Path) -> set[tuple[str, int]]:
    """Return the places that ruff names."""
    rules = "".join(f'"{name}".msg = "no"\n' for name in BANNED)
    config = place / "ruff.toml"
    config.write_text(f'[lint]\nselect = ["TID251"]\n[lint.flake8-tidy-imports.banned-api]\n{rules}', encoding="utf-8")
    ruff = Path(sys.executable).parent / "ruff"
    command = [
        str(ruff),
        "check",
        "--no-cache",
        "--config",
        str(config),
        "--output-format",
        "json",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(done.stderr)
    return {(one["filename"], one["location"]["row"]) for one in json.loads(done.stdout) if one["code"] == "TID251"}


def by_check(folder: Path) -> set[tuple[str, int]]:
    """Return the places that the check names."""
    return {(one.path, one.line) for one in check([folder], Config(folder.resolve())).findings}


def compare() -> None:
    """Print what each finds, kind by kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places, innocent = write_tree(folder)
        ruff = {(Path(path).name, line) for path, line in by_ruff(folder, folder)}
        found = {"ruff TID251": ruff, "check": by_check(folder)}
    print(f"| {'true sites':<24} | there | {' | '.join(f'{tool:>11}' for tool in found)} |\n|---|---:|---:|---:|")
    for kind, sites in places.items():
        print(f"| {kind:<24} | {len(sites):>5} | {' | '.join(f'{len(sites & hits):>11}' for hits in found.values())} |")
    every = {place for sites in places.values() for place in sites}
    print(f"| {'all':<24} | {len(every):>5} | {' | '.join(f'{len(every & hits):>11}' for hits in found.values())} |")
    print(f"\n| {'false alarms':<24} | files | {' | '.join(f'{tool:>11}' for tool in found)} |\n|---|---:|---:|---:|")
    for kind, files in innocent.items():
        alarms = [len({place for place in hits if place[0] in files}) for hits in found.values()]
        print(f"| {kind:<24} | {len(files):>5} | {' | '.join(f'{count:>11}' for count in alarms)} |")
    stray = {tool: len({one for one in hits - every if one[0].startswith("bad")}) for tool, hits in found.items()}
    print(f"\nLines beside the true ones: {stray}")
    assert found["ruff TID251"] & every < found["check"] & every, "the check must find strictly more"


def compare_on(folder: Path) -> None:
    """Print what each finds in a real tree, and what only ruff finds."""
    with tempfile.TemporaryDirectory() as name:
        ruff = by_ruff(folder, Path(name))
    ours = {(str(folder.resolve() / path), line) for path, line in by_check(folder)}
    print(f"ruff TID251: {len(ruff)} lines in {len({path for path, _ in ruff})} files")
    print(f"check:       {len(ours)} lines in {len({path for path, _ in ours})} files")
    print(f"only ruff:   {sorted(ruff - ours)[:20]}")


def measure(count: int, jobs: int, each: int) -> None:
    """Print how long many files take, one in `each` of which calls a provider."""
    print(f"\none file in {each} calls a provider")
    snippets = [one for kind in TRUE.values() for one in kind]
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
    parser.add_argument("--tree", type=Path, help="only compare what both find in this folder")
    options = parser.parse_args()
    if options.tree:
        compare_on(options.tree)
        return
    compare()
    for each in (20, 1):
        measure(options.files, options.jobs, each)


if __name__ == "__main__":
    main()
