"""Move requests that a program makes itself with an HTTP library: `requests.post` becomes `ModelFactory.post`.

The request and its response stay the library's own, so nothing that reads the reply or handles an error changes; what
is new is that the call is recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.check.vocabulary.words import is_model_server_path
from src.migration.rewrite.analysis.check_facts import VOCABULARY, check_facts
from src.migration.rewrite.analysis.folding import fold
from src.migration.rewrite.analysis.syntax import argument, code, expression, keyword, positional, spread, text_of
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.check.records import Facts, Site
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.edits import Edit, Edits

Addresses = tuple[tuple[str, str], ...]
_CHAT = re.compile(
    r"/chat/completions|/v\d+/(?:completions|responses|messages)/?(?:$|[?\s])|:(?:stream)?generateContent"
    r"|/api/(?:chat|generate)/?(?:$|[?\s])",
    re.IGNORECASE,
)
_PLAIN = {"requests.Session", "requests.session", "requests.sessions.Session", "httpx.Client"}
_ASYNC = {"httpx.AsyncClient"}
_FUNCTIONS = ("requests.post", "httpx.post", "requests.api.post")
_REQUESTS = ("requests.request", "httpx.request")
_ASK = "ModelFactory.post(url, headers=headers, json=payload, timeout=60)"


@dataclass(frozen=True, slots=True)
class Post:
    """Hold one request: its call, what makes it where that is not `requests.post`, or why it stays."""

    call: cst.Call
    line: int
    style: str
    via: cst.BaseExpression | None = None
    asynchronous: bool = False
    blocked: Unprovable | None = None


def find(values: Evaluator, source: bytes, addresses: Addresses = ()) -> list[Post]:
    """Return the requests of a module that ask a model, with what becomes of each.

    `addresses` are constants of other files that hold addresses, as pairs of name and text.
    """
    facts, posts = check_facts(source), []
    for site in (*facts.sites, *_imported(facts, addresses)):
        call = _call_at(site, values) if site.rule == "provider-url" else None
        if call is not None and _asks_a_model(call, site, values):
            posts.append(_post(call, site, values))
    return posts


def _imported(facts: Facts, addresses: Addresses) -> list[Site]:
    """Return the requests whose address is a constant of another file."""
    known = dict(addresses)
    return [
        replace(one.site, provider="a provider", what=f"{known[one.name]}{one.rest} is called")
        for one in facts.pending
        if one.site.rule == "provider-url" and one.name in known
    ]


def _call_at(site: Site, values: Evaluator) -> cst.Call | None:
    found = [
        node
        for node in values.tree.nodes
        if isinstance(node, cst.Call) and values.tree.line(node) == site.line and _is_post(node, values)
    ]
    exact = [node for node in found if values.tree.column(node) == site.column]
    return (exact or found)[0] if len(found) == 1 or exact else None


def _is_post(call: cst.Call, values: Evaluator) -> bool:
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "post":
        return True
    return values.module(call.func) in _FUNCTIONS or _names_method(call, values)


def _names_method(call: cst.Call, values: Evaluator) -> bool:
    """Tell `requests.request("POST", ...)`."""
    given = positional(call)
    return values.module(call.func) in _REQUESTS and len(given) > 1 and (text_of(given[0]) or "").upper() == "POST"


def _asks_a_model(call: cst.Call, site: Site, values: Evaluator) -> bool:
    return any(_CHAT.search(text) for text in {site.what.removesuffix(" is called"), *fold(_address(call), values)})


def _address(call: cst.Call) -> cst.BaseExpression | None:
    given = positional(call)
    if given and (text_of(given[0]) or "").upper() == "POST":
        given = given[1:]
    return given[0] if given else keyword(call, "url")


def _post(call: cst.Call, site: Site, values: Evaluator) -> Post:
    line = values.tree.line(call)
    try:
        _refuse_streams(call)
        _refuse_any_address(call, values)
        via, asynchronous, library = _maker(call, values)
    except Unprovable as error:
        told = Unprovable(f"{site.what}: {error.reason}", error.suggestion or _ASK)
        return Post(call, line, "raw HTTP", blocked=told)
    return Post(call, line, f"raw HTTP with {library}", via, asynchronous)


def _refuse_any_address(call: cst.Call, values: Evaluator) -> None:
    """Leave a helper that posts to whatever address it is given: its callers are where a person looks first."""
    address, function = _address(call), values.tree.function(call)
    if not isinstance(address, cst.Name) or not isinstance(function, cst.FunctionDef):
        return
    given = (*function.params.params, *function.params.posonly_params, *function.params.kwonly_params)
    if any(one.name.value == address.value for one in given):
        raise Unprovable("it posts to whatever address it is given")


def _refuse_streams(call: cst.Call) -> None:
    stream = keyword(call, "stream")
    if stream is not None and code(stream) != "False":
        raise Unprovable("its reply is read piece by piece", "loop over model.stream_response(...)")
    if any(arg.star == "*" for arg in call.args) or _address(call) is None:
        raise Unprovable("arguments are passed on with *", "name the arguments")


def _maker(call: cst.Call, values: Evaluator) -> tuple[cst.BaseExpression | None, bool, str]:
    """Return what makes the request (None for `requests.post` itself), whether it is awaited, and the library."""
    function = values.module(call.func)
    if function in _FUNCTIONS:
        library = function.partition(".")[0]
        return (None if library == "requests" else call.func), False, library
    if _names_method(call, values) and isinstance(call.func, cst.Attribute):
        library = (function or "").partition(".")[0]
        return (None if library == "requests" else expression(f"{code(call.func.value)}.post")), False, library
    if not isinstance(call.func, cst.Attribute):
        raise Unprovable(f"what {code(call.func)} does is not known")
    made = _classes(call.func.value, values)
    if made and made <= _PLAIN | _ASYNC and (made <= _PLAIN or made <= _ASYNC):
        return call.func, made <= _ASYNC, next(iter(sorted(made))).partition(".")[0]
    if any(name.startswith("aiohttp.") for name in made):
        raise Unprovable("aiohttp reads a reply in asyncio, after its request", "await model.agenerate_response(...)")
    raise Unprovable(f"what {code(call.func.value)} is, is not known")


def _classes(node: cst.BaseExpression, values: Evaluator, depth: int = 4) -> set[str]:
    """Return the classes that an HTTP client can be of; "?" for one that is not known."""
    if depth == 0:
        return {"?"}
    if isinstance(node, cst.Call):
        return {values.module(node.func) or "?"}
    if isinstance(node, cst.Name):
        sources = [one.value if one.kind in ("assign", "with") else None for one in values.tree.bindings(node)]
    elif isinstance(node, cst.Attribute):
        sources = list(values.stored(node))
    else:
        return {"?"}
    found: set[str] = set()
    for source in sources:
        if isinstance(source, cst.Name) and source.value == "None":
            continue
        found |= _classes(source, values, depth - 1) if source is not None else {"?"}
    return found or {"?"}


def edit(post: Post, edits: Edits, factory: str) -> None:
    """Have the factory make a request."""
    edits.replace(post.call, _edited(post, factory))


def _edited(post: Post, factory: str) -> Edit:
    def changed(updated: cst.Call, resolve: object) -> cst.Call:
        del resolve
        func = expression(f"{factory}.{'apost' if post.asynchronous else 'post'}")
        args = list(updated.args)
        if args and (text_of(args[0].value) or "").upper() == "POST":
            del args[0]
        if post.via is None:
            return updated.with_changes(func=func, args=args)
        first = next((at for at, arg in enumerate(args) if arg.keyword is not None or arg.star), len(args))
        args.insert(first, argument("via", post.via))
        return updated.with_changes(func=func, args=spread(args, updated))

    return changed


def addresses_in(source: bytes) -> Addresses:
    """Return a file's constants that hold addresses at which models answer, whatever way they come by them."""
    if b"://" not in source or not VOCABULARY.may_matter(source):
        return ()
    try:
        held = check_facts(source).exports
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # it is named when it is to be migrated
    return tuple((name, text) for name, text in held if VOCABULARY.provider_of_url(text) or is_model_server_path(text))


# What is no question to a model.

_OTHER = (
    (re.compile(r"/audio/speech"), "speech"),
    (re.compile(r"/audio/(?:transcriptions|translations)"), "transcription"),
    (re.compile(r"/images/"), "images"),
    (re.compile(r"/videos\b"), "video"),
    (re.compile(r"/embeddings|/api/embed|:(?:batch)?[eE]mbedContents?"), "embeddings"),
    (re.compile(r"/moderations"), "moderation"),
    (re.compile(r"/api/(?:tags|version|ps|show|pull)\b|/v\d+/models\b(?!/[^/]+:)|/v1/(?:key|auth|credits|balance)\b"),
     "asks no model"),
)  # fmt: skip


def no_chat(what: str) -> str | None:
    """Return what a request is for, by the words that the check describes it with, where it asks for no text."""
    return next((reason for path, reason in _OTHER if path.search(what)), None)
