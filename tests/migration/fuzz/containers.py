"""Clients in containers, behind names that are computed, and in other files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.places import Body, Place


def _around(draft: Draft, setup: str, body: str, start: str = "", **blocks: str) -> str:
    """Write what comes before, then `ask` with a first statement and the body."""
    text = "<setup>\n\n\n<define> ask(prompt):\n    <start>\n    <body>"
    if not start:
        text = text.replace("    <start>\n", "")
    draft.helpers.append(code(text, setup=code(setup, **blocks), define=draft.define, start=code(start), body=body))
    return "ask(prompt)"


def dictionary(draft: Draft, client: str, body: Body) -> str:
    form = draft.pick(item=4, get=2, loop=2, values=1, pop=1, setdefault=1, grown=1, comprehension=1)
    draft.tag("dictionary", form)
    setup = 'CLIENTS = {"main": <client>}'
    if form == "grown":
        setup = 'CLIENTS = {}\nCLIENTS["main"] = <client>'
    elif form == "comprehension":
        setup = 'CLIENTS = {name: <client> for name in ("main", "spare")}'
    elif form == "setdefault":
        setup = 'CLIENTS = {}\nCLIENTS.setdefault("main", <client>)'
    start = {"get": 'client = CLIENTS.get("main")', "loop": "for name, client in CLIENTS.items():\n    pass",
             "values": "client = list(CLIENTS.values())[0]", "pop": 'client = dict(CLIENTS).pop("main")',
             "setdefault": 'client = CLIENTS["main"]'}.get(form, "")  # fmt: skip
    return _around(draft, setup, body("client" if start else 'CLIENTS["main"]'), start, client=client)


def sequence(draft: Draft, client: str, body: Body) -> str:
    form = draft.pick(list=3, tuple=2, loop=2, set=1, deque=1, append=1, unpacked=2, zipped=1)
    draft.tag("sequence", form)
    if form == "deque":
        draft.add_import("import collections")
    setups = {"list": "CLIENTS = [<client>]", "tuple": 'CLIENTS = (<client>, "main")', "loop": "CLIENTS = [<client>]",
              "set": "CLIENTS = {<client>}", "deque": "CLIENTS = collections.deque([<client>])",
              "append": "CLIENTS = []\nCLIENTS.append(<client>)", "unpacked": 'client, label = <client>, "main"',
              "zipped": 'CLIENTS = list(zip([<client>], ["main"]))'}  # fmt: skip
    starts = {"loop": "for client in CLIENTS:\n    pass", "set": "client = next(iter(CLIENTS))",
              "deque": "client = CLIENTS[0]", "zipped": "client, label = CLIENTS[0]"}  # fmt: skip
    start = starts.get(form, "")
    access = "client" if start or form == "unpacked" else "CLIENTS[0]"
    return _around(draft, setups[form], body(access), start, client=client)


def pair(draft: Draft, client: str, body: Body) -> str:
    text = """
        def make():
            <return> <client>, "main"
        """
    generator = draft.chance(0.3)
    setup = code(text, client=client, **{"return": "yield" if generator else "return"})
    start = "client, label = " + ("next(make())" if generator else "make()")
    if not generator and draft.chance(0.4):
        return _around(draft, setup, body("make()[0]"))
    return _around(draft, setup, body("client"), start)


def generator(draft: Draft, client: str, body: Body) -> str:
    setup = code("def clients():\n    yield <client>", client=client)
    start = draft.choose("client = next(clients())", "for client in clients():\n    break", "client = [*clients()][0]")
    return _around(draft, setup, body("client"), start)


def named_tuple(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import collections")
    setup = 'Desk = collections.namedtuple("Desk", "client label")\ndesk = Desk(<client>, "main")'
    return _around(draft, setup, body(draft.choose("desk.client", "desk[0]")), client=client)


def namespace(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import types")
    return _around(draft, "desk = types.SimpleNamespace(client=<client>)", body("desk.client"), client=client)


def queued(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import queue")
    setup = "CLIENTS = queue.Queue()\nCLIENTS.put(<client>)"
    start = "client = CLIENTS.get()\nCLIENTS.put(client)"
    return _around(draft, setup, body("client"), start, client=client)


def named_by_text(draft: Draft, client: str, body: Body) -> str:
    form = draft.pick(setattr=3, getattr=3, globals=2, vars=1, dict=1, delegate=1)
    draft.tag("named by text", form)
    if form == "globals":
        return _around(draft, 'globals()["client"] = <client>', body("client"), client=client)
    text = """
        class Agent:
            def __init__(self):
                <store>
        <more>

            <define> ask(self, prompt):
                <start>
                <body>


        agent = Agent()
        """
    stores = {"setattr": f'setattr(self, "client", {client})', "vars": f'vars(self)["client"] = {client}',
              "dict": f'self.__dict__["client"] = {client}'}  # fmt: skip
    start, access, more = "pass", "self.client", ""
    if form == "getattr":
        start, access = 'client = getattr(self, "client")', "client"
    elif form == "delegate":
        access = "self"
        more = "\n    def __getattr__(self, name):\n        return getattr(self.client, name)"
    store = stores.get(form, f"self.client = {client}")
    draft.helpers.append(code(text, store=store, more=more, define=draft.define, start=start, body=body(access)))
    return "agent.ask(prompt)"


def subclass(draft: Draft, client: str, body: Body) -> str:
    cls, _, arguments = client.partition("(")
    setup = 'class Desk(<cls>):\n    label = "main"\n\n\nclient = Desk(<arguments>'
    return _around(draft, setup, body("client"), cls=cls, arguments=arguments)


def context_manager(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import contextlib")
    text = """
        @contextlib.contextmanager
        def session():
            yield <client>


        <define> ask(prompt):
            with session() as client:
                <body>
        """
    draft.helpers.append(code(text, client=client, define=draft.define, body=body("client")))
    return "ask(prompt)"


def partial(draft: Draft, client: str, body: Body) -> str:
    draft.add_import("import functools")
    text = """
        <define> ask_with(client, prompt):
            <body>


        ask = functools.partial(ask_with, <client>)
        """
    draft.helpers.append(code(text, client=client, define=draft.define, body=body("client")))
    return "ask(prompt)"


def decorator(draft: Draft, client: str, body: Body) -> str:
    text = """
        def with_client(function):
            def inner(*arguments):
                return function(<client>, *arguments)

            return inner


        @with_client
        <define> ask(client, prompt):
            <body>
        """
    draft.helpers.append(code(text, client=client, define=draft.define, body=body("client")))
    return "ask(prompt)"


def mapped(draft: Draft, client: str, body: Body) -> str:
    text = """
        <define> ask_pair(pair):
            client, prompt = pair
            <body>


        client = <client>
        """
    draft.helpers.append(code(text, client=client, define=draft.define, body=body("client")))
    return "ask_pair((client, prompt))"


def dispatched(draft: Draft, client: str, body: Body) -> str:
    cls, _, arguments = client.partition("(")
    form = draft.choose("classes", "lambdas")
    setup = 'KINDS = {"main": <cls>}' if form == "classes" else 'KINDS = {"main": lambda: <client>}'
    start = f'client = KINDS["main"]({arguments if form == "classes" else ")"}'
    return _around(draft, setup, body("client"), start, cls=cls, client=client)


def bound_method(draft: Draft, client: str, body: Body) -> str:
    """Keep a part of the client, such as `client.chat`."""
    chains = {"chat": ".chat.completions.create", "messages": ".messages.create"}
    chain = next((chain for chain in chains.values() if chain in body("client")), "")
    if not chain:
        return _around(draft, "client = <client>\nspare = client", body("spare"), client=client)
    cut = draft.choose(*range(1, chain.count(".") + 1))
    parts = chain.lstrip(".").split(".")
    setup = f"client = <client>\npart = client.{'.'.join(parts[:cut])}"
    replaced = body("client").replace(f"client.{'.'.join(parts[:cut])}", "part")
    return _around(draft, setup, replaced, client=client)


def aliased(draft: Draft, client: str, body: Body) -> str:
    """Give the client several names, one of which is bound again."""
    setup = draft.choose(
        "first = <client>\nclient = first",
        "client = first = <client>",
        "client = None\nfor _ in range(2):\n    client = <client>",
        "client = None\nif True:\n    client = <client>\nelse:\n    client = None",
        "client: object = <client>",
        "try:\n    client = <client>\nexcept Exception:\n    client = None",
    )
    return _around(draft, setup, body("client"), client=client)


def copied(draft: Draft, client: str, body: Body) -> str:
    setup = draft.choose(
        "import copy\n\nclient = copy.copy(<client>)", "client = <client>.with_options(timeout=20.0)",
        "client = (lambda item: item)(<client>)", "client = next(filter(None, [<client>]))",
        "client = max([<client>], key=id)", "def same(item):\n    return item\n\n\nclient = same(<client>)",
    )  # fmt: skip
    return _around(draft, setup, body("client"), client=client)


CONTAINERS: dict[Place, float] = {
    dictionary: 6, sequence: 5, pair: 4, generator: 2, named_tuple: 2, namespace: 2, queued: 1, named_by_text: 4,
    subclass: 1.5, context_manager: 2, partial: 2, decorator: 1.5, mapped: 3, dispatched: 3, bound_method: 2,
    aliased: 5, copied: 2,
}  # fmt: skip
