"""Clients that live in another file of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.places import Body, Place


def client_elsewhere(draft: Draft, client: str, body: Body) -> str:
    draft.files["clients.py"] = code("<setup>\n\nclient = <client>\n", setup=draft.setup, client=client)
    form = draft.pick(name=4, module=3, star=2, renamed=1)
    draft.tag("imported", form)
    draft.add_import(
        {"name": "from clients import client", "module": "import clients", "star": "from clients import *",
         "renamed": "from clients import client as desk"}[form]
    )  # fmt: skip
    access = {"module": "clients.client", "renamed": "desk"}.get(form, "client")
    draft.helpers.append(code("<define> ask(prompt):\n    <body>", define=draft.define, body=body(access)))
    return "ask(prompt)"


def factory_elsewhere(draft: Draft, client: str, body: Body) -> str:
    text = """
        <setup>


        def get_client():
            return <client>
        """
    draft.files["clients.py"] = code(text, setup=draft.setup, client=client)
    draft.add_import(draft.choose("from clients import get_client", "from clients import *"))
    text = "client = get_client()\n\n\n<define> ask(prompt):\n    <body>"
    draft.helpers.append(code(text, define=draft.define, body=body("client")))
    return "ask(prompt)"


def base_elsewhere(draft: Draft, client: str, body: Body) -> str:
    text = """
        <setup>


        class Base:
            def __init__(self):
                self.client = <client>
        """
    draft.files["base.py"] = code(text, setup=draft.setup, client=client)
    draft.add_import("from base import Base")
    text = """
        class Agent(Base):
            <define> ask(self, prompt):
                <body>


        agent = Agent()
        """
    draft.helpers.append(code(text, define=draft.define, body=body("self.client")))
    return "agent.ask(prompt)"


def borrowed(draft: Draft, client: str, body: Body) -> str:
    text = """
        <setup>


        class Desk:
            def __init__(self):
                self.client = <client>
                self.label = "main"


        desk = Desk()
        """
    draft.files["desks.py"] = code(text, setup=draft.setup, client=client)
    draft.add_import("from desks import desk")
    draft.helpers.append(code("<define> ask(prompt):\n    <body>", define=draft.define, body=body("desk.client")))
    return "ask(prompt)"


def configuration_elsewhere(draft: Draft, client: str, body: Body) -> str:
    """Keep the constants in a file of their own, and the client in the main one."""
    draft.files["settings.py"] = draft.setup + "\n"
    draft.add_import("from settings import *")
    text = "client = <client>\n\n\n<define> ask(prompt):\n    <body>"
    draft.helpers.append(code(text, client=client, define=draft.define, body=body("client")))
    return "ask(prompt)"


OTHER_FILES: dict[Place, float] = {
    client_elsewhere: 4, factory_elsewhere: 3, base_elsewhere: 2, borrowed: 2, configuration_elsewhere: 2,
}  # fmt: skip
