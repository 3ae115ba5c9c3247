"""Where replies go before they are read: one variable of several calls, loops over tools, containers, helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.calls import draw_model
from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.sdks import Sdk

# A read of a reply `R` that only its SDK's own form has, beside the read of its text.
OWN_READS = {
    "chat": "len(R.choices)", "messages": "R.stop_reason", "responses": "R.object", "genai": "len(R.candidates or [])",
    "ollama": "R.done",
}  # fmt: skip
TOOLS = {
    "chat": """
        TOOLS = [{"type": "function", "function": {"name": "price", "description": "A price.", "parameters":
            {"type": "object", "properties": {"of": {"type": "string"}}}}}]
        """,
    "messages": """
        CLAUDE_TOOLS = [{"name": "price", "description": "A price.", "input_schema":
            {"type": "object", "properties": {"of": {"type": "string"}}}}]
        """,
}
TOOL_LOOP = "tool loop"  # the tag of programs to which the server gives calls of tools


def draw_read(draft: Draft, chain: str, wire: str, call: str) -> str:
    """Draw the statements that bind `text` to the text of the reply of a call, by way of something else.

    Args:
        draft: The program.
        chain: The expression of the text in a reply `R`.
        wire: The form of the reply.
        call: The expression that asks; some forms make it twice.
    """
    form = draft.choose(*FORMS)
    draft.tag("journey", form)
    own = OWN_READS.get(wire, "R is None")

    def read(expression: str, of: str = chain) -> str:
        return of.replace("R", expression, 1)

    for helper, text in HELPERS.items():
        if helper in FORMS[form]:
            draft.helpers.append(code(text, read=read("reply"), own=read("reply", own)))
    for constant in ("KEPT = []", "SEEN = {}"):
        if constant.split(" ", 1)[0] in FORMS[form] and constant not in draft.constants:
            draft.constants.append(constant)
    text = FORMS[form]
    for name in ("response", "replies[-1]", 'replies["second"]', "KEPT[-1]", "SEEN.get(prompt)", "kept[1]", "reply",
                 "kept.reply", "later"):  # fmt: skip
        text = text.replace(f"<read {name}>", read(name)).replace(f"<own {name}>", read(name, own))
    return code(text, call=call, again=call)


FORMS = {
    "twice": """
        response = <call>
        first = <read response>
        response = <again>
        text = <read response>
        print(first == text)
        """,
    "own, then text": """
        response = <call>
        print("own", <own response>)
        response = <again>
        text = <read response>
        """,
    "text, then own": """
        response = <call>
        text = <read response>
        response = <again>
        print("own", <own response>)
        """,
    "either": """
        if len(prompt) % 2:
            response = <call>
        else:
            response = <again>
        text = <read response>
        """,
    "either own": """
        if len(prompt) % 2:
            response = <call>
            print("own", <own response>)
        else:
            response = <again>
        text = <read response>
        """,
    "until": """
        for attempt in range(2):
            response = <call>
            if <read response>:
                break
        text = <read response>
        """,
    "fallback": """
        try:
            response = <call>
        except Exception:
            response = <again>
        text = <read response>
        """,
    "while": """
        response = <call>
        count = 0
        while not <read response> and count < 2:
            response = <again>
            count += 1
        text = <read response>
        """,
    "while own": """
        response = <call>
        for count in range(2):
            if <own response>:
                break
            response = <again>
        text = <read response>
        """,
    "previous": """
        previous = None
        for attempt in range(2):
            response = <call>
            if previous is None:
                previous = response
        later = previous
        text = <read later>
        """,
    "list": """
        replies = []
        replies.append(<call>)
        replies.append(<again>)
        text = <read replies[-1]>
        """,
    "list own": """
        replies = []
        for attempt in range(2):
            response = <call>
            replies.append(response)
        print("own", <own replies[-1]>)
        text = <read replies[-1]>
        """,
    "list read later": """
        replies = []
        for attempt in range(2):
            replies.append(<call>)
        texts = []
        for reply in replies:
            texts.append(<read reply>)
        text = texts[0]
        """,
    "dictionary": """
        replies = {}
        for name in ("first", "second"):
            replies[name] = <call>
        text = <read replies["second"]>
        """,
    "dictionary items": """
        replies = {"first": <call>}
        for name, reply in replies.items():
            text = <read reply>
        """,
    "global list": "KEPT.append(<call>)\ntext = <read KEPT[-1]>",
    "global dictionary": "SEEN[prompt] = <call>\ntext = <read SEEN.get(prompt)>",
    "tuple": "kept = (prompt, <call>)\ntext = <read kept[1]>",
    "namespace": """
        from types import SimpleNamespace

        kept = SimpleNamespace(reply=<call>)
        text = <read kept.reply>
        """,
    "passed": "response = passed(<call>)\ntext = <read response>",
    "passed and read": "response = <call>\ntext = text_of(passed(response))",
    "read by keyword": "response = <call>\ntext = text_of(reply=response)",
    "starred": "response = <call>\ntext = first_text(response, None)",
    "mapped": "text = list(map(text_of, [<call>]))[0]",
    "usable": "response = <call>\ntext = <read response> if usable(response) else 'nothing'",
    "described": "response = <call>\ntext, what = described(response)\nprint('own', what)",
    "described and read": """
        response = <call>
        text, what = described(response)
        if what:
            text = <read response>
        """,
    "filed": "response = <call>\nfiled(response)\ntext = <read KEPT[-1]>",
    "read twice by a helper": """
        response = <call>
        first = text_of(response)
        response = <again>
        text = text_of(response)
        print(first == text)
        """,
}  # fmt: skip
HELPERS = {
    "passed(": "def passed(reply):\n    return reply",
    "text_of": "def text_of(reply):\n    return <read>",
    "first_text(": "def first_text(*replies):\n    reply = replies[0]\n    return <read>",
    "usable(": "def usable(reply):\n    return reply is not None and bool(<read>)",
    "described(": "def described(reply):\n    return <read>, <own>",
    "filed(": "def filed(reply):\n    KEPT.append(reply)",
}


def draw_tool_loop(draft: Draft, wire: str, sdk: Sdk) -> str:
    """Draw the statements that ask until the model calls no tool any more, and bind `text` to what it says then."""
    form = draft.choose(*LOOPS[wire])
    draft.tag("journey", TOOL_LOOP)
    draft.tag("loop", form)
    tools = code(TOOLS[wire])
    if tools not in draft.constants:
        draft.constants.append(tools)
    method = {"chat": "chat.completions.create", "messages": "messages.create"}[wire]
    limit, name = ("max_tokens=500, ", "CLAUDE_TOOLS") if wire == "messages" else ("", "TOOLS")
    call = f"{draft.wait}CLIENT.{method}(model={draw_model(draft, sdk)}, {limit}messages=messages, tools={name})"
    return 'messages = [{"role": "user", "content": prompt}]\n' + code(LOOPS[wire][form], call=call)


LOOPS: dict[str, dict[str, str]] = {
    "chat": {
        "while": """
            response = <call>
            while response.choices[0].message.tool_calls:
                messages.append(response.choices[0].message)
                for call in response.choices[0].message.tool_calls:
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": "64000"})
                response = <call>
            text = response.choices[0].message.content
            """,
        "forever": """
            while True:
                response = <call>
                message = response.choices[0].message
                if not message.tool_calls:
                    break
                messages.append(message)
                messages += [
                    {"role": "tool", "tool_call_id": call.id, "content": call.function.arguments}
                    for call in message.tool_calls
                ]
            text = message.content
            """,
        "steps": """
            text = "no end"
            for step in range(4):
                response = <call>
                choice = response.choices[0]
                if choice.finish_reason != "tool_calls":
                    text = choice.message.content
                    break
                messages.append(choice.message.model_dump(exclude_none=True))
                for call in choice.message.tool_calls:
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": "64000"})
            """,
        "once": """
            response = <call>
            if response.choices[0].message.tool_calls:
                messages.append(response.choices[0].message)
                for call in response.choices[0].message.tool_calls:
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": call.function.name})
                response = <call>
            text = response.choices[0].message.content
            """,
    },
    "messages": {
        "while": """
            response = <call>
            while response.stop_reason == "tool_use":
                messages.append({"role": "assistant", "content": response.content})
                results = [
                    {"type": "tool_result", "tool_use_id": block.id, "content": "64000"}
                    for block in response.content if block.type == "tool_use"
                ]
                messages.append({"role": "user", "content": results})
                response = <call>
            text = "".join(block.text for block in response.content if block.type == "text")
            """,
        "forever": """
            while True:
                response = <call>
                messages.append({"role": "assistant", "content": response.content})
                used = [block for block in response.content if block.type == "tool_use"]
                if not used:
                    break
                messages.append({"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": block.id, "content": str(block.input)} for block in used
                ]})
            text = response.content[0].text
            """,
        "once": """
            response = <call>
            if response.stop_reason == "tool_use":
                messages.append({"role": "assistant", "content": response.content})
                messages.append({"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": response.content[-1].id, "content": "64000"}
                ]})
                response = <call>
            text = response.content[0].text
            """,
    },
}  # fmt: skip
