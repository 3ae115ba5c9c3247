"""Grow programs from a grammar of the styles: most are nonsense, some are not even Python."""

from __future__ import annotations

from hypothesis import strategies as st

_NAMES = st.sampled_from(
    ["client", "self.client", "c", "clients['a']", "openai", "get()", "prompt", "msgs", "response", "x"]
)
_CLIENTS = st.sampled_from(
    [
        "OpenAI()",
        "openai.OpenAI(api_key=KEY)",
        "OpenAI(base_url='https://api.deepseek.com', api_key=KEY)",
        "OpenAI(base_url=x)",
        "anthropic.Anthropic()",
        "Groq(api_key='')",
        "genai.GenerativeModel('gemini-2.5-flash')",
        "None",
        "ollama",
        "AsyncOpenAI()",
        "OpenAI(**x)",
        "(OpenAI() if x else None)",
        "genai.Client()",
    ]
)
_METHODS = st.sampled_from(
    [
        "chat.completions.create",
        "messages.create",
        "generate_content",
        "responses.create",
        "chat",
        "models.generate_content",
        "messages.stream",
        "generate",
        "embeddings.create",
        "audio.speech.create",
        "chat.completions.parse",
    ]
)
_ARGUMENTS = st.sampled_from(
    [
        "model='gpt-4o'",
        "model=x",
        "messages=msgs",
        "messages=[{'role': 'user', 'content': prompt}]",
        "messages=[]",
        "stream=True",
        "messages=[*msgs, {'role': 'system', 'content': f'{x}'}]",
        "messages=[m for m in x]",
        "temperature=0.5",
        "temperature=x",
        "max_tokens=9",
        "**x",
        "*x",
        "stop=None",
        "system='s'",
        "prompt",
        "n=2",
        "tools=[]",
        "timeout=3",
        "contents=prompt",
        "messages=[{'role': 'user', 'content': [{'type': 'text', 'text': x}]}]",
        "response_format={'type': 'json_object'}",
        "reasoning_effort='low'",
        "extra_body={}",
        "generation_config=x",
        "options={'temperature': 0}",
        "stream=x",
        "json=x",
    ]
)
_READS = st.sampled_from(
    [
        "",
        ".choices[0].message.content",
        ".content[0].text",
        ".text",
        "['message']['content']",
        ".choices",
        ".usage.total_tokens",
        ".choices[0]",
        ".content",
        ".model_dump()",
        ".choices[-1].message",
        ".output_text",
        "[0]",
        ".json()",
        ".status_code",
        ".choices[0].message.content.strip().split()[0]",
        ".choices[x].delta.content",
        ".candidates[0].content.parts[0].text",
    ]
)
_calls = st.builds(
    "{}.{}({}){}".format, _NAMES, _METHODS, st.lists(_ARGUMENTS, max_size=4, unique=True).map(", ".join), _READS
)
_posts = st.builds(
    "requests.post({}, {}){}".format,
    st.sampled_from(["'https://api.openai.com/v1/chat/completions'", "f'{x}/chat/completions'", "URL", "url=URL"]),
    st.sampled_from(
        ["json=x", "json={'model': 'm', 'messages': msgs}", "headers=x", "data=json.dumps(x)", "**x", "timeout=1"]
    ),
    _READS,
)
_values = st.one_of(
    _calls, _posts, _CLIENTS, st.builds("{}{}".format, _NAMES, _READS), st.builds("await {}".format, _calls)
)
_simple = st.one_of(
    st.builds(
        "{} = {}".format,
        st.sampled_from(["client", "self.client", "response", "x", "c", "text", "client = c"]),
        _values,
    ),
    st.builds("{}".format, _values),
    st.builds("return {}".format, _values),
    st.builds("yield {}".format, _values),
    st.builds("print({})".format, _values),
    st.builds("x += {}".format, _values),
    st.builds("del {}".format, st.sampled_from(["client", "self.client", "x"])),
    st.builds("global {}".format, st.sampled_from(["client", "x"])),
    st.builds("assert {}, {}".format, _values, _values),
    st.builds("(y := {})".format, _values),
    st.builds("x: object = {}".format, _values),
    st.sampled_from(
        [
            "import openai",
            "from openai import OpenAI as Q",
            "from openai import *",
            "raise",
            "break",
            "pass",
            "openai.api_key = KEY",
            "genai.configure(api_key=KEY)",
            "except openai.RateLimitError: pass",
        ]
    ),
)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map("\n".join).map(_indented)
    heads = st.sampled_from(
        [
            "if {}:",
            "while {}:",
            "with {} as x:",
            "for chunk in {}:",
            "async def f(self, client=None, *a, **x):",
            "try:",
            "def f(client, prompt={}):",
            "class A({}):",
            "for x, *y in {}:",
            "if not client:",
            "lambda:",
            "match x:",
            "def g():",
            "async with {} as x:",
            "async for chunk in {}:",
        ]
    )
    tails = st.sampled_from(
        [
            "",
            "\nexcept openai.RateLimitError as error:\n    x = error.status_code",
            "\nexcept (KeyError, openai.APIError):\n    pass",
            "\nfinally:\n    del client",
            "\nelse:\n    pass",
            "\nexcept Exception:\n    raise",
        ]
    )
    return st.builds(
        lambda head, value, text, tail: f"{head.replace('{}', value)}\n{text}{tail}", heads, _values, body, tails
    )


statements = st.recursive(_simple, _block, max_leaves=10)
HEAD = """import json, os, requests, openai, anthropic, ollama
from openai import OpenAI, AsyncOpenAI
from groq import Groq
import google.generativeai as genai
KEY = os.getenv('OPENAI_KEY')
URL = 'https://openrouter.ai/api/v1/chat/completions'
"""
grown = st.lists(statements, min_size=1, max_size=6).map(lambda lines: (HEAD + "\n".join(lines) + "\n").encode())
