"""What the check finds, style by style, and what it leaves alone."""

from __future__ import annotations

import ast
import gc
import textwrap

import pytest

from src.migration.check.evaluate.module import Scope
from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary
from tests.long import rounds


def places(source: str, *, modules: tuple[str, ...] = (), hosts: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    words, data = Vocabulary(modules, hosts), textwrap.dedent(source).encode()
    facts = facts_of(data, words)
    assert words.may_matter(data) or not facts.sites  # the quick look must let it through
    return [(site.rule, site.line) for site in facts.sites]


def rules(source: str) -> set[str]:
    return {rule for rule, _ in places(source)}


IMPORTS = [
    "import openai", "import openai as o", "import os, openai", "import openai.types.chat",
    "from openai import OpenAI as C",
    "from openai import *", "import anthropic as a", "from anthropic import Anthropic, HUMAN_PROMPT",
    "from groq import Groq",
    "import google.generativeai as genai", "import google.genai", "from google import genai",
    "from google.genai import types",
    "import ollama", "from mistralai import Mistral", "import cohere", "import xai_sdk", "from xai_sdk import Client",
    "import litellm", "from litellm import completion", "from langchain_openai import ChatOpenAI",
    "from langchain_anthropic import ChatAnthropic", "from langchain.chat_models import init_chat_model",
    "from langchain import chat_models", "from langchain_community.chat_models import ChatOllama",
    "from langchain_google_genai import ChatGoogleGenerativeAI", "from llama_index.llms.openai import OpenAI",
    "from llama_index.llms import OpenAI", "from together import Together", "import replicate",
    "from huggingface_hub import InferenceClient", "from langfuse.openai import openai", "import vertexai",
    "from vertexai.generative_models import GenerativeModel", "import instructor", "import dspy",
    "from azure.ai.inference import ChatCompletionsClient", "from semantic_kernel.connectors.ai.open_ai import X",
]  # fmt: skip


@pytest.mark.parametrize("line", IMPORTS)
def test_finds_an_import(line: str) -> None:
    assert places(line) == [("sdk-import", 1)]


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    import openai",
        "def f():\n    import openai",
        "async def f():\n    if x:\n        from openai import OpenAI",
        "try:\n    import openai\nexcept ImportError:\n    openai = None",
        "try:\n    pass\nexcept ImportError:\n    import openai",
        "try:\n    pass\nfinally:\n    import openai",
        "with x:\n    import openai",
        "while True:\n    import openai",
        "for i in x:\n    pass\nelse:\n    import openai",
        "match x:\n    case 1:\n        import openai",
        "if x:\n    pass\nelif y:\n    import openai",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import openai",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import openai",
        "x = 1; import openai",
        "import huggingface_hub\nhuggingface_hub.InferenceClient()",
        "import google.cloud\nimport google\ngoogle.genai.Client()",
    ],
)
def test_finds_an_import_wherever_it_stands(source: str) -> None:
    assert "sdk-import" in rules(source)


DYNAMIC = [
    "import importlib\nimportlib.import_module('openai')",
    "import importlib as il\nil.import_module('openai.types')",
    "from importlib import import_module\nimport_module('anthropic')",
    "from importlib import import_module as load\nload('anthropic')",
    "import importlib\nimportlib.import_module(name='openai')",
    "__import__('openai')",
    "import builtins\nbuiltins.__import__('groq')",
    "import builtins\nvars(builtins)['__import__']('openai')",
    "import builtins\nbuiltins.__dict__['__import__']('openai')",
    "g = __import__\ng('openai')",
    "g, name = __import__, 'openai'\ng(name)",
    "b = __builtins__\nb['__import__']('openai')",
    "g = __builtins__.__import__\ng('openai')",
    "g = __builtins__['__import__']\ng('openai')",
    "g = getattr(__builtins__, '__import__')\ng('openai')",
    "from operator import attrgetter\nimport builtins\nattrgetter('__import__')(builtins)('openai')",
    "import operator, importlib\noperator.methodcaller('import_module', 'openai')(importlib)",
    "import importlib\nN = 'open' + 'ai'\nimportlib.import_module(N)",
    "import importlib\nV = 'ai'\nimportlib.import_module(f'open{V}')",
    "import importlib\nimportlib.import_module('open%s' % 'ai')",
    "import importlib\nimportlib.import_module('{}ai'.format('open'))",
    "import importlib\nimportlib.import_module('.'.join(['google', 'genai']))",
    "import importlib\nM = {'a': 'anthropic', 'o': 'openai'}\ndef f(p):\n    return importlib.import_module(M[p])",
    "import importlib\nfor m in ('json', 'openai'):\n    importlib.import_module(m)",
    "import importlib\nclass A:\n    sdk = 'openai'\n    def f(self):\n        importlib.import_module(self.sdk)",
    "import importlib\ndef f(name='openai'):\n    return importlib.import_module(name)",
    "import importlib\nimportlib.import_module('.types', package='openai')",
    "import importlib\nx = importlib.import_module(a if b else 'openai')",
    "import pytest\npytest.importorskip('openai')",
    "import importlib\nlist(map(importlib.import_module, ['json', 'openai']))",
    "import importlib, os\nimportlib.import_module(os.environ.get('SDK', 'openai'))",
    "exec('import openai')",
    "eval(\"__import__('openai')\")",
    "import sys\nclient = sys.modules['openai'].OpenAI()",
    "from lazy import lazy_import\nopenai = lazy_import('openai')",
    "getattr(__import__('importlib'), 'import_module')('openai')",
]


@pytest.mark.parametrize("source", DYNAMIC)
def test_finds_an_import_by_name(source: str) -> None:
    assert "dynamic-import" in rules(source)


CALLS = [
    "def f(x):\n    return x.chat.completions.create(model='m', messages=[])",
    "def f(x):\n    return x.beta.chat.completions.parse(model='m')",
    "def f(x):\n    return x.chat.completions.with_raw_response.create(model='m')",
    "def f(x, p):\n    return x.messages.create(**p)",
    "def f(x):\n    with x.messages.stream(model='m', max_tokens=1) as s: pass",
    "def f(x):\n    return x.responses.create(model='m', input='hi')",
    "def f(x):\n    return x.generate_content('hi')",
    "def f(x):\n    return x.aio.models.generate_content(model='m', contents='hi')",
    "def f(x):\n    return x.ChatCompletion.create(model='m')",
    "async def f(x):\n    return await x.ChatCompletion.acreate(model='m')",
    "def f(x):\n    c = x.chat\n    return c.completions.create(model='m')",
    "def f(x):\n    create = x.messages.create\n    return create(model='m', max_tokens=1)",
    "def f(x):\n    return pool.submit(x.chat.completions.create, model='m')",
    "def f(x):\n    return asyncio.to_thread(x.messages.create, model='m', max_tokens=3)",
    "def f(x):\n    return getattr(x, 'chat').completions.create(model='m')",
    "def f(x):\n    return (x\n        .chat\n        .completions\n        .create(model='m'))",
    "class A:\n    def f(self):\n        return self.llm.client.chat.completions.create(model='m')",
    "from operator import attrgetter\nattrgetter('chat.completions.create')(x)(model='m')",
    "def f(clients):\n    return clients['a'].chat.completions.create(model='m')",
    "def f(sdk):\n    return sdk.OpenAI(api_key='k')",
    "import boto3\nboto3.client('bedrock-runtime')",
    "def f(b):\n    return b.invoke_model(modelId='m')",
    "import ollama\ndef f():\n    return ollama.chat(model='m', messages=[])",
    "from ollama import chat\nchat(model='m')",
    "import ollama\nc = ollama.Client()\nc.generate(model='m')",
    "import litellm\nlitellm.completion(model='m')",
    "from langchain_openai import ChatOpenAI\nllm = ChatOpenAI()\nllm.invoke('hi')",
    "import importlib\nm = importlib.import_module('ollama')\nm.chat(model='m')",
]


@pytest.mark.parametrize("source", CALLS)
def test_finds_a_call_of_a_client(source: str) -> None:
    assert "sdk-call" in rules(source)


@pytest.mark.parametrize(
    "call",
    [
        "audio.speech.create(model='tts-1')",
        "audio.transcriptions.create(file=f)",
        "images.generate(prompt='x')",
        "videos.create(prompt='x')",
        "embeddings.create(input='x', model='m')",
        "beta.assistants.create()",
        "audio.speech.with_streaming_response.create(model='x')",
    ],
)
def test_tells_other_uses_apart(call: str) -> None:
    assert rules(f"def f(x):\n    return x.{call}") == {"non-chat-call"}


URLS = [
    "requests.post('https://api.openai.com/v1/chat/completions', json={})",
    "requests.request('POST', 'https://api.anthropic.com/v1/messages')",
    "requests.post(url='https://api.deepseek.com/chat/completions')",
    "URL = 'https://api.groq.com/openai/v1'\nrequests.post(URL + '/chat/completions')",
    "URL = 'https://api.groq.com/openai/v1'\nrequests.post(f'{URL}/chat/completions')",
    "host = 'generativelanguage.googleapis.com'\nrequests.post(f'https://{host}/v1beta/models/{m}:generateContent?key={k}')",
    "url = 'https://api.x.ai'\nurl += '/v1/chat/completions'\nhttpx.post(url)",
    "httpx.Client(base_url='https://openrouter.ai/api/v1').post('/x')",
    "async with aiohttp.ClientSession() as s:\n    async with s.post('https://api.openai.com/v1/responses') as r: pass",
    "urllib.request.urlopen(urllib.request.Request('https://api.openai.com/v1/chat/completions', data=b''))",
    "http.client.HTTPSConnection('api.openai.com')",
    "requests.post('http://localhost:11434/api/chat', json={})",
    "requests.post(f'{OLLAMA_HOST}/api/generate', json={})",
    "requests.post('http://127.0.0.1:11434/v1/chat/completions')",
    "requests.post(f'http://{host}:{port}/v1/chat/completions')",
    "requests.post(base + '/v1/chat/completions')",
    "class ModelFactory: ...\nModelFactory.post('https://api.openai.com/v1/chat/completions')",
    "from mine import ModelFactory\nModelFactory.post('https://api.openai.com/v1/chat/completions')",
    "def ask(prompt, url='https://api.openai.com/v1/chat/completions'):\n    return requests.post(url)",
    "class A:\n    b = 'https://api.openai.com/v1'\n    def f(self):\n        requests.post(self.b + '/responses')",
    "class A:\n    def __init__(self):\n        self.u = 'https://api.x.ai/v1'\n    def f(self): self.s.post(self.u)",
    "CFG = {'url': 'https://api.openai.com/v1/x'}\nrequests.post(CFG['url'])",
    "CFG = {'o': {'url': 'https://api.openai.com/v1/x'}}\nrequests.post(CFG[p]['url'])",
    "kw = {'url': 'https://api.openai.com/v1/x', 'json': {}}\nrequests.post(**kw)",
    "def endpoint():\n    return 'https://api.openai.com/v1/x'\nrequests.post(endpoint())",
    "for url in ['https://a.b/c', 'https://api.openai.com/v1/x']:\n    requests.post(url)",
    "for name, url in {'o': 'https://api.openai.com/v1/x'}.items():\n    requests.post(url)",
    "requests.post(os.getenv('BASE', 'https://api.openai.com/v1') + '/chat')",
    "requests.post(os.environ.get('BASE') or 'https://api.openai.com/v1')",
    "requests.post('https://{}/v1/x'.format('api.openai.com'))",
    "requests.post('https://%s/v1/x' % 'api.openai.com')",
    "requests.post('/'.join(['https://api.openai.com', 'v1', 'x']))",
    "requests.post(urljoin('https://api.openai.com', 'v1/x'))",
    "make_client(base_url='https://api.deepseek.com')",
    "OpenAI(base_url=os.environ.get('X', 'https://api.deepseek.com'))",
    "call_llm('https://api.openai.com/v1/x', key)",
    "self._post('https://api.openai.com/v1/x', body)",
    "requests.post('https://me.openai.azure.com/openai/deployments/x/chat/completions?api-version=1')",
    "requests.post(url := 'https://api.openai.com/v1/x')",
    "subprocess.run(['curl', '-X', 'POST', 'https://api.openai.com/v1/chat/completions'])",
    "pool.submit(requests.post, 'https://api.openai.com/v1/x', json={})",
    "functools.partial(requests.post, 'https://api.openai.com/v1/x')(json={})",
    "loop.run_in_executor(None, requests.post, 'https://api.openai.com/v1/x')",
    "threading.Thread(target=requests.post, args=('https://api.openai.com/v1/x',)).start()",
    "pool.map(requests.get, ['https://a.b', 'https://api.openai.com/v1/x'])",
    "requests.post(f'http://{host}:11434/api/generate')",
    "URL = 'http://localhost:11434/api'\nrequests.post(f'{URL}/chat')",
    "httpx.Client().stream('POST', 'https://api.openai.com/v1/x')",
    "class A:\n    c = {'url': 'https://api.openai.com/v1/x'}\n    def f(self): self.s.post(self.c['url'])",
    "os.system('curl -s https://api.openai.com/v1/models | jq .')",
]


@pytest.mark.parametrize("source", URLS)
def test_finds_a_provider_s_address(source: str) -> None:
    if source.startswith("async"):
        source = "async def f():\n" + textwrap.indent(source, "    ")
    assert "provider-url" in rules("import requests, httpx, aiohttp, os, subprocess, http.client\n" + source)


COMMANDS = [
    "subprocess.run(['ollama', 'run', model, prompt])",
    "subprocess.Popen(['claude', '-p', prompt])",
    "subprocess.check_output(['/usr/local/bin/claude', '--print', '--model', 'x', prompt])",
    "subprocess.run('claude -p \"hello\"', shell=True)",
    "subprocess.run(f'echo {p} | ollama run llama3', shell=True)",
    "os.system('openai api chat.completions.create -m gpt-4o')",
    "os.popen('llm \"what is up\"').read()",
    "cmd = ['ollama', 'run', m]\nsubprocess.run(cmd)",
    "cmd = ['ollama', 'run']\nsubprocess.run(cmd + [m])",
    "cmd = ['ollama', 'run']\nsubprocess.run([*cmd, m])",
    "cmd = ['claude']\ncmd += ['-p', prompt]\nsubprocess.run(cmd)",
    "subprocess.run(args=['llm', '-m', 'gpt-4o', prompt])",
    "asyncio.create_subprocess_exec('ollama', 'run', 'llama3')",
    "BIN = 'ollama'\nsubprocess.run([BIN, 'run', m])",
    "subprocess.run(['sudo', 'env', 'A=1', 'ollama', 'run', m])",
    "from subprocess import run as go\ngo(['ollama', 'run', m])",
    "subprocess.run([sys.executable, '-m', 'openai', 'api'])",
    "asyncio.to_thread(subprocess.run, ['ollama', 'run', m])",
    "run_command(['ollama', 'run', 'x'])",
    "os.system('echo \"$(ollama run m)\"')",
    "os.system('x=`claude -p hi`')",
    "os.system('cd /tmp && (\"ollama\" run m)')",
]


@pytest.mark.parametrize("source", COMMANDS)
def test_finds_a_provider_s_command_line(source: str) -> None:
    assert "provider-command" in rules("import subprocess, os, asyncio, sys\n" + source)


def test_runs_python_with_an_import() -> None:
    assert rules("import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import openai'])") == {
        "dynamic-import"
    }


INNOCENT = [
    "import openai_utils", "import ollama_helpers", "from my.openai import x", "from .openai import OpenAI",
    "from . import openai", "from .. import anthropic", "from src.models import openai",
    "import anthropic_utils as anthropic",
    "import langchain_core", "from langchain_core.prompts import PromptTemplate", "from google.cloud import storage",
    "import google.protobuf", "from huggingface_hub import hf_hub_download", "import llama_index.core",
    "import langfuse",
    "# import openai", '"""import openai\n\nrequests.post(\'https://api.openai.com/v1\')\n"""', "x = 'import openai'",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import openai\n    from anthropic import Anthropic",
    "import typing\nif typing.TYPE_CHECKING:\n    import openai",
    "import typing as t\nif t.TYPE_CHECKING:\n    import openai",
    "from typing import TYPE_CHECKING as TC\nif TC:\n    import openai",
    "def f(x: 'openai.OpenAI') -> None: ...",
    "print('see https://platform.openai.com/docs')", "print('https://api.openai.com/v1')",
    "LINK = 'https://api.openai.com/v1'",
    "raise ValueError('could not reach https://api.openai.com/v1 at all')",
    "log.info('asked https://api.openai.com/v1')",
    "requests.get('https://openrouter.ai/docs')", "requests.get('https://www.anthropic.com/news')",
    "requests.get('https://api.openai.com.example.org/v1')",
    "requests.get('https://example.org/?u=https://api.openai.com/')",
    "requests.get('https://notapi.x.ai.example/v1')", "requests.get('https://api.coingecko.com/api/v3/ping')",
    "requests.post('http://localhost:8000/api/chat')", "requests.post(f'{self.base}/api/generate')",
    "if url.startswith('https://api.openai.com'):\n    pass", "url == 'https://api.openai.com/v1'",
    "@app.post('/v1/chat/completions')\nasync def serve(): ...",
    "respx.post('https://api.openai.com/v1/chat/completions')",
    "respx_mock.post('https://api.openai.com/v1/responses')",
    "httpx_mock.add_response(url='https://api.openai.com/v1')",
    "twilio.messages.create(to='+1', from_='+2', body='hi')", "db.messages.create(title='x')",
    "twilio.messages.create(to='+1', **rest)",
    "discord.responses.create('x')",
    "model.chat(messages, temperature=0.2)", "model.generate_response('system', 'user')", "chat.send_message('hi')",
    "from src.models import ModelFactory\nModelFactory.get_model('openai', 'gpt-4o').generate_response('a', 'b')",
    "from src.models import ModelFactory\nModelFactory.post('https://api.openai.com/v1/chat/completions', json={})",
    "from src.models.model_factory import model_factory as f\nf.apost('https://api.x.ai/v1/responses', via=c.post)",
    "importlib.import_module('src.models.adapters.openai')", "importlib.import_module('json')",
    "importlib.import_module(f'src.{x}')", "importlib.util.find_spec('openai')", "importlib.metadata.version('openai')",
    "'openai' in sys.modules", "sys.modules['openai'] = fake",
    "importlib.import_module('.openai', package='src.models')",
    "subprocess.run(['ollama', 'list'])", "subprocess.run(['ollama', 'pull', 'x'])",
    "subprocess.run(['claude', '--version'])",
    "subprocess.run(['claude', 'mcp', 'list'])", "subprocess.run(['echo', 'claude -p'])", "os.system('llm --version')",
    "subprocess.run(['llm', 'models'])", "subprocess.run(['git', 'commit', '-m', 'use ollama run'])",
    "subprocess.run(['pip', 'install', 'openai'])", "subprocess.run('afplay x.mp3', shell=True)",
    "runner.run('llm cost report')", "parser.add_argument('--model', default='openai')",
    "{'openai': 'gpt-4o'}['openai']",
    "class OpenAI: ...\nOpenAI()", "def openai(): ...\nopenai()", "openai_client = make()\nopenai_client.close()",
    "os.environ['OPENAI_BASE_URL'] = 'https://api.openai.com/v1'", "mock.patch('openai.OpenAI')",
    "pool.submit(parse, 'openai')",
    "os.path.join(home, 'claude', '-p')", "os.makedirs('ollama/run')",
    "os.execv(path, ['x', '-p'])",
    "log.exception('ollama run failed: %s', x)", "pool.map(print, ['https://api.openai.com/v1'])",
    "exec('import json')",
    "subprocess.run(sys.executable + ' -c \"import sys; mods = list(sys.modules); print(mods)\"', shell=True)",
    "os.system('echo \"first; mods; ollama run m\"')", "os.system(\"git commit -m 'a | claude -p b'\")",
    "os.system('ls # ; llm chat')",
    "code = 'import sys; mods = 1'\ncode = sys.executable + ' -c \"' + code + '\"'\nsubprocess.run(code, shell=True)",
    "factory.completions.create(name='x')", "User.objects.create(model='x')", "self.videos.append(1)",
]  # fmt: skip


@pytest.mark.parametrize("source", INNOCENT)
def test_leaves_alone(source: str) -> None:
    assert places(source) == []


def test_names_each_provider_as_the_factory_does() -> None:
    sources = {
        "import anthropic": "claude",
        "import google.genai": "gemini",
        "import xai_sdk": "xai",
        "import ollama": "ollama",
        "import requests\nrequests.post('https://api.deepseek.com/v1')": "deepseek",
    }
    for source, provider in sources.items():
        assert [site.provider for site in facts_of(source.encode(), Vocabulary()).sites] == [provider]


def test_says_where_in_characters() -> None:
    (site,) = facts_of("π = 'ж'; import openai".encode(), Vocabulary()).sites
    assert (site.line, site.column, site.text) == (1, 10, "π = 'ж'; import openai")


def test_knows_a_project_s_own_names() -> None:
    assert places("import corp_llm", modules=("corp_llm",)) == [("sdk-import", 1)]
    source = "import requests\nrequests.post('https://llm.corp.example/ask')"
    assert places(source) == []
    assert places(source, hosts=("llm.corp.example",)) == [("provider-url", 2)]


def test_finds_each_site_once() -> None:
    source = """
    import openai
    client = openai.OpenAI(base_url="https://api.deepseek.com")
    reply = client.chat.completions.create(model="m", messages=[])
    """
    assert places(source) == [("sdk-import", 2), ("provider-url", 3), ("sdk-call", 4)]


@pytest.mark.parametrize("source", [b"def (", b"\x00", b"\xff\xfe\x00", b"# coding: nothing\nx", b"x = " + b"(" * 5000])
def test_reports_what_it_cannot_read(source: bytes) -> None:
    (site,) = facts_of(source, Vocabulary()).sites
    assert site.rule == "unparseable"


def test_survives_deep_nesting() -> None:
    for source in ("x = " + "a." * 3000 + "b", "x = " + "-" * 3000 + "1", "x = " + "+".join("a" * 3000)):
        facts_of(source.encode(), Vocabulary())


def test_what_a_file_holds_is_freed_without_the_garbage_collector() -> None:
    source = b"import requests\nurls = {}\nurls['chat'] = 'https://x'\nrequests.post(urls['chat'])"
    gc.collect()
    gc.freeze()  # what is there already is no longer counted
    gc.disable()
    try:
        facts_of(source, Vocabulary())
        assert [item for item in gc.get_objects() if isinstance(item, (Scope, ast.Module))] == []
    finally:
        gc.enable()
        gc.unfreeze()


def test_ends_soon_on_names_that_chase_each_other() -> None:
    lines = [f"a{i} = f'{{a{(i + 1) % 40}}}' + a{(i + 7) % 40} + (a{(i + 3) % 40} or a{i})" for i in range(40)]
    lines += [f"requests.post(a{i})" for i in range(40)]
    facts_of("\n".join(lines * rounds(1, 4)).encode(), Vocabulary())
