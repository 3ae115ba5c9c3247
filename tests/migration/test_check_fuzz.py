"""No input makes the check fail."""

from __future__ import annotations

import ast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.migration.check.records import RULES, from_json
from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary
from tests.long import rounds

WORDS = Vocabulary()
_NAMES = ["a", "b", "self", "openai", "url", "requests", "importlib", "subprocess", "x"]
_TEXTS = [
    "openai",
    "https://api.openai.com/v1",
    "/chat/completions",
    "ollama",
    "run",
    "-p",
    "claude",
    "{}",
    "%s",
    "%",
    "",
    "\x00",
    "\x01",
]
_ATTRIBUTES = [
    "chat",
    "completions",
    "create",
    "messages",
    "post",
    "get",
    "import_module",
    "run",
    "format",
    "join",
    "base_url",
    "b",
]

_atoms = st.one_of(
    st.sampled_from(_NAMES),
    st.sampled_from(_TEXTS).map(repr),
    st.integers(-9, 99).map(str),
    st.sampled_from(["None", "b'x'", "...", "1.5", "10**9"]),
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names, attributes = st.sampled_from(_NAMES), st.sampled_from(_ATTRIBUTES)
    return st.one_of(
        st.builds("({}).{}".format, inner, attributes),
        st.builds("{}.{}({})".format, names, attributes, inner),
        st.builds("({})({}, base_url={})".format, inner, inner, inner),
        st.builds("{}(*{}, **{})".format, names, inner, inner),
        st.builds("({}) + ({})".format, inner, inner),
        st.builds("({}) % ({})".format, inner, inner),
        st.builds("[{}, *{}]".format, inner, inner),
        st.builds("{{{}: {}, **{}}}".format, inner, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(b := {})".format, inner),
        st.builds("getattr({}, {})".format, inner, inner),
        st.builds("(lambda a={}: {})".format, inner, inner),
        st.builds("[{} for a in {}]".format, inner, inner),
        names.map(lambda name: f"f'{{{name}}}/v1'"),
    )


_expressions = st.recursive(_atoms, _grow, max_leaves=12)
_statements = st.one_of(
    _expressions,
    st.builds("{} = {}".format, st.sampled_from(_NAMES), _expressions),
    st.builds("self.b = {}".format, _expressions),
    st.builds("a, *b = {}".format, _expressions),
    st.builds("url += {}".format, _expressions),
    st.builds("for a, b in {}:\n    x = a".format, _expressions),
    st.builds("def a(url={}):\n    global b\n    return {}".format, _expressions, _expressions),
    st.builds("class a({}):\n    b = {}\n    def x(self): return self.b".format, _expressions, _expressions),
    st.builds("with {} as a:\n    pass  # direct-call: allow (x".format, _expressions),
    st.sampled_from(
        ["import openai as a", "from . import b", "from x import *", "import a.b", "# direct-call: allow (y)"]
    ),
)


@settings(max_examples=rounds(50, 3000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_statements, max_size=6).map("\n".join))
def test_any_program_gives_facts(source: str) -> None:
    data = source.encode()
    facts = facts_of(data, WORDS)
    assert from_json(facts.to_json()) == facts
    count = source.count("\n") + 1
    for site in facts.sites:
        assert site.rule in RULES
        assert 1 <= site.first <= site.line <= max(site.last, site.line) <= count + 1
        assert site.column >= 1
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        assert [site.rule for site in facts.sites] == ["unparseable"]


@settings(max_examples=rounds(50, 3000), deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_any_bytes_give_facts(data: bytes) -> None:
    facts = facts_of(b"# direct-call: allow (x)\n" + data, WORDS)
    assert from_json(facts.to_json()) == facts


@settings(max_examples=rounds(100, 3000), deadline=None)
@given(st.text(max_size=100))
def test_any_text_can_be_looked_up(text: str) -> None:
    WORDS.provider_of_module(text)
    WORDS.provider_of_url(text)
    WORDS.provider_of_host(text)
