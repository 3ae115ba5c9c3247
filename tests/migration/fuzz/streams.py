"""How a stream is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

READS: dict[str, dict[str, str]] = {
    "chat": {
        "parts": """
            stream = <call>
            parts = []
            <for> chunk in stream:
                if chunk.choices[0].delta.content is not None:
                    parts.append(chunk.choices[0].delta.content)
            text = "".join(parts)
            """,
        "printed": """
            text = ""
            <for> chunk in <call>:
                if chunk.choices and chunk.choices[0].delta.content:
                    print(chunk.choices[0].delta.content, end="")
                    text += chunk.choices[0].delta.content
            print()
            """,
        "delta": """
            text = ""
            <for> chunk in <call>:
                if not chunk.choices:
                    continue
                delta = chunk.choices[0].delta
                if delta.content:
                    text += delta.content
            """,
        "or_empty": """
            stream = <call>
            text = ""
            <for> chunk in stream:
                if chunk.choices:
                    text += chunk.choices[0].delta.content or ""
            """,
    },
    "messages": {
        "events": """
            text = ""
            <for> event in <call>:
                if event.type == "content_block_delta":
                    text += event.delta.text
            """,
        "named": """
            stream = <call>
            text = ""
            <for> event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    text += event.delta.text
            """,
    },
}


def draw_read(draft: Draft, wire: str, call: str) -> str:
    """Draw the statements that bind `text` to the text of a stream."""
    form = draft.choose(*READS[wire])
    draft.tag("read", f"{wire} stream {form}")
    return code(READS[wire][form], call=call, **{"for": "async for" if draft.asynchronous else "for"})
