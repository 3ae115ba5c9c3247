"""Programs with two clients: side by side, in one attribute, one after another; and clients with other uses beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.places import Body


@dataclass(frozen=True)
class Half:
    """One of two clients: its construction, and the body of a function that asks it."""

    client: str
    body: Body
    wire: str


def two_attributes(draft: Draft, first: Half, second: Half) -> str:
    text = """
        class Agent:
            def __init__(self, kind):
                self.kind = kind
                self.first_client = <first>
                self.second_client = <second>

            <define> ask_first(self, prompt):
                <first_body>

            <define> ask_second(self, prompt):
                <second_body>

            <define> ask(self, prompt):
                if self.kind == "first" or "Q2" in prompt:
                    return <wait>self.ask_first(prompt)
                return <wait>self.ask_second(prompt)


        agent = Agent(<kind>)
        """
    _add(draft, text, first, second, "self.first_client", "self.second_client",
         kind=draft.choose('"first"', '"second"'))  # fmt: skip
    return "agent.ask(prompt)"


def attribute_of_two(draft: Draft, first: Half, second: Half) -> str:
    """Keep either of two clients in one attribute, as agents that choose a provider do."""
    text = """
        class Agent:
            def __init__(self, kind):
                self.kind = kind
                if kind == "first":
                    self.client = <first>
                else:
                    self.client = <second>

            <define> ask(self, prompt):
                if <test>:
                    <first_body>
                else:
                    <second_body>


        agent = Agent(<kind>)
        """
    test = draft.choose('self.kind == "first"', '"first" in self.kind', 'self.kind != "second"')
    _add(draft, text, first, second, "self.client", "self.client", test=test,
         kind=draft.choose('"first"', '"second"'))  # fmt: skip
    return "agent.ask(prompt)"


def optional_clients(draft: Draft, first: Half, second: Half) -> str:
    """Have two clients either of which may be None, tested by their truth."""
    text = """
        class Agent:
            def __init__(self):
                self.first_client = <first> if os.getenv("<variable>") else None
                self.second_client = <second>
                print("desk uses", "first" if self.first_client else "second")

            <define> ask(self, prompt):
                if self.first_client:
                    <first_body>
                elif self.second_client:
                    <second_body>
                return "no client"


        agent = Agent()
        """
    draft.add_import("import os")
    variable = draft.choose("PATH", "NO_SUCH_VARIABLE")
    _add(draft, text, first, second, "self.first_client", "self.second_client", variable=variable)
    return "agent.ask(prompt)"


def fallback(draft: Draft, first: Half, second: Half) -> str:
    """Ask a second client where the first one fails."""
    text = """
        first = <first>
        second = <second>


        <define> ask_first(prompt):
            <first_body>


        <define> ask_second(prompt):
            <second_body>


        <define> ask(prompt):
            try:
                return <wait>ask_first(prompt)
            except Exception:
                print("fallback")
            return <wait>ask_second(prompt)
        """
    _add(draft, text, first, second, "first", "second")
    return "ask(prompt)"


def looped(draft: Draft, first: Half, second: Half) -> str:
    """Ask clients of one kind in a loop over a container; the second body is dropped."""
    form = draft.pick(items=4, pairs=3, values=2, attribute=3, members=2)
    draft.tag("looped", form)
    setup, loop, access = {
        "items": ('CLIENTS = {"first": <first>, "second": <second>}', "for name, client in CLIENTS.items():", "client"),
        "pairs": ('CLIENTS = [("first", <first>), ("second", <second>)]', "for name, client in CLIENTS:", "client"),
        "values": ('CLIENTS = {"first": <first>, "second": <second>}', "for client in CLIENTS.values():", "client"),
        "attribute": (
            'class Desk:\n    def __init__(self):\n        self.items = {}\n        self.items["first"] = <first>\n'
            '        self.items["second"] = <second>\n\n\ndesk = Desk()',
            "for name, client in desk.items.items():", "client",
        ),
        "members": ('CLIENTS = [{"name": "first", "client": <first>}, {"name": "second", "client": <second>}]',
                    "for member in CLIENTS:", 'member["client"]'),
    }[form]  # fmt: skip
    text = """
        <setup>


        <define> ask_client(client, prompt):
            <first_body>


        <define> ask(prompt):
            answers = []
            <loop>
                answers.append(<wait>ask_client(<access>, prompt))
            return answers
        """
    setup = setup.replace("<first>", first.client).replace("<second>", second.client)
    draft.helpers.append(code(text, setup=setup, define=draft.define, wait=draft.wait, loop=loop, access=access,
                              first_body=first.body("client")))  # fmt: skip
    return "ask(prompt)"


def _add(draft: Draft, text: str, first: Half, second: Half, first_name: str, second_name: str, **blocks: str) -> None:
    draft.helpers.append(
        code(
            text,
            first=first.client,
            second=second.client,
            define=draft.define,
            wait=draft.wait,
            first_body=first.body(first_name),
            second_body=second.body(second_name),
            **blocks,
        )
    )


PAIRS = {two_attributes: 4.0, attribute_of_two: 5, optional_clients: 4, fallback: 3}
EQUAL_PAIRS = {looped: 6.0, fallback: 2}


def beside(draft: Draft, body: str) -> str:
    """Use the openai client for something else than chat before a body: sound, embeddings, images, a list."""
    form = draft.choose("speech", "embeddings", "images", "models")
    draft.tag("beside", form)
    uses = {
        "speech": '<wait>CLIENT.audio.speech.create(model="tts-1", voice="onyx", input=prompt)',
        "embeddings": 'print("size", len((<wait>CLIENT.embeddings.create(model="e", input=prompt)).data[0].embedding))',
        "images": '<wait>CLIENT.images.generate(model="dall-e-3", prompt=prompt)',
        "models": '<wait>CLIENT.models.list()',
    }  # fmt: skip
    return f"{uses[form].replace('<wait>', draft.wait)}\n{body}"
