"""Clients that stay are traced where they are made, those of frameworks too; those for speech are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary
from src.migration.rewrite.file import migrate
from src.migration.rewrite.leftovers import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.rewrite.records import Outcome

TRACED = {
    "from langchain_openai import ChatOpenAI\nllm = ChatOpenAI(model='gpt-4o')\nprint(llm.invoke('q').content)\n":
        "llm = ModelFactory.traced(ChatOpenAI(model='gpt-4o'))",
    "import langchain_anthropic as la\n\n\ndef make():\n    return la.ChatAnthropic(model='claude-haiku-4-5')\n":
        "    return ModelFactory.traced(la.ChatAnthropic(model='claude-haiku-4-5'))",
    "from pydantic_ai import Agent\nfrom pydantic_ai.models.openai import OpenAIChatModel\n"
    "from pydantic_ai.providers.openai import OpenAIProvider\n"
    "agent = Agent(OpenAIChatModel('gpt-4o', provider=OpenAIProvider(api_key='x')))\n":
        "agent = Agent(ModelFactory.traced(OpenAIChatModel('gpt-4o', provider=OpenAIProvider(api_key='x'))))",
    "from llama_index.llms.openai import OpenAI\nllm = OpenAI(model='gpt-4o')\nprint(llm.complete('q'))\n":
        "llm = ModelFactory.traced(OpenAI(model='gpt-4o'))",
    "import instructor\nfrom openai import OpenAI\nclient = instructor.from_openai(OpenAI(api_key='x'))\n":
        "client = instructor.from_openai(ModelFactory.traced(OpenAI(api_key='x')))",
    "from openai import AsyncOpenAI\nfrom agents import set_default_openai_client\n"
    "set_default_openai_client(AsyncOpenAI(api_key='x'))\n":
        "set_default_openai_client(ModelFactory.traced(AsyncOpenAI(api_key='x')))",
    "from openai import AzureOpenAI\nclient = AzureOpenAI(api_key='x', azure_endpoint='https://a.openai.azure.com')\n"
    "client.chat.completions.create(model='m', messages=[])\n":
        "client = ModelFactory.traced(AzureOpenAI(api_key='x', azure_endpoint='https://a.openai.azure.com'))",
    "import openai\n\nclient = openai.OpenAI(\n    api_key='x',  # mine\n)\n"
    "client.chat.completions.parse(model='m', messages=[])\n":
        "client = ModelFactory.traced(openai.OpenAI(\n    api_key='x',  # mine\n))",
}  # fmt: skip
LEFT = {
    "import litellm\nprint(litellm.completion(model='m', messages=[]))\n": "ModelFactory.trace_http()",
    "from agents import Agent, Runner\nRunner.run_sync(Agent(name='a'), 'q')\n": "set_default_openai_client",
    "from langchain.chat_models import init_chat_model\nllm = init_chat_model('gpt-4o')\n": "ModelFactory.traced(",
    "import functools\nfrom openai import OpenAI\nmake = functools.partial(OpenAI, api_key='x')\n": "get_model",
}


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    return Moved(tmp_path)


class Moved:
    """Migrates one file's text."""

    def __init__(self, folder: Path) -> None:
        (folder / "src" / "models").mkdir(parents=True)
        self._file = folder / "agent.py"

    def __call__(self, source: str) -> Outcome:
        self._file.write_text(source, encoding="utf-8")
        return migrate(self._file, "agent.py")


@pytest.mark.parametrize("source", TRACED)
def test_a_client_that_stays_is_traced_once(source: str, moved: Moved) -> None:
    outcome = moved(source)
    assert outcome.after is not None
    text = outcome.after.decode()
    assert TRACED[source] in text
    assert text.count(".traced(") == 1
    assert {site.status for site in outcome.sites} == {"traced"}
    assert facts_of(outcome.after, Vocabulary()).sites == ()
    again = moved(text)
    assert again.after is None
    assert {site.status for site in again.sites} == {"traced"}
    assert leftovers(again) == []


@pytest.mark.parametrize("source", LEFT)
def test_what_cannot_be_traced_says_what_to_write(source: str, moved: Moved) -> None:
    outcome = moved(source)
    assert outcome.after is None
    assert any(LEFT[source] in site.suggestion for site in (*outcome.sites, *leftovers(outcome)))


@pytest.mark.parametrize(
    "source",
    [
        "from openai import OpenAI\nclient = OpenAI()\nclient.audio.speech.create(model='t', voice='v', input='x')\n",
        "from openai import OpenAI\nclient = OpenAI()\nclient.chat.completions.create(model='m', messages=[])\n",
        "import google.generativeai as genai\nmodel = genai.GenerativeModel('m')\nmodel.start_chat()\n",
    ],
)
def test_what_needs_no_tracing_or_cannot_be_traced_is_not(source: str, moved: Moved) -> None:
    assert b".traced(" not in (moved(source).after or b"")


def test_a_name_that_is_taken_keeps_the_file_as_it_is(moved: Moved) -> None:
    source = "from langchain_openai import ChatOpenAI\nModelFactory = 1\nllm = ChatOpenAI(model='gpt-4o')\n"
    outcome = moved(source)
    assert outcome.after is None
    assert leftovers(outcome)
