"""Both engines return the same text, redaction is idempotent, and hostile texts end."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.observability.redaction import Redactor, redact
from src.observability.redaction.engine.engines import SPELLED, SPELLED_NEARBY, fast_engine, plain_engine
from src.observability.redaction.rules.gates import gates
from src.observability.redaction.rules.prefixes import TOKENS
from tests.long import rounds
from tests.unit.observability.secret_samples import BASE58, ENGINES, KEYED_SECRETS, SHAPED_SECRETS
from tests.unit.observability.test_redaction_ordinary import ordinary_texts

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

PLAIN = Redactor(engine="plain")
needs_fast = pytest.mark.skipif(fast_engine() is None, reason="hyperscan is not installed")

_PIECES = [
    *(
        "api_key",
        "password",
        "token",
        "private key",
        "seed phrase",
        "tx hash",
        "Authorization: ",
        "Bearer ",
        "Basic ",
        "=",
        ":",
    ),
    *(
        ": ",
        " is ",
        '"',
        "'",
        '\\"',
        "\\n",
        "\\u0022",
        ",",
        ")",
        "]",
        "[",
        "{",
        "}",
        "://",
        "@",
        "?key=",
        "&",
        "%22",
        " ",
        "\n",
    ),
    *(
        "sk-",
        "xai-",
        "eyJ",
        "AKIA",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "[REDACTED:x]",
        "[REDACTED:",
        "é",
    ),
    *(
        "abandon " * 11 + "about",
        "abandon, " * 5 + "abandon\u3000" * 6 + "about",
        "%2F",
        "%3A%2F%2F",
        "\\u00e9",
        "\x1b[31m",
    ),
    *("abandon ", "about ", "1. ", "12, ", "0x", "--secret ", "<password>", "\\", "🚀", "\ud800", "\0"),
]


def _secret(seed: int) -> str:
    rng = random.Random(seed)
    return rng.choice([*SHAPED_SECRETS.values(), *(make for _, make in KEYED_SECRETS.values())])(rng)


pieces = st.one_of(
    st.sampled_from(_PIECES),
    st.integers(0, 10_000).map(_secret),
    st.text(max_size=20),
    st.text(alphabet=BASE58, min_size=16, max_size=90),
    st.text(alphabet="0123456789abcdef", min_size=30, max_size=66),
)
nasty_texts = st.lists(pieces, max_size=24).map("".join)


@needs_fast
@settings(max_examples=rounds(30, 2000), deadline=None)
@given(nasty_texts)
def test_engines_agree_and_redacting_twice_changes_nothing(text: str) -> None:
    clean = PLAIN.text(text)
    assert Redactor(engine="fast").text(text) == clean
    assert PLAIN.text(clean) == clean
    assert "redaction_failed" not in clean or "redaction_failed" in text


@needs_fast
def test_engines_agree_on_ordinary_texts() -> None:
    for text in ordinary_texts():
        assert Redactor(engine="fast").text(text) == PLAIN.text(text)


@needs_fast
@settings(max_examples=rounds(20, 1000), deadline=None)
@given(nasty_texts)
def test_engines_report_the_same_places(text: str) -> None:
    data = text.encode("ascii", "replace")
    fast = fast_engine()
    assert fast is not None
    views = SPELLED | SPELLED_NEARBY
    places = [[hit for hit in engine(data) if hit[1] not in views] for engine in (fast, plain_engine)]
    assert places[0] == places[1]
    spelled = [views.intersection(number for _, number in engine(data)) for engine in (fast, plain_engine)]
    assert spelled[0] == spelled[1]


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), nasty_texts, st.binary(max_size=30)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(
            st.one_of(st.text(max_size=12), st.sampled_from(["api_key", "token", "note", "value", "name"])), inner
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=rounds(20, 1000), deadline=None)
@given(values)
def test_redacting_any_value_twice_equals_once(value: object) -> None:
    clean = redact(value)
    assert redact(clean) == clean


@settings(max_examples=rounds(25, 1000), deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=3), st.text(max_size=40))
def test_json_with_secrets_stays_json(seeds: list[int], note: str) -> None:
    value = {"note": note, "items": [_secret(seed) for seed in seeds], "n": 1}
    assert json.loads(PLAIN.text(json.dumps(value)))["n"] == 1


def test_every_gate_begins_with_its_literals() -> None:
    for gate in gates():
        assert gate.token is None or gate.pattern.startswith(tuple(re.escape(literal) for literal in gate.literals))
    assert len({prefix for token in TOKENS for prefix in token.prefixes}) > 200


_RANDOM_KEY = random.Random(1).randbytes(1_000_000).translate(bytes(ord(BASE58[n % 58]) for n in range(256))).decode()
# Each is looked at where it stands, for ten microseconds and more.
_CANDIDATES = ["key=" * 250_000, "://" * 300_000, "eyJ" * 300_000]
_HOSTILE = [
    "a" * 1_000_000,
    "1" * 1_000_000,
    "{" * 1_000_000,
    "[" * 500_000,
    '"' * 500_000,
    "\\" * 500_000,
    "\n" * 500_000,
    *_CANDIDATES,
    "api_key='" * 100_000,
    '"api_key":{' * 90_000,
    "sk-" * 300_000,
    "-----BEGIN PRIVATE KEY-----" * 30_000,
    "[" + "1," * 400_000,
    "abandon " * 100_000,
    "bearer " * 100_000,
    "%22" * 300_000,
    _RANDOM_KEY,
    " ".join(_RANDOM_KEY[begin : begin + 87] for begin in range(0, 435_000, 87)),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", _HOSTILE, ids=lambda text: f"{text[:12]!r}")
def test_hostile_megabytes_end_and_stay_stable(text: str, engine: EngineName) -> None:
    """Megabytes in a long run; else what is left of them would still take minutes if time grew with its square."""
    redactor = Redactor(engine=engine)
    size = 10_000 if text in _CANDIDATES else 80_000 if engine == "fast" else 30_000
    clean = redactor.text(text[: rounds(size, len(text))])
    assert "redaction_failed" not in clean
    assert redactor.text(clean) == clean


def test_the_fast_engine_is_prepared_beside_the_first_calls() -> None:
    secret = SHAPED_SECRETS["groq"](random.Random(1))
    program = (
        "from src.observability.redaction.engine import preparation\n"
        "from src.observability.redaction import redact_text\n"
        f"print(preparation.prepared_engine(), redact_text('a {secret}'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None a [REDACTED:groq_key]"


FORK = """
import os, threading, time
from src.observability.redaction import redact_text
from src.observability.redaction.engine import engines, preparation
begun, original = threading.Event(), engines.fast_engine
def slow():
    begun.set()
    time.sleep({pause_s})  # the fork comes in the middle of this
    return original()
if {pause_s}:
    engines.fast_engine = slow
redact_text("the first text starts the preparation")
begun.wait(30 * bool({pause_s}))
child = os.fork()
if child == 0:
    for _ in range(3_000):
        if preparation.prepared_engine() is not None:
            os._exit(0 if redact_text("a {secret}") == "a [REDACTED:groq_key]" else 2)
        time.sleep(0.01)
    os._exit(1)
status = os.waitpid(child, 0)[1]  # the preparation has a child of its own, which tells the processor's kind
raise SystemExit(os.waitstatus_to_exitcode(status) or redact_text("a {secret}") != "a [REDACTED:groq_key]")
"""


@needs_fast
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("pause_s", [1.0, 0.0])
def test_a_child_that_is_forked_amid_the_preparation_gets_the_fast_engine(pause_s: float) -> None:
    program = FORK.format(secret=SHAPED_SECRETS["groq"](random.Random(1)), pause_s=pause_s)
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program]  # from Python 3.12 on
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


FORK_AMID_AN_IMPORT = """
import importlib.util, os, sys, threading, time
from src.observability.redaction.engine import preparation
begun = threading.Event()
{constants}
class Finder:
    def find_spec(self, name, *_):
        if name != "hyperscan" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        original = spec.loader.exec_module
        def execute(module):
            begun.set()
            {amid}
            original(module)
        spec.loader.exec_module = execute
        return spec
sys.meta_path.insert(0, Finder())
def fork():
    child = os.fork()
    if child == 0:
        for _ in range(6_000 * {is_prepared}):
            if preparation.prepared_engine() is not None:
                os._exit(0)
            time.sleep(0.01)
        os._exit({is_prepared})
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
{then}
"""


@needs_fast
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    "parts",
    [
        {"constants": "preparation._LOOK_EACH_S = 0.05", "amid": "time.sleep(0.4)", "is_prepared": 1,
         "then": "preparation.prepared_engine(); begun.wait(); fork()"},
        {"constants": "preparation._LOOK_EACH_S, preparation._LONGEST_WAIT_S = 0.05, 1_000",
         "amid": "preparation.prepared_engine(); time.sleep(0.4); fork()", "is_prepared": 0,
         "then": "import hyperscan"},
    ],
    ids=["an import takes long", "the preparation waits for the import of the thread that forks"],
)  # fmt: skip
def test_a_fork_amid_an_import(parts: dict[str, object]) -> None:
    program = FORK_AMID_AN_IMPORT.format(**parts)
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


def test_threads_share_an_engine() -> None:
    redactor = Redactor()
    results: list[str] = []
    secret = SHAPED_SECRETS["groq"](random.Random(1))

    def work() -> None:
        results.extend(redactor.text(f"{number} {secret}," * 20) for number in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 400
    assert not any(secret in text or "failed" in text for text in results)
