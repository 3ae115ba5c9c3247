"""Requests that a program makes itself with an HTTP library, of which `requests.post` becomes `ModelFactory.post`.

The request and its response remain the library's own, so that code which reads the response or handles an error goes on
as before; the call is now recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.check.vocabulary.words import is_model_server_path
from src.migration.rewrite.analysis.check_facts import VOCABULARY, check_facts
from src.migration.rewrite.analysis.folding import fold
from src.migration.rewrite.analysis.syntax import argument, code, expression, keyword, lay_out, positional, text_of
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.check.records import Facts, Site
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.node_edits import Edit, Edits, Resolve

Addresses = tuple[tuple[str, str], ...]
# Paths at which the providers' APIs generate text.
_CHAT = re.compile(
    r"/chat/completions|/v\d+/(?:completions|responses|messages)/?(?:$|[?\s])|:(?:stream)?generateContent"
    r"|/api/(?:chat|generate)/?(?:$|[?\s])",
    re.IGNORECASE,
)
_SYNC_CLIENTS = {"requests.Session", "requests.session", "requests.sessions.Session", "httpx.Client"}
_ASYNC_CLIENTS = {"httpx.AsyncClient"}
_POST_FUNCTIONS = ("requests.post", "httpx.post", "requests.api.post")
_REQUEST_FUNCTIONS = ("requests.request", "httpx.request")
_ASK = "ModelFactory.post(url, headers=headers, json=payload, timeout=60)"


@dataclass(frozen=True, slots=True)
class Post:
    """One request.

    Attributes:
        call: The call.
        line: Its line, counted from 1.
        style: The kind of request as reports name it.
        via: The function that sends it, where that is not `requests.post`.
        asynchronous: Whether the call is awaited.
        blocked: Why the call stays; None where it can move.
    """

    call: cst.Call
    line: int
    style: str
    via: cst.BaseExpression | None = None
    asynchronous: bool = False
    blocked: Unprovable | None = None


def find_posts(values: Evaluator, source: bytes, addresses: Addresses = ()) -> list[Post]:
    """Return the requests of a module that ask a model for text.

    Args:
        values: What the module's expressions can be.
        source: The module's source.
        addresses: Constants of other files that hold addresses, as pairs of name and text.
    """
    facts, posts = check_facts(source), []
    for site in (*facts.sites, *_posts_to_imported_addresses(facts, addresses)):
        call = _call_at(site, values) if site.rule == "provider-url" else None
        if call is not None and _asks_a_model(call, site, values):
            posts.append(_post(call, site, values))
    return posts


def _posts_to_imported_addresses(facts: Facts, addresses: Addresses) -> list[Site]:
    """Return the requests whose address is a constant of another file."""
    known = dict(addresses)
    return [
        replace(request.site, provider="a provider", what=f"{known[request.name]}{request.rest} is called")
        for request in facts.pending
        if request.site.rule == "provider-url" and request.name in known
    ]


def _call_at(site: Site, values: Evaluator) -> cst.Call | None:
    """Return the POST call where the check reports a request: in its column, or the only one in its line."""
    candidates = [
        node
        for node in values.tree.nodes
        if isinstance(node, cst.Call) and values.tree.line(node) == site.line and _is_post(node, values)
    ]
    exact = [node for node in candidates if values.tree.column(node) == site.column]
    return (exact or candidates)[0] if len(candidates) == 1 or exact else None


def _is_post(call: cst.Call, values: Evaluator) -> bool:
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "post":
        return True
    return values.module(call.func) in _POST_FUNCTIONS or _names_method(call, values)


def _names_method(call: cst.Call, values: Evaluator) -> bool:
    """Tell whether a call is `requests.request("POST", ...)` or httpx's counterpart."""
    args = positional(call)
    return (
        values.module(call.func) in _REQUEST_FUNCTIONS and len(args) > 1 and (text_of(args[0]) or "").upper() == "POST"
    )


def _asks_a_model(call: cst.Call, site: Site, values: Evaluator) -> bool:
    return any(_CHAT.search(text) for text in {site.what.removesuffix(" is called"), *fold(_address(call), values)})


def _address(call: cst.Call) -> cst.BaseExpression | None:
    """Return the argument with the address, or None."""
    args = positional(call)
    if args and (text_of(args[0]) or "").upper() == "POST":
        args = args[1:]
    return args[0] if args else keyword(call, "url")


def _post(call: cst.Call, site: Site, values: Evaluator) -> Post:
    line = values.tree.line(call)
    try:
        _refuse_streams(call)
        _refuse_any_address(call, values)
        via, asynchronous, library = _sender(call, values)
    except Unprovable as error:
        blocked = Unprovable(f"{site.what}: {error.reason}", error.suggestion or _ASK)
        return Post(call=call, line=line, style="raw HTTP", blocked=blocked)
    return Post(call=call, line=line, style=f"raw HTTP with {library}", via=via, asynchronous=asynchronous)


def _refuse_any_address(call: cst.Call, values: Evaluator) -> None:
    """Raise Unprovable where the address is a parameter: such a helper may also post to other servers."""
    address, function = _address(call), values.tree.enclosing_function(call)
    if not isinstance(address, cst.Name) or not isinstance(function, cst.FunctionDef):
        return
    params = (*function.params.params, *function.params.posonly_params, *function.params.kwonly_params)
    if any(param.name.value == address.value for param in params):
        raise Unprovable("it posts to whatever address it is given")


def _refuse_streams(call: cst.Call) -> None:
    stream = keyword(call, "stream")
    if stream is not None and code(stream) != "False":
        raise Unprovable("its reply is read piece by piece", "loop over model.stream_response(...)")
    if any(arg.star == "*" for arg in call.args) or _address(call) is None:
        raise Unprovable("arguments are passed on with *", "name the arguments")


def _sender(call: cst.Call, values: Evaluator) -> tuple[cst.BaseExpression | None, bool, str]:
    """Return the function that sends a request (None for `requests.post`), whether it is awaited, and the library."""
    function = values.module(call.func)
    if function in _POST_FUNCTIONS:
        library = function.partition(".")[0]
        return (None if library == "requests" else call.func), False, library
    if _names_method(call, values) and isinstance(call.func, cst.Attribute):
        library = (function or "").partition(".")[0]
        return (None if library == "requests" else expression(f"{code(call.func.value)}.post")), False, library
    if not isinstance(call.func, cst.Attribute):
        raise Unprovable(f"what {code(call.func)} does is not known")
    classes = _classes(call.func.value, values)
    if classes and (classes <= _SYNC_CLIENTS or classes <= _ASYNC_CLIENTS):
        return call.func, classes <= _ASYNC_CLIENTS, min(classes).partition(".")[0]
    if any(name.startswith("aiohttp.") for name in classes):
        raise Unprovable("aiohttp reads a reply in asyncio, after its request", "await model.agenerate_response(...)")
    raise Unprovable(f"what {code(call.func.value)} is, is not known")


def _classes(node: cst.BaseExpression, values: Evaluator, depth: int = 4) -> set[str]:
    """Return the classes that an HTTP client can be an instance of, "?" standing for an unknown class."""
    if depth == 0:
        return {"?"}
    if isinstance(node, cst.Call):
        return {values.module(node.func) or "?"}
    if isinstance(node, cst.Name):
        bindings = values.tree.bindings(node)
        sources = [binding.value if binding.kind in ("assign", "with") else None for binding in bindings]
    elif isinstance(node, cst.Attribute):
        sources = list(values.attribute_values(node))
    else:
        return {"?"}
    classes: set[str] = set()
    for source in sources:
        if isinstance(source, cst.Name) and source.value == "None":
            continue
        classes |= _classes(source, values, depth - 1) if source is not None else {"?"}
    return classes or {"?"}


def edit_post(post: Post, edits: Edits, factory: str) -> None:
    """Add the edit that makes a request through the factory."""
    edits.replace(post.call, _post_edit(post, factory))


def _post_edit(post: Post, factory: str) -> Edit:
    def edit(updated: cst.Call, _resolve: Resolve) -> cst.Call:
        func = expression(f"{factory}.{'apost' if post.asynchronous else 'post'}")
        args = list(updated.args)
        if args and (text_of(args[0].value) or "").upper() == "POST":
            del args[0]
        if post.via is None:
            return updated.with_changes(func=func, args=args)
        positional_end = next((at for at, arg in enumerate(args) if arg.keyword is not None or arg.star), len(args))
        args.insert(positional_end, argument("via", post.via))
        return updated.with_changes(func=func, args=lay_out(args, updated))

    return edit


def addresses_in(source: bytes) -> Addresses:
    """Return a file's constants that hold addresses of models, as pairs of name and text."""
    if b"://" not in source or not VOCABULARY.may_matter(source):
        return ()
    try:
        constants = check_facts(source).exports
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # the migration of the file itself reports why
    return tuple(
        (name, text) for name, text in constants if VOCABULARY.provider_of_url(text) or is_model_server_path(text)
    )


# Paths of requests that ask no model for text -> what they are for.
_NON_CHAT_PATHS = (
    (re.compile(r"/audio/speech"), "speech"),
    (re.compile(r"/audio/(?:transcriptions|translations)"), "transcription"),
    (re.compile(r"/images/"), "images"),
    (re.compile(r"/videos\b"), "video"),
    (re.compile(r"/embeddings|/api/embed|:(?:batch)?[eE]mbedContents?"), "embeddings"),
    (re.compile(r"/moderations"), "moderation"),
    (re.compile(r"/api/(?:tags|version|ps|show|pull)\b|/v\d+/models\b(?!/[^/]+:)|/v1/(?:key|auth|credits|balance)\b"),
     "asks no model"),
)  # fmt: skip


def non_chat_purpose(what: str) -> str | None:
    """Return what a request is for, None where it asks a model for text; `what` is the check's description."""
    return next((reason for path, reason in _NON_CHAT_PATHS if path.search(what)), None)
