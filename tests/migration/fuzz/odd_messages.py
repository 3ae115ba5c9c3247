"""Messages in forms that programs make besides literal lists of a system prompt and a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

# The expression of the messages, with the statements before; SYSTEM is a message or nothing, USER the question.
FORMS: dict[str, tuple[str, str]] = {
    "empty texts": (
        "messages",
        """
        messages = [SYSTEM{"role": "user", "content": "First."}, {"role": "assistant", "content": ""}]
        messages += [USER]
        """,
    ),
    "turns of one role": ('[SYSTEM{"role": "user", "content": "First."}, USER]', ""),
    "late system": ("messages", "messages = [USER]\nfor item in (SYSTEM):\n    messages.append(item)"),
    "two systems": ("messages", "messages = [SYSTEMUSER]\nmessages = [SYSTEM*messages]"),
    "named": ('[SYSTEM{**USER, "name": "desk"}]', ""),
    "several texts": (
        "messages",
        """
        question = USER
        parts = [{"type": "text", "text": "Market data."}, {"type": "text", "text": question["content"]}]
        messages = [SYSTEM{"role": "user", "content": parts}]
        """,
    ),
    "tuple": ("(SYSTEMUSER,)", ""),
    "generator": ("(item for item in [SYSTEMUSER])", ""),
    "from json": ("json.loads(json.dumps([SYSTEMUSER]))", "import json"),
    "copied": ("messages", "import copy\n\nmessages = copy.deepcopy([SYSTEMUSER])"),
    "sliced": ("messages[-3:]", 'messages = [{"role": "user", "content": "Old."}, SYSTEMUSER]'),
    "extended": ("messages", "messages = []\nmessages.extend([SYSTEMUSER])"),
    "added": ("[SYSTEM] + [USER]", ""),
    "changed": (
        "messages",
        """
        messages = [SYSTEMUSER]
        messages[-1]["content"] = messages[-1]["content"] + " Now."
        """,
    ),
    "filtered": ("[item for item in [SYSTEMUSER] if item]", ""),
    "tool result": (
        "messages",
        """
        call = {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": "{}"}}
        messages = [SYSTEM{"role": "user", "content": "Price?"}]
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": "61000"})
        messages.append(USER)
        """,
    ),
    "record": (
        "[turn.as_dict() for turn in turns]",
        """
        turns = [Turn(**item) for item in [SYSTEMUSER]]
        """,
    ),
    "inserted": ("messages", "messages = [USER]\nfor item in [SYSTEM]:\n    messages.insert(0, item)"),
    "conditional": (
        "messages",
        """
        if len(prompt) > 3:
            messages = [SYSTEMUSER]
        else:
            messages = [USER]
        """,
    ),
}
_RECORD = """
    class Turn:
        def __init__(self, role, content):
            self.role, self.content = role, content

        def as_dict(self):
            return {"role": self.role, "content": self.content}
    """


def draw(draft: Draft, system: str, user: str) -> tuple[str, str, str]:
    """Draw the expression of a chat's messages; return it with statements before and after the call."""
    form = draft.choose(*FORMS)
    draft.tag("odd messages", form)
    if form == "record":
        draft.helpers.append(code(_RECORD))
    expression, start = FORMS[form]
    head = f"{system}, " if system else ""
    texts = (text.replace("SYSTEM", head).replace("USER", user) for text in (expression, code(start)))
    return (*texts, "")  # type: ignore[return-value] # two texts and an empty one
