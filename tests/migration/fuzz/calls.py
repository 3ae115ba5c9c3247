"""The call itself: its messages, its model and its options, in the terms of each SDK."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.migration.fuzz import odd_messages
from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.sdks import Sdk

SYSTEM = "You watch whales. Answer BUY, SELL or NOTHING."


@dataclass(frozen=True)
class Call:
    """A call on any client.

    Attributes:
        start: Statements before it.
        method: The attributes between the client and the parentheses.
        arguments: Its arguments.
        end: Statements after the reply's text is known, such as those that keep a history.
    """

    start: str
    method: str
    arguments: tuple[str, ...]
    end: str = ""

    def on(self, client: str, wait: str, form: str = "plain") -> str:
        """Return the call on a client, in a form of `FORMS`."""
        if form != "plain":
            return FORMS[form].format(method=f"{client}{self.method}", arguments=", ".join(self.arguments))
        inner = ", ".join(self.arguments)
        if len(inner) > 60:
            inner = "\n" + "".join(f"    {argument},\n" for argument in self.arguments)
        return f"{wait}{client}{self.method}({inner})"


# How a call that is not awaited can be made without being written as one.
FORMS = {
    "submitted": "EXECUTOR.submit({method}, {arguments}).result()",
    "partial": "functools.partial({method}, {arguments})()",
    "lambda": "(lambda: {method}({arguments}))()",
    "bracketed": "({method})({arguments})",
}


def draw_form(draft: Draft) -> str:
    """Draw a form of `FORMS`, nearly always the plain one, with what it needs."""
    if draft.asynchronous or not draft.chance(0.04):
        return "plain"
    form = draft.choose(*FORMS)
    draft.tag("form", form)
    if form == "submitted":
        draft.add_import("from concurrent.futures import ThreadPoolExecutor")
        draft.constants.append("EXECUTOR = ThreadPoolExecutor(max_workers=2)")
    elif form == "partial":
        draft.add_import("import functools")
    return form


def draw_model(draft: Draft, sdk: Sdk) -> str:
    """Draw the expression of the model's name."""
    name = draft.choose(*sdk.models)
    form = draft.pick(literal=6, constant=4, fstring=0.3)
    draft.tag("model", form)
    if form == "constant":
        draft.constants.append(f'MODEL = "{name}"')
        return "MODEL"
    return f'"{name}"' if form == "literal" else f'f"{name}"'


def _draw_text(draft: Draft) -> str:
    """Draw the expression of a question."""
    content = draft.pick(prompt=6, fstring=2, template=1, joined=1)
    if content == "template":
        draft.constants.append('TEMPLATE = "Answer in one line.\\n{question}"')
    return {"prompt": "prompt", "fstring": 'f"Question: {prompt}"', "template": 'TEMPLATE.format(question=prompt)',
            "joined": '"Market data follows.\\n" + prompt'}[content]  # fmt: skip


def draw_messages(draft: Draft, *, with_system: bool, asynchronous_safe: bool = True) -> tuple[str, str, str]:
    """Draw the expression of a chat's messages; return it with statements before and after the call."""
    text = _draw_text(draft)
    system = f'{{"role": "system", "content": "{SYSTEM}"}}' if with_system else ""
    if with_system and draft.chance(0.3):
        draft.constants.append(f'SYSTEM_PROMPT = "{SYSTEM}"')
        system = '{"role": "system", "content": SYSTEM_PROMPT}'
    user = f'{{"role": "user", "content": {text}}}'
    whole = f"[{system}, {user}]" if system else f"[{user}]"
    form = draft.pick(
        literal=50, variable=14, appended=6, function=4, history=5, parts=3, comprehension=1, splat=2, odd=8,
    )  # fmt: skip
    draft.tag("messages", form)
    if form == "odd":
        return odd_messages.draw(draft, system, user)
    match form:
        case "variable":
            return "messages", f"messages = {whole}", ""
        case "appended":
            first = f"[{system}]" if system else "[]"
            return "messages", f"messages = {first}\nmessages.append({user})", ""
        case "function":
            draft.helpers.append(code("def build_messages(prompt):\n    return <whole>", whole=whole))
            return "build_messages(prompt)", "", ""
        case "history" if asynchronous_safe:
            first = f"[{system}]" if system else "[]"
            draft.constants.append(f"HISTORY = {first}")
            end = 'HISTORY.append({"role": "assistant", "content": text or "nothing"})'
            return "HISTORY", f"HISTORY.append({user})", end
        case "parts":
            parts = f'[{{"type": "text", "text": {text}}}]'
            user = f'{{"role": "user", "content": {parts}}}'
            return (f"[{system}, {user}]" if system else f"[{user}]"), "", ""
        case "comprehension":
            return '[{"role": "user", "content": item} for item in [prompt]]', "", ""
        case "splat":
            return "messages", f"earlier = [{system}]\nmessages = [*earlier, {user}]", ""
    return whole, "", ""


def draw_chat(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    messages, start, end = draw_messages(draft, with_system=draft.chance(0.6), asynchronous_safe=not draft.asynchronous)
    arguments = [f"model={draw_model(draft, sdk)}", f"messages={messages}"]
    options = {
        "temperature=0.2": 0.25, "temperature=0": 0.1, "max_tokens=50": 0.3, "top_p=0.9": 0.06, 'stop=["END"]': 0.03,
        "seed=7": 0.02, "presence_penalty=0.5": 0.01, 'response_format={"type": "json_object"}': 0.05,
        "timeout=30": 0.04, 'user="desk"': 0.01, 'extra_headers={"X-Title": "desk"}': 0.01, "n=1": 0.01,
        "max_completion_tokens=60": 0.02, "stream=False": 0.08, "temperature=LIMITS.get('heat', 0.3)": 0.02,
        "temperature=2.5": 0.01, "max_tokens=int('40')": 0.02, "max_tokens=0": 0.005, "top_p=None": 0.01, "n=2": 0.01,
        "temperature=None": 0.01, "max_tokens=None": 0.01, 'stop="END"': 0.01, "stop=[]": 0.005, "logprobs=True": 0.005,
        'extra_body={"top_k": 4}': 0.01, 'tools=TOOLS': 0.02, 'tools=TOOLS, tool_choice="auto"': 0.01,
        "frequency_penalty=0.1": 0.01, "store=False": 0.003, 'metadata={"desk": "1"}': 0.003,
    }  # fmt: skip
    for option, probability in options.items():
        is_new = option.partition("=")[0] not in " ".join(arguments)
        if draft.chance(probability) and is_new and not (stream and option == "stream=False"):
            arguments += option.split(", ") if option.startswith("tools") else [option]
    draft.constants += [line for line in _OPTION_CONSTANTS if line.partition(" ")[0] in " ".join(arguments)]
    if stream:
        arguments.append("stream=True")
    start, arguments = draw_unpacking(draft, start, arguments)
    return Call(start, ".chat.completions.create", tuple(arguments), end)


_OPTION_CONSTANTS = (
    'LIMITS = {"heat": 0.4}',
    'TOOLS = [{"type": "function", "function": {"name": "price", "description": "A price.", "parameters": '
    '{"type": "object", "properties": {"of": {"type": "string"}}}}}]',
)


def draw_unpacking(draft: Draft, start: str, arguments: list[str]) -> tuple[str, list[str]]:
    """Draw whether the arguments come as keywords or in a dictionary."""
    if not draft.chance(0.07):
        return start, arguments
    draft.tag("arguments", "unpacked")
    if draft.chance(0.5):
        items = ", ".join(f'"{name}": {value}' for name, _, value in (item.partition("=") for item in arguments))
        params = f"params = {{{items}}}"
    else:
        params = f"params = dict({', '.join(arguments)})"
    return "\n".join(filter(None, [start, params])), ["**params"]


def draw_legacy(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    messages, start, end = draw_messages(draft, with_system=draft.chance(0.6))
    options = [option for option in ("temperature=0.2", "max_tokens=50", "top_p=0.9") if draft.chance(0.3)]
    arguments = [f"model={draw_model(draft, sdk)}", f"messages={messages}", *options, *(["stream=True"] * stream)]
    start, arguments = draw_unpacking(draft, start, arguments)
    return Call(start, ".ChatCompletion.create", tuple(arguments), end)


def draw_claude(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    # The API refuses a system message among the messages, and a program may send one all the same.
    refused = draft.chance(0.04)
    messages, start, end = draw_messages(draft, with_system=refused, asynchronous_safe=not draft.asynchronous)
    arguments = [f"model={draw_model(draft, sdk)}", f"max_tokens={draft.choose(50, 500, 1024)}", f"messages={messages}"]
    if draft.chance(0.5):
        arguments.insert(2, f'system="{SYSTEM}"')
    if draft.chance(0.35):
        arguments.append(f"temperature={draft.choose('0', '0.7', '1.0')}")
    if draft.chance(0.03):
        arguments.append('stop_sequences=["END"]')
    if stream:
        arguments.append("stream=True")
    start, arguments = draw_unpacking(draft, start, arguments)
    return Call(start, ".messages.create", tuple(arguments), end)


def draw_responses(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    arguments = [f"model={draw_model(draft, sdk)}", "input=prompt"]
    if draft.chance(0.4):
        arguments.append(f'instructions="{SYSTEM}"')
    if draft.chance(0.4):
        arguments.append("max_output_tokens=200")
    return Call("", ".responses.create", tuple(arguments))


def draw_genai(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    contents = draft.choose("prompt", "[prompt]", 'f"Question: {prompt}"')
    arguments = [f"model={draw_model(draft, sdk)}", f"contents={contents}"]
    if draft.chance(0.4):
        draft.add_import("from google.genai import types")
        arguments.append("config=types.GenerateContentConfig(temperature=0.4, max_output_tokens=256)")
    elif draft.chance(0.2):
        arguments.append('config={"temperature": 0.3}')
    return Call("", (".aio" if draft.asynchronous else "") + ".models.generate_content", tuple(arguments))


def draw_generativeai(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    arguments = [draft.choose("prompt", 'f"Question: {prompt}"', "[prompt]")]
    if draft.chance(0.3):
        arguments.append('generation_config={"temperature": 0.4, "max_output_tokens": 256}')
    method = ".generate_content_async" if draft.asynchronous else ".generate_content"
    return Call("", method, tuple(arguments))


def draw_ollama(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    messages, start, end = draw_messages(draft, with_system=draft.chance(0.5), asynchronous_safe=not draft.asynchronous)
    messages = re.sub(r'\[\{"type": "text", "text": (.*?)\}\]\}', r"\1}", messages)  # it takes no parts
    arguments = [f"model={draw_model(draft, sdk)}", f"messages={messages}"]
    if draft.chance(0.4):
        options = draft.choose('{"temperature": 0.4}', '{"temperature": 0.4, "num_predict": 60}')
        arguments.append(f"options={options}")
    return Call(start, ".chat", tuple(arguments), end)


def draw_post(draft: Draft, sdk: Sdk, *, stream: bool) -> Call:
    messages, start, end = draw_messages(draft, with_system=draft.chance(0.5), asynchronous_safe=not draft.asynchronous)
    variable = draft.choose(*sdk.variables)
    draft.environment.setdefault(variable, f"key-{variable.lower()}")
    draft.add_import("import os")
    bearer = f"f\"Bearer {{os.getenv('{variable}')}}\""
    headers = f'{{"Authorization": {bearer}, "Content-Type": "application/json"}}'
    payload = f'{{"model": {draw_model(draft, sdk)}, "messages": {messages}, "temperature": 0.3}}'
    url = f'"{sdk.base_urls[0]}"'
    if draft.chance(0.5):
        draft.constants.append(f"URL = {url}")
        url = "URL"
    if draft.chance(0.5):
        start = "\n".join(filter(None, [start, f"payload = {payload}", f"headers = {headers}"]))
        payload, headers = "payload", "headers"
    arguments = (url, f"headers={headers}", f"json={payload}", "timeout=30")
    return Call(start, ".post", arguments, end)
