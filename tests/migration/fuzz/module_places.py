"""Modules and functions in which public agents hold their client: locks, registers, closures, branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.places import Body

# Modules: statements before `ask`, its first ones, and how it names the client.
FUNCTIONS: dict[str, dict[str, str]] = {
    "matched": {
        "before": """
            KIND = "main"
            match KIND:
                case "main" | "first":
                    client = <client>
                case _:
                    client = None
            """,
    },
    "made by a lambda": {"before": "make = lambda: <client>\nclient = make()"},
    "global of a function": {
        "before": "client = None\n\n\ndef connect():\n    global client\n    client = <client>\n\n\nconnect()",
    },
    "locked": {
        "before": "import threading\n\nLOCK = threading.Lock()\n_client = None",
        "head": "global _client",
        "start": "with LOCK:\n    if _client is None:\n        _client = <client>",
        "access": "_client",
    },
    "attribute of a function": {
        "before": "def desk():\n    return desk.client\n\n\ndesk.client = <client>",
        "access": "desk()",
    },
    "context variable": {
        "before": 'import contextvars\n\nCLIENT_NOW = contextvars.ContextVar("client")\nCLIENT_NOW.set(<client>)',
        "access": "CLIENT_NOW.get()",
    },
    "closed at the end": {
        "before": "import atexit\n\nclient = <client>\natexit.register(lambda: client)",
    },
    "tested by its methods": {
        "before": "client = <client>",
        "start": 'if not hasattr(client, "chat") and not hasattr(client, "messages"):\n    return "no method"',
    },
    "cast": {"before": "import typing\n\nclient = typing.cast(typing.Any, <client>)"},
    "annotated": {
        "before": """
            import typing

            if typing.TYPE_CHECKING:
                from openai import OpenAI

            client: "OpenAI" = <client>
            """,
    },
    "tried": {
        "before": """
            try:
                client = <client>
            except (ImportError, ValueError) as problem:
                print("no client", problem)
                client = None
            else:
                print("ready")
            finally:
                print("set up")
            """,
    },
    "looped": {
        "before": "client = None\nwhile client is None:\n    client = <client>",
    },
    "nonlocal": {
        "before": """
            def desk():
                client = None

                def get():
                    nonlocal client
                    if client is None:
                        client = <client>
                    return client

                return get


            get_client = desk()
            """,
        "access": "get_client()",
    },
    "default or made": {"head": "client = None", "start": "client = client or <client>"},
    "compared": {
        "before": "client = <client>\nprint(client == client, client != None)",
    },
    "renamed twice": {"before": "_c = <client>\nllm = _c\nclient = llm\ndel _c"},
    "conditional chain": {
        "before": "ready = True\nclient = None if not ready else (<client> if ready else None)",
    },
    "nested function": {
        "before": "client = <client>\n\n\ndef use():\n    return client",
        "access": "use()",
    },
    "registered": {
        "before": """
            REGISTRY = {}


            def register(name):
                def keep(make):
                    REGISTRY[name] = make
                    return make

                return keep


            @register("main")
            def make_main():
                return <client>
            """,
        "access": 'REGISTRY["main"]()',
    },
    "printed": {"before": 'client = <client>\nprint("client ready" if client else "no client")'},
}


def function_shape(draft: Draft, client: str, body: Body) -> str:
    # google.genai's client closes itself where nothing refers to it.
    form = draft.choose(*(name for name in FUNCTIONS if name != "registered" or "genai" not in client))
    draft.tag("function", form)
    row = FUNCTIONS[form]
    text = "<before>\n\n\n<define> ask(prompt):\n    <head>\n    <start>\n    <body>"
    blocks = {name: code(row.get(name, ""), client=client) for name in ("before", "head", "start")}
    draft.helpers.append(
        code(
            text, before=blocks["before"] or "# The client is made where it is used.", head=blocks["head"] or "pass",
            start=blocks["start"] or "pass", define=draft.define, body=body(row.get("access", "client")),
        )
    )  # fmt: skip
    return "ask(prompt)"
