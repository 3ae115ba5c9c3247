"""Draw a program from a number."""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.migration.fuzz import calls, journeys, pairs, replies, streams
from tests.migration.fuzz.agent_places import AGENT_PLACES
from tests.migration.fuzz.containers import CONTAINERS
from tests.migration.fuzz.draft import Draft, Program, code
from tests.migration.fuzz.drivers import draw_driver
from tests.migration.fuzz.files import OTHER_FILES
from tests.migration.fuzz.handlers import draw_handlers
from tests.migration.fuzz.keys import draw_construction, draw_environment, draw_module_use
from tests.migration.fuzz.places import PLAIN_PLACES
from tests.migration.fuzz.scripts import draw_scripts
from tests.migration.fuzz.sdks import SDKS, Construction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.migration.fuzz.calls import Call
    from tests.migration.fuzz.places import Place
    from tests.migration.fuzz.sdks import Sdk

# How often a client lives in a plain place, in a container, in another file. Of 33 calls through SDKs on the public
# checkout all but one are on clients in plain places; each kind must come often enough to meet the others.
PLACES: tuple[tuple[dict[Place, float], float], ...] = (
    (PLAIN_PLACES, 70), (AGENT_PLACES, 18), (CONTAINERS, 7), (OTHER_FILES, 5),
)  # fmt: skip
JOURNEYS = 0.2  # how often a reply goes elsewhere before it is read
_TEMPORARY = ("property_of_a_class", "inline", "factory")
CALLS: dict[str, Callable[..., Call]] = {
    "chat": calls.draw_chat, "messages": calls.draw_claude, "responses": calls.draw_responses,
    "genai": calls.draw_genai, "generativeai": calls.draw_generativeai, "ollama": calls.draw_ollama,
    "requests": calls.draw_post, "legacy": calls.draw_legacy,
}  # fmt: skip


def grow(seed: int) -> Program:
    """Return the program of a number: the same for the same number."""
    draft = Draft(random.Random(seed))
    draw_environment(draft)
    sdk: Sdk = draft.random.choices(list(SDKS), list(SDKS.values()))[0]
    draft.tag("sdk", f"{sdk.name} {sdk.provider}")
    # The old Google SDK has no asyncio over HTTP, which is all that the loopback server speaks.
    draft.asynchronous = sdk.wire not in ("requests", "generativeai") and draft.chance(0.12)
    if draft.asynchronous:
        draft.tag("way", "async")
    questions = draft.choose(3, 4, 5)
    ask, count = _draw_ask(draft, sdk)
    driver = draw_driver(draft, ask, questions)
    parts = ["\n".join(_in_order(draft.imports)), "\n".join(draft.constants), *draft.helpers, driver]
    main = "\n\n\n".join(part for part in parts if part) + "\n"
    scripts = draw_scripts(draft, questions, with_tools=f"journey:{journeys.TOOL_LOOP}" in draft.tags)
    if sdk.wire == "generativeai":  # which tries again for ten minutes where a service is not available
        scripts = {
            mark: tuple("500" if event == "503" else event for event in events) for mark, events in scripts.items()
        }
    return Program(
        seed=seed,
        files={"main.py": main, **draft.files},
        scripts=scripts,
        environment=draft.environment,
        calls=count,
        tags=tuple(draft.tags),
        traced=draft.chance(0.25),
    )


def _draw_ask(draft: Draft, sdk: Sdk) -> tuple[str, int]:
    """Draw clients and the function that asks; return the expression that asks `prompt`, with the calls' number."""
    if sdk.wire == "requests":
        made = Construction(sdk, ("import requests",), (), "requests", "requests")
        return _place(draft, made, _draw_body(draft, made), {plain_function: 1}), 1
    chance = 0.3 if sdk.name == "ollama" else 0.06
    if draft.chance(chance) and sdk.name in ("openai", "ollama") and not draft.asynchronous and not sdk.base_urls:
        made = draw_module_use(draft, sdk)
        body = _draw_body(draft, made)
        if sdk.name == "ollama" and draft.chance(0.6):
            alias = draft.choose("chat", "chat", "ask_model")
            made = replace(made, imports=(f"from ollama import chat{'' if alias == 'chat' else f' as {alias}'}",))
            body = body.replace("CLIENT.chat", alias)
        return _place(draft, made, body, {plain_function: 1}), 1
    made = draw_construction(draft, sdk)
    if draft.chance(0.12) and sdk.wire in ("chat", "messages"):
        return _draw_pair(draft, made)
    body = _draw_body(draft, made)
    if made.sdk.provider == "openai" and draft.chance(0.03):
        body = pairs.beside(draft, body)
    kinds = draft.random.choices([kinds for kinds, _ in PLACES], [weight for _, weight in PLACES])[0]
    return _place(draft, made, body, kinds), 1


def _draw_body(draft: Draft, made: Construction) -> str:
    """Draw the call, what becomes of its reply and of its errors; `CLIENT` stands for the client."""
    sdk, wire = made.sdk, made.sdk.wire
    if made.module == made.expression == "openai" and draft.chance(0.3):
        wire = "legacy"
    elif wire == "chat" and sdk.provider == "openai" and draft.chance(0.06):
        wire = "responses"
    if wire in journeys.LOOPS and draft.chance(JOURNEYS / 3):
        loop = journeys.draw_tool_loop(draft, wire, sdk)
        return draw_handlers(draft, made, f"{loop}\n{replies.draw_use(draft)}")
    stream = wire in streams.READS and draft.chance(0.09)
    call = CALLS[wire](draft, sdk, stream=stream)
    use = replies.draw_use(draft)
    asked = call.on("CLIENT", draft.wait, calls.draw_form(draft))
    if stream:
        draft.tag("way", "stream")
        read = streams.draw_read(draft, wire, asked)
    elif draft.chance(JOURNEYS):
        read = journeys.draw_read(draft, draft.choose(*replies.CHAINS[wire]), wire, asked)
    else:
        read = replies.draw_read(draft, wire, asked)
    return draw_handlers(draft, made, "\n".join(filter(None, [call.start, read, call.end, use])))


def _place(draft: Draft, made: Construction, body: str, kinds: dict[Place, float]) -> str:
    if made.sdk.wire == "genai" and kinds is PLAIN_PLACES:  # its client closes itself where nothing refers to it
        kinds = {kind: weight for kind, weight in kinds.items() if kind.__name__ not in _TEMPORARY}
    place = draft.draw("place", kinds)
    draft.setup = "\n".join(dict.fromkeys([*made.imports, *made.constants]))
    if place not in OTHER_FILES:
        _set_up(draft, made)
    return place(draft, made.expression, functools.partial(body.replace, "CLIENT"))


def _set_up(draft: Draft, made: Construction) -> None:
    draft.add_import(*made.imports)
    draft.constants[:0] = [line for line in made.constants if line not in draft.constants]


def _draw_pair(draft: Draft, first: Construction) -> tuple[str, int]:
    """Draw a program with a second client."""
    equal = [sdk for sdk in SDKS if sdk.wire == first.sdk.wire == "chat" and sdk.name == first.sdk.name]
    if equal and draft.chance(0.4):
        second, kinds = draw_construction(draft, draft.choose(*equal)), pairs.EQUAL_PAIRS
    else:
        others = [sdk for sdk in SDKS if sdk.wire in ("chat", "messages") and sdk is not first.sdk]
        second, kinds = draw_construction(draft, draft.choose(*others)), pairs.PAIRS
    halves = []
    for made in (first, second):
        body = _draw_body(draft, made)
        halves.append(pairs.Half(made.expression, functools.partial(body.replace, "CLIENT"), made.sdk.wire))
        _set_up(draft, made)
    kind = draft.draw("pair", kinds)
    return kind(draft, *halves), 1 if kind is pairs.looped else 2


def plain_function(draft: Draft, client: str, body: Callable[[str], str]) -> str:
    draft.helpers.append(code("def ask(prompt):\n    <body>", body=body(client)))
    return "ask(prompt)"


def _in_order(imports: list[str]) -> list[str]:
    """Return the imports with those of the future first, and what depends on others last."""
    return sorted(imports, key=lambda line: (not line.startswith("from __future__"), "\n" in line or " = " in line))
