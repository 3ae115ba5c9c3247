"""Where a client lives: each kind writes the program's `ask` around a body that calls on the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

Body = Callable[[str], str]
Place = Callable[["Draft", str, Body], str]


def _add(draft: Draft, text: str, **blocks: str) -> None:
    draft.helpers.append(code(text, define=draft.define, wait=draft.wait, **blocks))


def local_variable(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(prompt):
            client = <client>
            <body>
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


def module_variable(draft: Draft, client: str, body: Body) -> str:
    text = """
        client = <client>


        <define> ask(prompt):
            <body>
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


def inline(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(prompt):
            <body>
        """
    _add(draft, text, body=body(client))
    return "ask(prompt)"


def own_attribute(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            def __init__(self):
                self.name = "desk"
                self.client = <client>

            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    _add(draft, text, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def guarded_attribute(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            def __init__(self):
                self.client = None
                self.ready = False
                try:
                    self.client = <client>
                    self.ready = True
                except Exception:
                    print("no client")

            <define> ask(self, prompt):
                if not self.client:
                    return "no client"
                <body>


        agent = Agent()
        """
    _add(draft, text, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def set_up_by_a_method(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            def __init__(self, model="fast"):
                self.client, self.kind = None, model
                self._connect()

            def _connect(self):
                self.client = <client>

            <define> ask(self, prompt):
                <body>


        agent = Agent(model="slow")
        """
    _add(draft, text, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def class_attribute(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            client = <client>

            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    _add(draft, text, client=client, body=body(draft.choose("self.client", "Agent.client", "type(self).client")))
    return "agent.ask(prompt)"


def parameter(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(client, prompt):
            <body>


        <made>
        """
    if draft.chance(0.5):
        _add(draft, text, body=body("client"), made=f"the_client = {client}")
        return draft.choose("ask(the_client, prompt)", "ask(client=the_client, prompt=prompt)")
    _add(draft, text.rpartition("<made>")[0], body=body("client"))
    return f"ask({client}, prompt)"


def constructor_parameter(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            def __init__(self, client<default>):
                self.client = <value>

            <define> ask(self, prompt):
                <body>


        agent = Agent(<argument>)
        """
    form = draft.pick(passed=4, default=2, absent=2)
    draft.tag("constructor parameter", form)
    blocks = {"default": "", "value": "client", "argument": client}
    if form == "default":
        blocks = {"default": "=None", "value": f"client or {client}", "argument": ""}
    elif form == "absent":
        blocks = {"default": "=None", "value": f"client if client is not None else {client}", "argument": "None"}
    _add(draft, text, body=body("self.client"), **blocks)
    return "agent.ask(prompt)"


def default_argument(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(prompt, client=<client>):
            <body>
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


def closure(draft: Draft, client: str, body: Body) -> str:
    text = """
        def make_ask():
            client = <client>

            <define> ask(prompt):
                <body>

            return ask


        ask = make_ask()
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


def factory(draft: Draft, client: str, body: Body) -> str:
    text = """
        <decorator>
        def get_client():
            return <client>


        <define> ask(prompt):
            <start>
            <body>
        """
    decorator = draft.pick(plain=5, lru_cache=3, cache=2)
    draft.tag("factory", decorator)
    if decorator != "plain":
        draft.add_import("import functools")
    line = {"plain": "# Made anew for each call.", "lru_cache": "@functools.lru_cache(maxsize=1)",
            "cache": "@functools.cache"}[decorator]  # fmt: skip
    direct = draft.chance(0.4)
    start = "pass" if direct else "client = get_client()"
    _add(draft, text, decorator=line, client=client, start=start, body=body("get_client()" if direct else "client"))
    return "ask(prompt)"


def lazy_global(draft: Draft, client: str, body: Body) -> str:
    text = """
        _client = None


        def get_client():
            global _client
            if _client is None:
                _client = <client>
            return _client


        <define> ask(prompt):
            client = get_client()
            <body>
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


def property_of_a_class(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            <decorator>
            def client(self):
                return <client>

            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    decorator = draft.choose("@property", "@functools.cached_property")
    if "functools" in decorator:
        draft.add_import("import functools")
    _add(draft, text, decorator=decorator, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def lazy_attribute(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Agent:
            def __init__(self):
                self._client = None

            @property
            def client(self):
                if self._client is None:
                    self._client = <client>
                return self._client

            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    _add(draft, text, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def dataclass_field(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import dataclasses", "from typing import Any")
    form = draft.pick(factory=3, passed=3)
    draft.tag("dataclass", form)
    text = """
        @dataclasses.dataclass
        class Agent:
            name: str
            client: Any<default>

            <define> ask(self, prompt):
                <body>


        agent = Agent(<arguments>)
        """
    is_passed = form == "passed"
    blocks = {
        "default": "" if is_passed else f" = dataclasses.field(default_factory=lambda: {client})",
        "arguments": f'"desk", {draft.choose("", "client=")}{client}' if is_passed else '"desk"',
    }
    _add(draft, text, body=body("self.client"), **blocks)
    return "agent.ask(prompt)"


def conditional(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import os")
    text = """
        client = <client> if os.getenv("PATH") else None


        <define> ask(prompt):
            if <test>:
                return "no client"
            <body>
        """
    _add(draft, text, client=client, test=draft.choose("not client", "client is None"), body=body("client"))
    return "ask(prompt)"


def base_class(draft: Draft, client: str, body: Body) -> str:
    text = """
        class Base:
            def __init__(self):
                self.client = self._make()

            def _make(self):
                return <client>


        class Agent(Base):
            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    _add(draft, text, client=client, body=body("self.client"))
    return "agent.ask(prompt)"


def with_statement(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(prompt):
            <with> <client> as client:
                <body>
        """
    _add(draft, text, **{"with": "async with" if draft.asynchronous else "with"}, client=client, body=body("client"))
    return "ask(prompt)"


def walrus(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask(prompt):
            if (client := <client>) is not None:
                <body>
        """
    _add(draft, text, client=client, body=body("client"))
    return "ask(prompt)"


PLAIN_PLACES: dict[Place, float] = {
    own_attribute: 26, guarded_attribute: 12, module_variable: 12, local_variable: 9, set_up_by_a_method: 5,
    parameter: 3, constructor_parameter: 4, factory: 4, lazy_global: 2, property_of_a_class: 2, lazy_attribute: 2,
    class_attribute: 3, inline: 3, default_argument: 1, closure: 2, conditional: 3, base_class: 2, dataclass_field: 1.5,
    with_statement: 1.5, walrus: 0.7,
}  # fmt: skip
