"""How far the check follows what a call is made with: through arguments, objects, texts and other files."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from src.migration.check.command import check
from src.migration.check.config import Config
from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """import asyncio, functools, http.client, httpx, importlib, os, pycurl
import requests, shlex, shutil, socket, subprocess
"""
ADDRESS = "'https://api.openai.com/v1/responses'"


def rules(source: str, *, head: str = HEAD) -> set[str]:
    words, data = Vocabulary(), (head + textwrap.dedent(source)).encode()
    facts = facts_of(data, words)
    assert words.may_matter(data) or not facts.sites  # the quick look must let it through
    return {site.rule for site in facts.sites}


@pytest.mark.parametrize(
    "name",
    [
        "'ianepo'[::-1]", "'xopenai'[1:]", "'OpenAI'.lower()", "'open_ai'.replace('_', '')", "'openai.x'.split('.')[0]",
        "chr(111) + 'penai'", "'%(a)sai' % {'a': 'open'}", "'{1}{0}'.format('ai', 'open')", "'{a}ai'.format(a='open')",
        "base64.b64decode('b3BlbmFp').decode()", "'xxopenai'.lstrip('x')", "''.join(('op', 'enai'))",
    ],
)  # fmt: skip
def test_works_a_name_out(name: str) -> None:
    assert rules(f"importlib.import_module({name})") == {"dynamic-import"}


@pytest.mark.parametrize(
    "source",
    [
        "def load(name):\n    return importlib.import_module(name)\nload('openai')",
        "class L:\n    def load(self, name):\n        return __import__(name)\nL().load('openai')",
        "load = lambda n: importlib.import_module(n)\nload('openai')",
        "def load(name):\n    return importlib.import_module(name)\nload(name='openai')",
        "from django.utils.module_loading import import_string\nimport_string('openai.OpenAI')",
        "importlib.util.module_from_spec(importlib.util.find_spec('openai'))",
        "eval(\"importlib.import_module('openai')\")",
    ],
)
def test_follows_a_name_into_a_function(source: str) -> None:
    assert rules(source) == {"dynamic-import"}


@pytest.mark.parametrize(
    "source",
    [
        f"def ask(u, d):\n    return requests.post(u, json=d)\nask({ADDRESS}, {{}})",
        "class C:\n    def __init__(self, base):\n        self.base = base\n"
        "    def go(self):\n        requests.post(self.base + '/x')\nC('https://api.openai.com/v1').go()",
        f"class C:\n    def __init__(self, u={ADDRESS}):\n        self.u = u\n    def go(self): requests.post(self.u)",
        f"class C:\n    @property\n    def u(self):\n        return {ADDRESS}\n    def go(self): requests.post(self.u)",
        f"class C:\n    U = {ADDRESS}\n    def go(self):\n        requests.post(type(self).U)",
        f"class C:\n    U = {ADDRESS}\n    def go(self):\n        requests.post(self.__class__.U)",
        f"class C:\n    u: str = {ADDRESS}\ndef f(c: C):\n    requests.post(c.u)",
        f"class E(Enum):\n    A = {ADDRESS}\nrequests.post(E.A.value)",
        f"c = SimpleNamespace(u={ADDRESS})\nrequests.post(c.u)",
        f"c = {{}}\nc['u'] = {ADDRESS}\nrequests.post(c['u'])",
        f"c = {{'u': {ADDRESS}}}\nrequests.post(c.get('u'))",
        f"M = {{'post': requests.post}}\nM['post']({ADDRESS})",
        f"getattr(requests, method)({ADDRESS})",
        "requests.post('https://%(h)s/v1/responses' % {'h': 'api.openai.com'})",
        "requests.post('{s}://{h}/v1'.format(**{'s': 'https', 'h': 'api.openai.com'}))",
        "requests.post('{s}://{h}/v1'.format_map({'s': 'https', 'h': 'api.openai.com'}))",
        "requests.post(Template('https://$h/v1').substitute(h='api.openai.com'))",
        "requests.post(urlunsplit(('https', 'api.openai.com', '/v1/responses', '', '')))",
        "requests.post(URL.build(scheme='https', host='api.openai.com', path='/v1'))",
        "requests.post(httpx.URL('https://api.openai.com').join('/v1/responses'))",
        "requests.post(os.path.join('https://api.openai.com', 'v1'))",
        "requests.post(os.environ['OPENAI_BASE_URL'] + '/responses')",
        "requests.post(f\"{os.getenv('OLLAMA_HOST')}/api/generate\")",
        f"c = pycurl.Curl()\nc.setopt(c.URL, {ADDRESS})",
        "socket.create_connection(('api.openai.com', 443))",
        "async def f():\n    await asyncio.open_connection('api.openai.com', 443, ssl=True)",
        "async def f():\n    async with websockets.connect('wss://api.openai.com/v1/realtime'): ...",
        "grpc.secure_channel('generativelanguage.googleapis.com:443', None)",
        "urllib3.HTTPSConnectionPool('api.openai.com')",
        "urllib3.PoolManager().urlopen('POST', 'https://api.openai.com/v1/responses')",
        "def f(sdk):\n    sdk.base_url = 'https://api.deepseek.com'",
        "requests.post('https://eu.api.openai.com/v1/responses')",
        "requests.post('https://bedrock-runtime.eu-west-1.amazonaws.com/model/x/invoke')",
        "requests.post('https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/x')",
        "requests.post(f'{base}/v1beta/models/{m}:generateContent')",
        "subprocess.run(['curl', '--url=https://api.openai.com/v1/x'])",
        "subprocess.run(['curl', 'api.openai.com/v1/x'])",
    ],
)  # fmt: skip
def test_follows_an_address(source: str) -> None:
    assert rules(source) == {"provider-url"}


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(shlex.split(f'ollama run {m}'))",
        "c = 'ollama run llama3'\nsubprocess.run(c.split())",
        "c = ['claude']\nc.append('-p')\nc.extend([prompt])\nsubprocess.run(c)",
        "subprocess.run([shutil.which('claude'), '-p', 'x'])",
        "subprocess.run([str(Path('/usr/bin/ollama')), 'run', 'm'])",
        "subprocess.run(['bash', '-lc', f'claude -p {p}'])",
        "subprocess.run(['docker', 'exec', '-it', 'box', 'ollama', 'run', 'm'])",
        "subprocess.run(['ssh', 'host', 'ollama run m'])",
        "subprocess.run(['npx', '-y', '@anthropic-ai/claude-code', '-p', 'x'])",
        "subprocess.run(['claude', 'explain this'])",
        "async def f():\n    a = ['claude', '-p', 'x']\n    await asyncio.create_subprocess_exec(*a)",
        "async def f(loop):\n    await loop.subprocess_exec(factory, 'ollama', 'run', 'm')",
        "os.execvp('ollama', ['ollama', 'run', 'm'])",
        "os.spawnlp(os.P_WAIT, 'ollama', 'ollama', 'run', 'm')",
        "def sh(c):\n    return subprocess.run(c, shell=True)\nsh('ollama run m hi')",
        "import sh\nsh.ollama('run', 'm')",
    ],
)
def test_follows_a_command_line(source: str) -> None:
    assert rules(source) == {"provider-command"}


@pytest.mark.parametrize(
    "source",
    [
        "def f(c):\n    return c.chat(model='m', messages=[])",
        "def f(c):\n    return c.generate(model='m', prompt='x')",
        "def f(c):\n    return c.converse(modelId='m', messages=[])",
        "def f(c):\n    return c.chats.create(model='m')",
        "def f(m):\n    chat = m.start_chat()\n    return chat.send_message('x')",
        "def f(c):\n    return c.messages.batches.create(requests=[])",
        "def f(anthropic_client):\n    return [anthropic_client.messages.create]",
        "def f(c):\n    return c.realtime.connect(model='m')",
    ],
)
def test_knows_a_client_by_what_it_is_asked(source: str) -> None:
    assert rules(source) == {"sdk-call"}


@pytest.mark.parametrize(
    "line",
    [
        "from autogen import AssistantAgent", "from agno.models.openai import OpenAIChat", "import smolagents",
        "from mirascope import llm", "import claude_agent_sdk", "from agents import Runner", "import semantic_kernel",
        "from google.ai import generativelanguage_v1beta", "from google.cloud import aiplatform",
        "from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator",
    ],
)  # fmt: skip
def test_finds_wrappers(line: str) -> None:
    assert rules(line, head="") == {"sdk-import"}


@pytest.mark.parametrize(
    "source",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING and x:\n    import openai",
        "client.chat.completions.create.return_value = reply",
        "client.chat.completions.create.assert_called_once()",
        "import responses\nresponses.post('https://api.openai.com/v1/chat/completions', json={})",
        "from aiohttp import web\nweb.post('/v1/chat/completions', handler)",
        "cache.get('https://api.openai.com/v1')",
        "self.settings.get('https://api.openai.com/v1')",
        "settings.base_url = 'https://api.deepseek.com'",
        "subprocess.run(['claude', 'mcp', 'list'])", "subprocess.run(['docker', 'run', 'ollama/ollama'])",
        "subprocess.run(['docker', 'exec', 'claude', 'ls'])", "subprocess.run(['bash', '-c', 'echo hello'])",
        "from agents.risk import Risk", "from swarm import consensus", "from transformers import pipeline",
        "from phi import golden_ratio", "model.chat(messages)", "model.generate(inputs)",
        "socket.connect(('a.b', 443))",
        "def get(url):\n    return requests.get(url)\nget('https://platform.openai.com/docs')",
    ],
)  # fmt: skip
def test_does_not_reach_too_far(source: str) -> None:
    assert rules(source) == set()


def test_true_while_it_runs_is_not_type_checking() -> None:
    assert rules("TYPE_CHECKING = True\nif TYPE_CHECKING:\n    import openai") == {"sdk-import"}


def test_follows_constants_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(
        textwrap.dedent("""
            SDK = "openai"
            HOST = "api.openai.com"
            BASE = "https://api.deepseek.com"
            URLS = {"a": "https://api.openai.com/v1/x"}
            class Settings:
                url = "https://api.anthropic.com/v1/messages"
            settings = Settings()
            def endpoint():
                return "https://api.x.ai/v1"
            DOCS = "https://platform.openai.com"
        """),
        encoding="utf-8",
    )
    uses = {
        "import importlib": ["importlib.import_module(SDK)"],
        "import requests": [
            "requests.post(f'https://{HOST}/v1/responses')", "requests.get(BASE)", "requests.post(URLS['a'])",
            "requests.post(Settings.url)", "requests.post(settings.url)", "requests.post(endpoint())",
        ],
        "import http.client": ["http.client.HTTPSConnection(HOST)"],
        "make = 1": ["make(base_url=BASE)"],
    }  # fmt: skip
    lines = [(head, use) for head, each in uses.items() for use in each]
    for number, (head, use) in enumerate(lines):
        star = (
            "from settings import *"
            if number % 2
            else "from settings import SDK, HOST, BASE, URLS, Settings, settings, endpoint"
        )
        (tmp_path / f"use{number}.py").write_text(f"{head}\n{star}\n{use}\n", encoding="utf-8")
    (tmp_path / "innocent.py").write_text("import requests, settings\nrequests.get(settings.DOCS)\n", encoding="utf-8")
    paths = {finding.path for finding in check([tmp_path], Config(tmp_path.resolve())).findings}
    assert paths == {f"use{number}.py" for number in range(len(lines))}
