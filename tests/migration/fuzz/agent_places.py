"""Classes in which public agents hold their client, tests of its class, and decorated methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code
from tests.migration.fuzz.module_places import function_shape

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.places import Body, Place

# Statements before the class, in it and before the body of `ask`; how the agent is made, and how its client is named.
_CLASS = """
    <before>


    class Agent<bases>:
        <members>

        <define> ask(self, prompt):
            <start>
            <body>


    agent = <made>
    """
CLASSES: dict[str, dict[str, str]] = {
    "classmethod": {
        "members": """
            def __init__(self, client):
                self.client = client

            @classmethod
            def create(cls):
                return cls(<client>)
            """,
        "made": "Agent.create()",
    },
    "staticmethod": {
        "members": """
            def __init__(self):
                self.client = self.make()

            @staticmethod
            def make():
                return <client>
            """,
    },
    "singleton": {
        "members": """
            _instance = None

            def __new__(cls):
                if cls._instance is None:
                    cls._instance = super().__new__(cls)
                    cls._instance.client = <client>
                return cls._instance
            """,
    },
    "mixin": {
        "before": """
            class Connected:
                def connect(self):
                    self.client = <client>


            class Named:
                name = "desk"
            """,
        "bases": "(Named, Connected)",
        "members": "def __init__(self):\n    self.connect()",
    },
    "passed up": {
        "before": """
            class Base:
                def __init__(self, client, name="desk"):
                    self.client = client
                    self.name = name
            """,
        "bases": "(Base)",
        "members": "def __init__(self):\n    super().__init__(<client>, name='whale')",
    },
    "keyword": {
        "members": """
            def __init__(self, *, client):
                self._client = client

            @property
            def client(self):
                return self._client
            """,
        "made": "Agent(client=<client>)",
    },
    "slots": {"members": '__slots__ = ("client",)\n\ndef __init__(self):\n    self.client = <client>'},
    "post init": {
        "before": "import dataclasses\nimport typing",
        "decorated": "@dataclasses.dataclass",
        "members": """
            name: str = "desk"
            client: typing.Any = dataclasses.field(init=False, default=None)

            def __post_init__(self):
                self.client = <client>
            """,
    },
    "pydantic": {
        "before": "import typing\nimport pydantic",
        "bases": "(pydantic.BaseModel)",
        "members": """
            name: str = "desk"
            _client: typing.Any = pydantic.PrivateAttr(default=None)

            def model_post_init(self, context):
                self._client = <client>
            """,
        "access": "self._client",
    },
    "entered": {
        "members": """
            def __enter__(self):
                self.client = <client>
                return self

            def __exit__(self, *problem):
                self.client = None
            """,
        "made": "Agent().__enter__()",
    },
    "unpacked": {"members": 'def __init__(self):\n    self.client, self.name = <client>, "desk"'},
    "chained": {"members": "def __init__(self):\n    self.client = self.spare = <client>", "access": "self.spare"},
    "shared": {
        "members": """
            clients = {}

            def __init__(self, name="main"):
                if name not in Agent.clients:
                    Agent.clients[name] = <client>
                self.client = Agent.clients[name]
            """,
    },
    "started": {
        "members": "client = None\n\ndef start(self):\n    self.client = <client>\n    return self",
        "made": "Agent().start()",
    },
    "reset": {
        "members": """
            def __init__(self):
                self.client = None
                self.reset()

            def reset(self):
                if self.client is not None:
                    self.client = None
                self.client = <client>
            """,
        "start": 'if "Q2" in prompt:\n    self.reset()',
    },
    "deleted": {
        "members": "def __init__(self):\n    self.client = <client>\n    self.spare = self.client\n    del self.spare",
    },
    "copied": {
        "before": "import copy",
        "members": "def __init__(self):\n    self.client = <client>",
        "made": "copy.copy(Agent())",
    },
    "own name": {
        "members": "def __init__(self):\n    self.__client = <client>",
        "access": "self.__client",
    },
    "named kind": {
        "members": "def __init__(self):\n    self.client = <client>\n    print(type(self.client).__name__)",
    },
    "asserted": {
        "members": "def __init__(self):\n    self.client = <client>",
        "start": 'assert self.client, "no client"\nassert self.client is not None',
    },
    "local copy": {
        "members": "def __init__(self):\n    self.client = <client>",
        "start": "client = self.client\nif client is None:\n    return 'no client'",
        "access": "client",
    },
    "nested": {
        "members": "def __init__(self):\n    self.client = <client>\n\ndef connection(self):\n    return self.client",
        "access": "self.connection()",
    },
    "delegated": {
        "before": "class Desk:\n    def __init__(self):\n        self.client = <client>",
        "members": "def __init__(self):\n    self.desk = Desk()",
        "access": "self.desk.client",
    },
    "generic": {
        "before": 'import typing\n\nT = typing.TypeVar("T")',
        "bases": "(typing.Generic[T])",
        "members": "def __init__(self, client: T):\n    self.client: T = client",
        "made": "Agent(<client>)",
    },
    "read": {
        "members": "def __init__(self):\n    self.client = <client>\n    print(bool(self.client), self.client is None)",
    },
    "module attribute": {
        "members": 'def __init__(self):\n    self.client = <client>\n    print(hasattr(self.client, "chat"))',
    },
}


def class_shape(draft: Draft, client: str, body: Body) -> str:
    form = draft.choose(*CLASSES)
    draft.tag("class", form)
    row = CLASSES[form]
    text = _CLASS if "decorated" not in row else _CLASS.replace("class Agent", row["decorated"] + "\n    class Agent")
    blocks = {name: code(row.get(name, ""), client=client) for name in ("before", "members", "start")}
    draft.helpers.append(
        code(
            text, **{**blocks, "start": blocks["start"] or "pass"}, bases=row.get("bases", ""),
            made=code(row.get("made", "Agent()"), client=client), define=draft.define,
            body=body(row.get("access", "self.client")),
        )
    )  # fmt: skip
    return "agent.ask(prompt)"


def tested_kind(draft: Draft, client: str, body: Body) -> str:
    """Test the client's class, as programs of several providers do."""
    cls = client.partition("(")[0]
    test = draft.choose(f"isinstance(client, {cls})", f"type(client) is {cls}", f"not isinstance(client, (str, {cls}))")
    draft.tag("tested kind", test.partition("(")[0])
    text = """
        <define> ask_with(client, prompt):
            if <test>:
                <first>
            else:
                <second>


        client = <client>
        """
    first, second = body("client"), 'return "another client"'
    if test.startswith("not"):
        first, second = second, first
    draft.helpers.append(code(text, define=draft.define, test=test, client=client, first=first, second=second))
    return "ask_with(client, prompt)"


def wrapped_call(draft: Draft, client: str, body: Body) -> str:
    """Call a method that is decorated: tried again, timed, logged or remembered."""
    form = draft.choose("retry", "timed", "cached", "logged")
    draft.tag("wrapped", form)
    draft.add_import("import functools")
    inner = {
        "retry": """
            for attempt in range(2):
                try:
                    return <wait>function(*args, **kwargs)
                except Exception:
                    if attempt:
                        raise
            """,
        "timed": "started = 0\nresult = <wait>function(*args, **kwargs)\nprint('took', started)\nreturn result",
        "cached": "return <wait>function(*args, **kwargs)",
        "logged": "print('asking', len(args), sorted(kwargs))\nreturn <wait>function(*args, **kwargs)",
    }[form]
    text = """
        def wrapped(function):
            @functools.wraps(function)
            <define> inner(*args, **kwargs):
                <inner>

            return inner


        class Agent:
            def __init__(self):
                self.client = <client>

            @wrapped
            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    inner = code(inner, wait=draft.wait)
    draft.helpers.append(code(text, define=draft.define, inner=inner, client=client, body=body("self.client")))
    return "agent.ask(prompt)"


AGENT_PLACES: dict[Place, float] = {class_shape: 10, function_shape: 9, tested_kind: 1, wrapped_call: 2}
