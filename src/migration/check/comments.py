"""Read the inline allow comments of a file."""

from __future__ import annotations

import io
import re
import tokenize

from src.migration.check.records import Allow

MARK = b"direct-call:"
_COMMENT = re.compile(r"#\s*direct-call:\s*(?P<word>\w+)?\s*(?P<rest>\(.*)?", re.DOTALL)


def allows_in(source: bytes) -> tuple[Allow, ...]:
    """Return every `# direct-call:` comment, with an empty reason where it is not `allow (reason)`."""
    if MARK not in source:
        return ()
    allows: list[Allow] = []
    try:
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type == tokenize.COMMENT and "direct-call:" in token.string:
                allow = _allow(token)
                if allow:
                    allows.append(allow)
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # the file does not parse either, which its facts say
    return tuple(allows)


def _allow(token: tokenize.TokenInfo) -> Allow | None:
    match = _COMMENT.search(token.string)
    if match is None:
        return None
    line, column = token.start
    return Allow(
        line=line,
        column=column + 1,
        alone=not token.line[:column].strip(),
        reason=_in_brackets(match["rest"] or "") if match["word"] == "allow" else "",
        text=token.line.strip()[:200],
    )


def _in_brackets(rest: str) -> str:
    """Return the text between the first bracket and the one that closes it."""
    depth = 0
    for index, character in enumerate(rest):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return rest[1:index].strip()
    return ""
