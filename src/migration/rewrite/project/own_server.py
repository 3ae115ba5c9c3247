"""Requests to a server that the checkout itself runs, such as those of its smoke tests."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from src.migration.rewrite.analysis.folding import fold
from src.migration.rewrite.analysis.syntax import keyword, positional
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    import libcst as cst

    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.find.raw_posts import Post

_ROUTE = re.compile(
    r"""\.(?:post|route|api_route|add_api_route|add_url_rule|add_post|add_route)\(\s*["'](/[^"']*)["']"""
    r"""|\b(?:Route|APIRoute)\(\s*["'](/[^"']*)["']|\bweb\.post\(\s*["'](/[^"']*)["']"""
)
_SERVES = re.compile(
    r"\b(?:FastAPI|Flask|Quart|Starlette|Sanic|APIRouter|Blueprint|Bottle|Litestar|web\.Application)\("
)
_LOCAL = re.compile(r"^(?:https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|testserver)(?::(\d+))?)?(/[^?#]*)")
_CHAT = "/chat/completions"
_OLLAMA_PORT = "11434"
_REASON = "it asks a server that this checkout runs itself"
_REMEDY = "keep it, and add # direct-call: allow (asks this program's own server)"


def served_paths(text: str) -> frozenset[str]:
    """Return the paths that a file serves."""
    if not _SERVES.search(text):
        return frozenset()
    return frozenset(path.rstrip("/") for groups in _ROUTE.findall(text) for path in groups if path.rstrip("/"))


def without_own(post: Post, values: Evaluator, served: frozenset[str]) -> Post:
    """Return a request, blocked where it goes to a server of the checkout itself."""
    addresses = [*positional(post.call)[:2], keyword(post.call, "url")]
    if not served or post.blocked is not None or not any(_is_own(node, values, served) for node in addresses):
        return post
    return replace(post, blocked=Unprovable(_REASON, _REMEDY))


def refuse_own_client(address: cst.BaseExpression | None, values: Evaluator, served: frozenset[str]) -> None:
    """Raise Unprovable where a client's address is one of a server of the checkout itself."""
    if not served or address is None:
        return
    for text in fold(address, values):
        match = _LOCAL.match(f"{text.rstrip('/')}/")
        if match is not None and match[1] != _OLLAMA_PORT and any(route.endswith(_CHAT) for route in served):
            raise Unprovable(_REASON, _REMEDY)


def _is_own(address: cst.BaseExpression | None, values: Evaluator, served: frozenset[str]) -> bool:
    """Tell whether an address is one that the checkout itself serves, on this host."""
    for text in fold(address, values):
        match = _LOCAL.match(text)
        if match is not None and match[1] != _OLLAMA_PORT:
            path = match[2].rstrip("/")
            return any(path.endswith(route) for route in served)
    return False
