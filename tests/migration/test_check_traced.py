"""The check accepts SDK clients that the factory traces where they are made, and nothing else beside them."""

from __future__ import annotations

import textwrap

import pytest

from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary

FACTORY = "from src.models.model_factory import ModelFactory\n"
ACCEPTED = [
    "from openai import OpenAI\nc = ModelFactory.traced(OpenAI(base_url='https://api.deepseek.com'))\n"
    "c.chat.completions.create(model='m', messages=[])",
    "import openai\nc = ModelFactory.traced(openai.OpenAI())\ndef f(c):\n    try:\n"
    "        return c.chat.completions.create(model='m')\n    except openai.RateLimitError:\n        raise",
    "import openai\nc = openai.OpenAI(http_client=ModelFactory.http_client('openai'))\n"
    "for x in [c]:\n    x.responses.create(model='m', input='')",
    "from openai import OpenAI\nfrom openai.types.chat import ChatCompletion\n"
    "def f() -> ChatCompletion:\n    return ModelFactory.traced(OpenAI()).chat.completions.create(model='m')",
    "from anthropic import AsyncAnthropic, APIError\nclass A:\n"
    "    c: AsyncAnthropic = ModelFactory.traced(AsyncAnthropic())\n"
    "    async def f(self):\n        try:\n            await self.c.messages.create(model='m', max_tokens=1)\n"
    "        except APIError:\n            pass",
    "from langchain_openai import ChatOpenAI\nllm = ModelFactory.traced(ChatOpenAI(model='gpt-4o'))\nllm.invoke('q')",
    "from langchain_openai import ChatOpenAI\nllm = ChatOpenAI(http_client=ModelFactory.http_client('openai'), "
    "http_async_client=ModelFactory.ahttp_client('openai'))",
    "import instructor\nfrom openai import OpenAI\nc = instructor.from_openai(ModelFactory.traced(OpenAI()))",
    "from pydantic_ai import Agent\nfrom pydantic_ai.models.openai import OpenAIChatModel\n"
    "from pydantic_ai.providers.openai import OpenAIProvider\n"
    "a = Agent(ModelFactory.traced(OpenAIChatModel('gpt-4o', provider=OpenAIProvider(api_key='x'))))",
    "try:\n    from openai import OpenAI\nexcept ImportError:\n    OpenAI = None\n"
    "c = ModelFactory.traced(OpenAI()) if OpenAI is not None else None\nif OpenAI is None:\n    raise SystemExit",
]
REFUSED = [
    # Another client of the same file is not traced.
    "from openai import OpenAI\na = ModelFactory.traced(OpenAI())\nb = OpenAI()",
    "import openai, anthropic\na = ModelFactory.traced(openai.OpenAI())\nanthropic.Anthropic()",
    # The class, or the module, is handed on.
    "from openai import OpenAI\na = ModelFactory.traced(OpenAI())\nb = make(OpenAI)",
    "import openai\na = ModelFactory.traced(openai.OpenAI())\nopenai.chat.completions.create(model='m', messages=[])",
    "from openai import *\na = ModelFactory.traced(OpenAI())",
    # What is traced is something else than the client.
    "from openai import OpenAI\na = ModelFactory.traced(wrap(OpenAI()))",
    "from openai import OpenAI\na = ModelFactory.traced(OpenAI)()",
    "from openai import OpenAI\na = OpenAI(http_client=other('openai'))\na.chat.completions.create(model='m')",
    # Only one of two kinds of calls is traced.
    "from langchain_openai import ChatOpenAI\nllm = ChatOpenAI(http_client=ModelFactory.http_client('openai'))",
    # The address of another request.
    "import requests\nfrom openai import OpenAI\na = ModelFactory.traced(OpenAI())\n"
    "requests.post('https://api.openai.com/v1/chat/completions', json={})",
    # An import by name may make clients of its own.
    "from openai import OpenAI\nimport importlib\na = ModelFactory.traced(OpenAI())\n"
    "importlib.import_module('openai').OpenAI().chat.completions.create(model='m', messages=[])",
]  # fmt: skip


def sites(source: str, factory: str = FACTORY) -> list[tuple[str, int]]:
    return [
        (site.rule, site.line) for site in facts_of((factory + textwrap.dedent(source)).encode(), Vocabulary()).sites
    ]


@pytest.mark.parametrize("source", ACCEPTED)
def test_a_traced_client_is_accepted(source: str) -> None:
    assert sites(source) == []
    assert sites(source.replace("ModelFactory.traced", "wrapped").replace("ModelFactory.", "other."))


@pytest.mark.parametrize("source", REFUSED)
def test_what_is_not_traced_is_still_found(source: str) -> None:
    assert sites(source)


@pytest.mark.parametrize(
    ("factory", "accepted"),
    [
        ("from src.models import ModelFactory\n", True),
        ("from ..models.model_factory import ModelFactory\n", True),
        ("from src.models.model_factory import model_factory as ModelFactory\n", True),
        ("from elsewhere import ModelFactory\n", False),
        ("class ModelFactory: traced = id\n", False),
        (FACTORY + "class ModelFactory:\n    traced = id\n", False),
        (FACTORY + "ModelFactory = fake()\n", False),
        (FACTORY + "def f(ModelFactory):\n    pass\n", False),
    ],
)
def test_only_the_factorys_own_method_counts(factory: str, accepted: bool) -> None:
    assert (sites(ACCEPTED[0], factory) == []) is accepted


def test_speech_is_still_to_be_allowed() -> None:
    source = "from openai import OpenAI\nc = ModelFactory.traced(OpenAI())\nc.audio.speech.create(model='t', input='x')"
    assert sites(source) == [("non-chat-call", 4)]
