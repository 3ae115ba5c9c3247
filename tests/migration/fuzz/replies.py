"""How the text of a reply is read, and what the program does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

# The expression of the text in a reply `R`.
CHAINS = {
    "chat": ("R.choices[0].message.content",),
    "legacy": (
        "R.choices[0].message.content",
        'R["choices"][0]["message"]["content"]',
        "R.choices[0].message['content']",
    ),
    "messages": ("R.content[0].text",),
    "responses": ("R.output_text",),
    "genai": ("R.text", "R.text", "R.candidates[0].content.parts[0].text"),
    "generativeai": ("R.text", "R.text", "R.candidates[0].content.parts[0].text"),
    "ollama": ('R["message"]["content"]', "R.message.content"),
    "requests": ('R.json()["choices"][0]["message"]["content"]',),
}
USAGE = {
    "chat": "R.usage.total_tokens", "messages": "R.usage.input_tokens + R.usage.output_tokens",
    "genai": "R.usage_metadata.total_token_count", "requests": 'R.json()["usage"]["total_tokens"]',
}  # fmt: skip


def draw_read(draft: Draft, wire: str, call: str) -> str:
    """Draw the statements that bind `text` to the text of the reply of a call."""
    chain = draft.choose(*CHAINS[wire])
    kinds = {"variable": 40.0, "direct": 14, "helper": 6, "outer": 5, "usage": 6, "guarded": 4, "named": 4}
    special = SPECIAL.get(wire, {})
    form = draft.pick(**kinds, **{name: weight for name, (weight, _) in special.items()})
    draft.tag("read", f"{wire} {form}")
    if form in special:
        return f"response = {call}\n" + code(special[form][1]).replace("CALL_AGAIN", call)
    match form:
        case "direct" if call.startswith("await "):
            return f"text = {chain.replace('R', f'({call})', 1)}"
        case "direct":
            return f"text = {chain.replace('R', call, 1)}"
        case "helper":
            draft.helpers.append(f"def text_of(reply):\n    return {chain.replace('R', 'reply', 1)}")
            return f"response = {call}\ntext = text_of(response)"
        case "outer":
            return _read_elsewhere(draft, chain, call)
        case "usage" if wire in USAGE:
            tokens = USAGE[wire].replace("R.", "response.")
            return f"response = {call}\ntext = {chain.replace('R', 'response', 1)}\nprint('tokens', {tokens})"
        case "guarded":
            return f"response = {call}\ntext = {chain.replace('R', 'response', 1)} if response else 'none'"
        case "named":
            return f"completion = {call}\ntext = {chain.replace('R', 'completion', 1)}"
    return f"response = {call}\ntext = {chain.replace('R', 'response', 1)}"


def _read_elsewhere(draft: Draft, chain: str, call: str) -> str:
    """Return the reply, or a part of it, from a function within `ask`."""
    inner, outer = chain, "R"
    if chain == "R.choices[0].message.content" and draft.chance(0.5):
        inner, outer = draft.choose(("R.choices[0].message", "R.content"), ("R.choices[0]", "R.message.content"))
    elif draft.chance(0.5):
        inner, outer = "R", chain
    form = draft.pick(plain=3, pair=1, wrapped=1)
    value = inner.replace("R", "reply", 1)
    returned = {"plain": value, "pair": f'{value}, "done"', "wrapped": f'{{"reply": {value}}}'}[form]
    received = {"plain": "result", "pair": "result[0]", "wrapped": 'result["reply"]'}[form]
    text = """
        <define> fetch():
            reply = <call>
            return <returned>

        result = <wait>fetch()
        text = <read>
        """
    return code(text, define=draft.define, call=call, returned=returned, wait=draft.wait,
                read=outer.replace("R", received, 1))  # fmt: skip


# Reads that belong to one wire, each with its weight.
SPECIAL: dict[str, dict[str, tuple[float, str]]] = {
    "chat": {
        "message": (5, "message = response.choices[0].message\ntext = message.content"),
        "choice": (3, "choice = response.choices[0]\ntext = choice.message.content"),
        "stripped": (10, "text = response.choices[0].message.content.strip()"),
        "or_empty": (5, 'text = response.choices[0].message.content or ""'),
        "finish": (3, """
            text = response.choices[0].message.content
            if response.choices[0].finish_reason == "length":
                print("cut")
            """),
        "choices_tested": (3, """
            text = "none"
            if response.choices:
                text = response.choices[0].message.content
            """),
        "loop": (2, "text = ''\nfor choice in response.choices:\n    text += choice.message.content"),
        "dumped": (2, 'text = response.model_dump()["choices"][0]["message"]["content"]'),
        "getattr": (2, 'text = getattr(response.choices[0].message, "content", None)'),
        "reasoning": (3, """
            message = response.choices[0].message
            text = message.content
            if hasattr(message, "reasoning_content") and message.reasoning_content:
                print("thought", len(message.reasoning_content))
            """),
        "refusal": (1, "text = response.choices[0].message.refusal or response.choices[0].message.content"),
        "last": (1, "text = response.choices[-1].message.content"),
        "model": (1, "text = response.choices[0].message.content\nprint('by', response.model)"),
        "json": (4, """
            import json

            try:
                text = str(json.loads(response.choices[0].message.content).get("action"))
            except json.JSONDecodeError:
                text = "no json"
            """),
        "collected": (1, "replies = []\nreplies.append(response)\ntext = replies[0].choices[0].message.content"),
        "keyed": (1, 'replies = {"last": response}\ntext = replies["last"].choices[0].message.content'),
        "comprehension": (1, "text = [choice.message.content for choice in response.choices][0]"),
        "unpacked": (1, "(choice,) = response.choices\ntext = choice.message.content"),
        "generator": (1, "text = next(choice.message.content for choice in response.choices)"),
        "conditional": (1, 'text = response.choices[0].message.content if hasattr(response, "choices") else response'),
        "dictionary": (1, 'text = response.to_dict()["choices"][0]["message"]["content"]'),
        "json_dumped": (1, """
            import json

            text = json.loads(response.model_dump_json())["choices"][0]["message"]["content"]
            """),
        "cost": (2, """
            text = response.choices[0].message.content
            if response.usage:
                print("cost", round(response.usage.prompt_tokens * 0.01 + response.usage.completion_tokens * 0.03, 2))
            """),
        "copied": (1, "import copy\n\ntext = copy.deepcopy(response).choices[0].message.content"),
        "tools": (1, """
            message = response.choices[0].message
            text = "tools" if message.tool_calls else message.content
            """),
        "role": (1, "text = response.choices[0].message.content\nprint(response.object)"),
        "identity": (0.5, "text = response.choices[0].message.content\nprint(response.id, response.created)"),
        "returned": (1, """
            for choice in response.choices:
                return choice.message.content
            text = "none"
            """),
        "again": (1, """
            text = response.choices[0].message.content
            if not text:
                response = CALL_AGAIN
                text = response.choices[0].message.content
            """),
        "walrus": (1, """
            if (text := response.choices[0].message.content) is None:
                text = "none"
            """),
        "matched": (1, """
            match response.choices[0].finish_reason:
                case "stop" | None:
                    text = response.choices[0].message.content
                case reason:
                    text = f"ended: {reason}"
            """),
        "cut": (1, "text = response.choices[0].message.content[:40]"),
        "interpolated": (1, 'text = f"{response.choices[0].message.content}"'),
        "logged": (1, """
            import logging

            logging.getLogger("desk").debug("reply %s", response)
            text = response.choices[0].message.content
            """),
        "typed": (1, "text = response if isinstance(response, str) else response.choices[0].message.content"),
        "tool loop": (2, """
            message = response.choices[0].message
            for call in message.tool_calls or []:
                print("tool", call.function.name)
            text = message.content
            """),
        "lowered": (1, "text = response.choices[0].message.content.strip().lower()"),
        "split": (1, 'text = response.choices[0].message.content.split("\\n")[0]'),
        "details": (0.5, """
            text = response.choices[0].message.content
            print(getattr(response.usage, "prompt_tokens", None), response.usage is None)
            """),
        "message dumped": (0.5, 'text = response.choices[0].message.model_dump()["content"]'),
        "choice index": (0.5, "text = response.choices[0].message.content\nprint(len(response.choices))"),
        "returned whole": (0.5, """
            def texts(reply):
                return [choice.message.content for choice in reply.choices]

            text = texts(response)[0]
            """),
        "stored": (0.5, """
            class Box:
                pass

            box = Box()
            box.reply = response
            text = box.reply.choices[0].message.content
            """),
        "index_error": (2, """
            try:
                text = response.choices[0].message.content.strip()
            except (AttributeError, IndexError, TypeError):
                text = "no text"
            """),
    },
    "messages": {
        "joined": (6, 'text = "".join(block.text for block in response.content if block.type == "text")'),
        "loop": (4, """
            text = ""
            for block in response.content:
                if hasattr(block, "text"):
                    text += block.text
            """),
        "str": (6, "text = str(response.content)"),
        "str_replaced": (4, """
            text = str(response.content).replace("[TextBlock(text='", "").split("', type=")[0]
            """),
        "str_search": (4, r"""
            import re

            match = re.search(r"text='(.*?)'", str(response.content))
            text = match.group(1) if match else "no match"
            """),
        "isinstance": (4, """
            if isinstance(response.content, list):
                text = response.content[0].text if hasattr(response.content[0], "text") else str(response.content[0])
            else:
                text = response.content
            """),
        "tested": (4, 'text = response.content[0].text if response.content else "none"'),
        "kept": (1, "blocks = list(response.content)\ntext = blocks[0].text"),
        "dumped": (1, 'text = response.model_dump()["content"][0]["text"]'),
        "first": (1, 'text = next((block.text for block in response.content if block.type == "text"), "none")'),
        "cost": (1, """
            text = response.content[0].text
            print("cost", response.usage.input_tokens + 5 * response.usage.output_tokens)
            """),
        "again": (1, """
            if not response.content:
                response = CALL_AGAIN
            text = response.content[0].text
            """),
        "walrus": (1, "if (blocks := response.content):\n    text = blocks[0].text\nelse:\n    text = 'none'"),
        "matched": (1, """
            match response.stop_reason:
                case "max_tokens":
                    text = "cut"
                case _:
                    text = response.content[0].text
            """),
        "kinds": (1, "text = ' '.join(block.type for block in response.content)"),
        "lowered": (1, "text = response.content[0].text.lower()"),
        "last": (1, "text = response.content[-1].text"),
        "length": (1, "text = response.content[0].text if len(response.content) == 1 else 'several'"),
        "stop_reason": (2, "text = response.content[0].text\nprint('stop', response.stop_reason)"),
        "stripped": (6, "text = response.content[0].text.strip()"),
    },
    "ollama": {
        "get": (2, 'text = response.get("message", {}).get("content", "none")'),
    },
    "requests": {
        "raised": (8, 'response.raise_for_status()\ntext = response.json()["choices"][0]["message"]["content"]'),
        "status": (8, """
            if response.status_code != 200:
                return f"status {response.status_code}"
            text = response.json()["choices"][0]["message"]["content"]
            """),
        "fallback": (4, """
            message = response.json()["choices"][0]["message"]
            text = message.get("content") or message.get("reasoning") or "none"
            """),
    },
}  # fmt: skip


def draw_use(draft: Draft) -> str:
    """Draw what `ask` returns of `text`."""
    form = draft.pick(
        text=22, stripped=10, empty=8, none=5, length=3, decision=12, dictionary=4, json=6, regex=4, string=3, lines=5,
        truth=5, typed=2, formatted=4, tuple=3, thinking=3,
    )  # fmt: skip
    draft.tag("use", form)
    if form in ("json", "regex", "thinking"):
        draft.add_import("import json" if form == "json" else "import re")
    return code(USES[form])


USES = {
    "text": "return text",
    "stripped": "return text.strip()",
    "empty": 'if not text:\n    return "empty"\nreturn text',
    "none": 'if text is None:\n    return "nothing"\nreturn text.upper()',
    "length": "return len(text)",
    "decision": """
        if "BUY" in text:
            return "buy 100"
        elif "SELL" in text:
            return "sell all"
        return "hold"
        """,
    "dictionary": 'return {"answer": text, "size": 3}',
    "json": """
        try:
            return json.loads(text.strip().removeprefix("```json").removesuffix("```"))
        except ValueError:
            return {"raw": text}
        """,
    "regex": r"""
        match = re.search(r"(\d+)%", text)
        return int(match.group(1)) if match else text[:10]
        """,
    "string": "return str(text)",
    "lines": 'lines = text.strip().split("\\n")\nreturn lines[0], len(lines)',
    "truth": 'return "some" if text else "none"',
    "typed": "return type(text).__name__, text",
    "formatted": 'return f"[{text}]"',
    "tuple": "return text, len(text or '')",
    "thinking": 'return re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)',
}
