"""The quick look lets every file through that holds a direct call, however the call is spelled, and few others."""

from __future__ import annotations

import ast
import random

import pytest

from src.migration.check.evaluate.shell_texts import shell_commands
from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.word_filter import Interest
from src.migration.check.vocabulary.words import Vocabulary
from tests.long import rounds

WORDS = Vocabulary()

PROSE = """
def limit(self):
    '''Wait between requests, as the exchange asks.'''
    # no requests. Then a websocket, or httpx
"""

SPELLINGS = [
    "import urllib3\nurllib3.PoolManager().request('POST', 'https://api.' + 'openai' + '.com/v1')",
    "import websockets\nasync def f():\n    async with websockets.connect('wss://' + 'api.op' + 'enai.com/v1'): ...",
    "from compat import (\n    requests,\n)\ngetattr(requests, 'post')('https://ap' + 'i.x.ai/v1')",
    "import openai",
    "import\topenai",
    "import os, \\\n    openai",
    "from \\\n  openai import OpenAI",
    "import \uff4fpenai",
    "import together",
    "import os, together",
    "import os as o, together as t",
    "import  together",
    "from together import T",
    "if True: import replicate",
    "exec('import os\\nimport together')",
    "exec('import\\topenai')",
    "exec('import \\x6fpenai')",
    "exec('import \\157penai')",
    "exec('import \\N{LATIN SMALL LETTER O}penai')",
    "exec('import \\u006fpenai')",
    "exec('import open\\\nai')",
    "exec('import ' + 'open' + 'ai')",
    "import builtins\nbuiltins.exec('import ' + 'open' + 'ai')",
    "__builtins__.eval('__import__(\"op' + 'enai\")')",
    "import importlib\nimportlib.import_module('open' 'ai')",
    "import importlib\nimportlib.import_module('open' + 'ai')",
    "import importlib\nimportlib.import_module(f'{\"open\"}ai')",
    "from importlib import import_module as load\nload('iane'[::-1] + 'po')\nload('ianepo'[::-1])",
    "import importlib\nimportlib.import_module(chr(111) + 'penai')",
    "__import__('%sai' % 'open')",
    "import base64, importlib\nimportlib.import_module(base64.b64decode('b3BlbmFp').decode())",
    "import importlib\nimportlib.import_module('.genai', package='goo' + 'gle')",
    "import importlib\nlist(map(importlib.import_module, ['open' + 'ai']))",
    "import sys\nsdk = sys.modules['together']",
    "def f(c):\n    return c.chat.completions.create(model='m')",
    "def f(c):\n    return (c.chat\n        .completions\n        . create(model='m'))",
    "def f(c):\n    make = c.messages\n    return make.create(model='m', max_tokens=1)",
    "def f(c):\n    return getattr(c, 'messages').create(model='m', max_tokens=1)",
    "def f(c):\n    return c.generate(\n        model = 'm',\n        prompt = 'x')",
    "def f(c):\n    return c.Image.create(prompt='x')",
    "import requests\nrequests.post('https://api.' 'openai.com/v1')",
    "import requests\nrequests.post('https://api.' + H + '/v1')\nH = 'openai.com'",
    "import requests\nrequests . post('https://' + 'api.' f'openai.com')",
    "def f(c):\n    c.post('https://api.op' + 'enai.com/v1')",
    "def f(make):\n    make(base_url='https://api.deep' + 'seek.com')",
    "def f(fetch):\n    fetch(OPENAI_API_BASE + '/x')",
    "def f(self):\n    self.post_json(f'{self.ollama_host}/api/chat')",
    "import subprocess\nsubprocess.run(['mods', 'x'])",
    "import subprocess\nsubprocess.run('gh copilot suggest x', shell=True)",
    "# coding: utf-7\nimport openai",
    "x = 1  # direct-call: allow (nothing)",
    "import httpx\nhttpx.post(f'http://localhost:{11434}/api/chat')",
    "from compat import *\nrequests.get('https://ap' + 'i.x.ai/v1')",
    "import compat\ncompat . requests.get('https://ap' + 'i.x.ai/v1')",
    "import os, \\\n  requests as r\nr.get('https://ap' + 'i.x.ai/v1')",
    "from requests import get\nget('https://ap' + 'i.x.ai/v1')",
    "r = __import__('requests')\nr.get('https://ap' + 'i.x.ai/v1')",
    "import sys\nsys.modules['requests'].get('https://ap' + 'i.x.ai/v1')",
    "import urllib3.util, aiohttp\nurllib3.PoolManager().request('GET', 'https://ap' + 'i.x.ai/v1')",
]


@pytest.mark.parametrize("source", SPELLINGS)
def test_no_spelling_hides_a_call(source: str) -> None:
    data = source.encode()
    facts = facts_of(data, WORDS)
    assert facts.sites or facts.allows
    assert WORDS.may_matter(data)


@pytest.mark.parametrize(
    "source",
    [
        "# they work together, as agents do\nx = 'put together'",
        "class A:\n    def eval(cls, x): ...\n    def f(self): model.eval()",
        "from importlib import import_module\nimport_module('os.path')", "client.post('/login/', {})", "eval('1 + 1')",
        "# requests are counted here\nx = 1",
        PROSE, "User.objects.create(name='x')\nmessages = []", "re.fullmatch(a, b)",
        "cls._create_threads(threads)", "lambda api: api + ai\nx = 1",
    ],
)  # fmt: skip
def test_ordinary_words_are_no_reason_to_parse(source: str) -> None:
    ast.parse(source)
    assert WORDS.interest(source.encode()) is Interest.NOTHING


def test_what_spells_nothing_out_is_told_from_what_does() -> None:
    assert WORDS.interest(b"import requests\nrequests.get(url)") is Interest.CALLS
    assert WORDS.interest(b"import openai") is Interest.NAMES
    broken = b"import requests\nrequests.get(url)\nthis is no Python"
    assert facts_of(broken, WORDS, WORDS.interest(broken)).sites == ()
    broken = b"import openai\nthis is no Python"
    assert [site.rule for site in facts_of(broken, WORDS, WORDS.interest(broken)).sites] == ["unparseable"]


def test_a_name_without_a_letter_of_ascii_makes_every_file_worth_parsing() -> None:
    assert Vocabulary(modules=("мой",)).may_matter(b"x = 1")


@pytest.mark.parametrize("seed", range(rounds(40, 4000)))
def test_names_put_together_at_random_are_let_through(seed: int) -> None:
    """Whatever the analysis can put together, the quick look must not hide."""
    chance = random.Random(seed)
    name = chance.choice(["openai", "anthropic", "groq", "ollama", "litellm"])
    call = chance.choice(
        ["importlib.import_module({})", "__import__({})", "exec('import ' + {})", "exec(f'import {{{}}}')"]
    )
    source = f"import base64, importlib\n{call.format(_spelled(name, chance, 3))}\n"
    data = source.encode()
    if facts_of(data, WORDS).sites:
        assert WORDS.may_matter(data), source


def _spelled(text: str, chance: random.Random, depth: int) -> str:
    """Return an expression that evaluates to a text, put together at random."""
    if depth == 0 or len(text) < 2:
        return repr(text)
    cut = chance.randrange(1, len(text))
    left, right = _spelled(text[:cut], chance, depth - 1), _spelled(text[cut:], chance, depth - 1)
    escaped = "".join(chance.choice([f"\\x{ord(character):02x}", character]) for character in text)
    return chance.choice([
        f"({left} + {right})", f"'%s%s' % ({left}, {right})", f"'{{}}{{}}'.format({left}, {right})",
        f"''.join([{left}, {right}])", f"{text[::-1]!r}[::-1]", f"{'x' + text!r}[1:]", f"{text.upper()!r}.lower()",
        f"'{escaped}'", f"{text[:cut]!r} {text[cut:]!r}", f"bytes.fromhex({text.encode().hex()!r}).decode()",
        f"(chr({ord(text[0])}) + {_spelled(text[1:], chance, depth - 1)})",
        f"{text.replace('n', '_')!r}.replace('_', 'n')",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a b; c | d&&e\nf", [["a", "b"], ["c"], ["d"], ["e"], ["f"]]),
        ("""python -c "import a; mods = 1" 'x;y' z\\;w""", [["python", "-c", "import a; mods = 1", "x;y", "z;w"]]),
        ("a $(b 'c)' $(d)) `e f`", [["a", "$(b 'c)' $(d))", "`e f`"], ["b", "c)", "$(d)"], ["d"], ["e", "f"]]),
        ('echo "$(claude -p x)" # mods', [["echo", "$(claude -p x)"], ["claude", "-p", "x"]]),
        ("(a); { b; }", [["a"], ["{", "b"], ["}"]]), ("C:\\bin\\llm.exe x", [["C:\\bin\\llm.exe", "x"]]),
        ("'open; a", [["open; a"]]), ("a$(", [["a$("]]), ("x \0@m.f(a;b)\1/y", [["x", "\0@m.f(a;b)\1/y"]]), ("", []),
    ],
)  # fmt: skip
def test_reads_a_command_line_as_a_shell_does(text: str, commands: list[list[str]]) -> None:
    assert list(shell_commands(text)) == commands
