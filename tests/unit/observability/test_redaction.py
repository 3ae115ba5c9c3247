"""Redaction of any value: keys decide, nothing leaks, nothing is changed in place, nothing raises."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import subprocess
import sys
from collections import OrderedDict, UserList, deque, namedtuple
from collections.abc import Iterator, Mapping
from types import SimpleNamespace

import pydantic
import pytest

from src.observability.redaction import Redactor, configure, redact, redact_text, redactor, refresh, texts
from src.observability.redaction.judging import checks
from tests.unit.observability.secret_samples import ALNUM, HEX, base58, chars, ed25519_pair, jwt, pem, phrase


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    configure()
    yield
    configure()


def key(seed: int = 0) -> str:
    return "sk-" + "proj-" + chars(random.Random(seed), ALNUM, 60)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api_key", "api_key"),
        ("apiKey", "api_key"),
        ("X-API-Key", "api_key"),
        ("OPENAI_KEY", "api_key"),
        ("openaiApiKey", "api_key"),
        ("secret", "secret"),
        ("client_secret", "secret"),
        ("binance_secret_key", "secret"),
        ("password", "password"),
        ("DB_PASSWORD_2", "password"),
        ("private_key", "private_key"),
        ("privateKey", "private_key"),
        ("walletSecret", "private_key"),
        ("seed_phrase", "seed_phrase"),
        ("recoveryPhrase", "seed_phrase"),
        ("mnemonic", "seed_phrase"),
        ("Authorization", "authorization"),
        ("access_token", "token"),
        ("refreshToken", "token"),
        ("Cookie", "cookie"),
        ("credentials", "credentials"),
    ],
)
@pytest.mark.parametrize("value", ["x", "two words", 12345678, [1, 2], {"a": "b"}, ("x",), 1.5])
def test_replaces_any_value_under_a_deciding_key(name: str, kind: str, value: object) -> None:
    assert redact({name: value}) == {name: f"[REDACTED:{kind}]"}


@pytest.mark.parametrize("value", [None, "", False, True, [], {}])
def test_keeps_what_holds_nothing_under_a_deciding_key(value: object) -> None:
    assert redact({"api_key": value}) == {"api_key": value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 1000),
        ("prompt_tokens", "12"),
        ("tokens", ["BTC"]),
        ("token", "BTC"),
        ("token", "SOL/USDT"),
        ("token", "dogwifhat"),
        ("token", "Wrapped Ether"),
        ("token", 17),
        ("token_address", "0x" + "ab" * 20),
        ("tokenSymbol", "BONK"),
        ("key", "close"),
        ("key", "BTC-USD-15m"),
        ("cache_key", "a1b2c3d4e5f6a7b8c9d0"),
        ("public_key", "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"),
        ("password_policy", "twelve characters"),
        ("secret_name", "db"),
        ("author", "Moon Dev"),
        ("monkey", "see"),
        ("seed", 42),
        ("WIF", 2.31),
        ("WIF", "dogwifhat"),
        ("passed", "12"),
    ],
)
def test_keeps_harmless_keys(name: str, value: object) -> None:
    assert redact({name: value}) == {name: value}
    assert redact_text(json.dumps({name: value})) == json.dumps({name: value})


def test_a_token_that_looks_generated_is_replaced() -> None:
    value = chars(random.Random(3), ALNUM, 24) + "7"
    assert redact({"token": value, "key": value}) == {"token": "[REDACTED:token]", "key": "[REDACTED:key]"}


def test_a_value_is_named_by_its_own_shape_where_it_has_one() -> None:
    assert redact({"api_key": key()}) == {"api_key": "[REDACTED:openai_key]"}
    assert redact_text(f"OPENAI_KEY={key()}") == "OPENAI_KEY=[REDACTED:openai_key]"


def test_keeps_types_and_never_changes_its_argument() -> None:
    point = namedtuple("point", "name value")
    value = {
        "a": [key(), {"password": "x"}],
        "t": (key(), 1),
        "p": point("n", key()),
        "b": key().encode(),
        "s": {key()},
    }
    value["o"] = OrderedDict(api_key="x")
    before = copy.deepcopy(value)
    clean = redact(value)
    assert value == before
    hidden = "[REDACTED:openai_key]"
    assert clean == {
        "a": [hidden, {"password": "[REDACTED:password]"}],
        "t": (hidden, 1),
        "p": point("n", hidden),
        "b": hidden.encode(),
        "s": {hidden},
        "o": {"api_key": "[REDACTED:api_key]"},
    }
    assert isinstance(clean["p"], point)


def test_secrets_in_keys_are_replaced_and_no_entry_is_lost() -> None:
    clean = redact({key(1): 1, key(2): 2})
    assert sorted(clean.values()) == [1, 2]
    assert key(1) not in str(clean)
    assert key(2) not in str(clean)


def test_scalars_and_unknown_objects_pass() -> None:
    marker = object()
    for value in (1, 2.5, None, True, marker):
        assert redact(value) is value


def test_binary_bytes_are_replaced_and_text_bytes_kept() -> None:
    assert redact(b"\xff\xfe\x00") == b"[REDACTED:binary]"
    assert redact(b"plain") == b"plain"


def test_named_pairs_decide_as_keys_do() -> None:
    assert redact([{"name": "X-Api-Key", "value": "hunter2"}]) == [{"name": "X-Api-Key", "value": "[REDACTED:api_key]"}]
    assert redact(("Authorization", "abc")) == ("Authorization", "[REDACTED:authorization]")


def test_headers_as_pairs_of_any_kind_decide_as_keys_do() -> None:
    hidden = "[REDACTED:api_key]"
    assert redact([["X-Api-Key", "hunter2"], ["Accept", "*/*"]]) == [["X-Api-Key", hidden], ["Accept", "*/*"]]
    assert redact({"headers": (["X-Api-Key", "hunter2"],)}) == {"headers": (["X-Api-Key", hidden],)}
    assert redact([(b"X-Api-Key", b"hunter2"), (b"Accept", b"*/*")]) == [
        (b"X-Api-Key", hidden.encode()), (b"Accept", b"*/*"),
    ]  # fmt: skip
    assert redact({("binance", "api_key"): "hunter2", ("BTC", "close"): 1.5}) == {
        ("binance", "api_key"): hidden, ("BTC", "close"): 1.5,
    }  # fmt: skip
    assert redact({"required": ["api_key", "symbol"]}) == {"required": ["api_key", "symbol"]}


def test_lists_that_are_one_secret_are_replaced() -> None:
    rng = random.Random(5)
    value: object = list(ed25519_pair(rng))
    assert redact(value) == "[REDACTED:solana_private_key]"
    words: object = phrase(12)(rng).split()
    assert redact({"words": words}) == {"words": "[REDACTED:seed_phrase]"}


def test_a_schema_of_a_secret_field_is_kept() -> None:
    schema = {"properties": {"api_key": {"type": "string", "description": "the key"}}, "required": ["api_key"]}
    assert redact(schema) == schema
    assert redact_text(json.dumps(schema)) == json.dumps(schema)


def test_depth_cycles_and_size_are_bounded() -> None:
    deep: object = key()
    for _ in range(500):
        deep = [deep]
    assert key() not in repr(redact(deep))
    cycle: list[object] = [key()]
    cycle.append(cycle)
    assert redact(cycle) == ["[REDACTED:openai_key]", "[REDACTED:too_deep]"]


class _Hostile(Mapping[str, str]):
    def __getitem__(self, name: str) -> str:
        raise RuntimeError(name)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


def test_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile: object = _Hostile()
    assert redact(hostile) == "[REDACTED:redaction_failed]"
    monkeypatch.setattr(texts, "_redact_once", lambda *_: 1 // 0)
    assert redact_text("an ordinary text") == "[REDACTED:redaction_failed]"
    assert redact({"a": "an ordinary text"}) == {"a": "[REDACTED:redaction_failed]"}


def test_hex_of_64_is_decided_by_the_words_near_it() -> None:
    value = chars(random.Random(2), HEX, 64)
    for lead in (
        "private key 0x",
        "the secret ",
        "signing key: ",
        "wallet key = 0x",
        '"pk": "',
        "hash of the private key ",
    ):
        assert value not in redact_text(f"{lead}{value}"), lead
    for lead in ("tx 0x", "hash ", "block 0x", "sha256:", "signature of transaction ", "public key ", "see ", "txid="):
        assert redact_text(f"{lead}{value}") == f"{lead}{value}"
    assert value not in redact_text(f"0x{value} is my private key")
    strict = Redactor(strict=True)
    assert strict.text(f"see 0x{value}") == "see [REDACTED:private_key]"
    assert strict.text(f"tx 0x{value}") == f"tx 0x{value}"
    assert strict.value({"tx_hash": f"0x{value}", "note": f"0x{value}"}) == {
        "tx_hash": f"0x{value}",
        "note": "[REDACTED:private_key]",
    }


def test_every_key_of_a_list_is_replaced() -> None:
    keys = [f"0x{chars(random.Random(seed), HEX, 64)}" for seed in range(30)]
    for separator in ("\n", ", ", '", "', "\\n"):
        clean = redact_text("private keys: " + separator.join(keys) + " end")
        assert clean.count("[REDACTED:private_key]") == 30
        assert clean.endswith(" end")
        assert redact_text("txs: " + separator.join(keys)) == "txs: " + separator.join(keys)


def test_strict_and_personal_data_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    value = f"0x{chars(random.Random(2), HEX, 64)}"
    address = "0x" + "ab" * 20
    text = f"see {value}, me@example.com, +49 30 1234567, 4111 1111 1111 1111, {address}"
    assert redact_text(text) == text
    monkeypatch.setenv("MOONDEV_REDACT", "strict")
    monkeypatch.setenv("MOONDEV_REDACT_PII", "email,phone,card,wallet")
    kinds = ["private_key", "email", "phone", "card", "wallet"]
    assert redact_text(text) == "see " + ", ".join(f"[REDACTED:{kind}]" for kind in kinds)


def test_a_solana_key_is_told_from_a_signature_by_its_checksum() -> None:
    rng = random.Random(11)
    pair, signature = base58(ed25519_pair(rng)), base58(rng.randbytes(64))
    assert redact_text(f"a {pair} b {signature}") == f"a [REDACTED:solana_private_key] b {signature}"
    numbers = [rng.randrange(256) for _ in range(64)]
    assert redact_text(f"{numbers}") == f"{numbers}"
    assert redact_text(f"secret key {numbers[:32]}") == "secret key [REDACTED:solana_private_key]"


def test_without_a_curve_library_words_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_ed25519_public", lambda: None)
    pair = base58(ed25519_pair(random.Random(11)))
    assert pair not in redact_text(f"private key {pair}")
    assert redact_text(f"signature {pair}") == f"signature {pair}"


def test_json_stays_json() -> None:
    value = {
        "api_key": 12345678,
        "private_key": list(ed25519_pair(random.Random(1))),
        "secret": {"a": ["b", {"c": 1}]},
        "password": 'quo"te\\d',
        "note": f"use {key()}\nand {jwt(random.Random(1))}",
        "keep": [1, "two", None],
    }
    for text in (json.dumps(value), json.dumps(value, indent=2), json.dumps(value, separators=(",", ":"))):
        clean = json.loads(redact_text(text))
        assert clean["keep"] == [1, "two", None]
        assert clean["secret"] == "[REDACTED:secret]"
        assert clean["password"] == "[REDACTED:password]"
        nested = json.loads(redact_text(json.dumps({"inner": text})))
        assert json.loads(nested["inner"]) == clean


def test_a_pem_key_is_replaced_whole_and_the_text_after_it_kept() -> None:
    block = pem("RSA " + "PRIVATE KEY", 8)(random.Random(1))
    assert redact_text(f"a\n{block}\nafter it") == "a\n[REDACTED:private_key]\nafter it"


def test_a_text_with_too_many_candidates_is_cut() -> None:
    text = "\n".join(f"api_key=abc{number}def" for number in range(40_000))
    clean = redact_text(text)
    assert clean.endswith("[REDACTED:too_many_candidates]")
    assert "abc39999def" not in clean
    assert redact_text(clean) == clean


def test_importing_compiles_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; before = set(sys.modules); import src.observability.redaction; "
        "print([m for m in ('cryptography', 'mnemonic', 'hyperscan') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_default_is_built_on_first_use() -> None:
    refresh()
    assert redactor._current is None
    redact_text("hello there")
    assert redactor._current is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    name: str
    api_key: str


class Order(pydantic.BaseModel):
    note: str
    password: str = ""


class Client:
    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        return f"Client({self.shown})"


def cleared(value: object) -> object:
    return redact(value)


def test_objects_that_show_a_secret_are_replaced_by_what_is_left_of_them() -> None:
    hidden = "[REDACTED:openai_key]"
    assert cleared(Account("desk", "x")) == {"name": "desk", "api_key": "[REDACTED:api_key]"}
    assert cleared(Order(note=key(), password="x")) == {"note": hidden, "password": "[REDACTED:password]"}
    assert cleared(SimpleNamespace(secret_key="x", n=1)) == {"secret_key": "[REDACTED:secret]", "n": 1}
    assert cleared([deque([key()]), {"a": key()}.values(), UserList([key()])]) == [[hidden], [hidden], [hidden]]
    assert cleared(ValueError(f"bad {key()}")) == f"ValueError('bad {hidden}')"
    assert cleared({"client": Client(key())}) == {"client": f"Client({hidden})"}


def test_objects_that_show_no_secret_stay_what_they_are() -> None:
    for value in (Account("desk", ""), Order(note="buy"), deque(["buy"]), ValueError("no"), Client("ready"), range(3)):
        assert redact(value) is value


def test_arguments_are_judged_by_the_flags_before_them() -> None:
    assert redact(["bot", "--password", "hunter2x", "--symbol", "BTC"]) == [
        "bot",
        "--password",
        "[REDACTED:password]",
        "--symbol",
        "BTC",
    ]


def test_a_prefix_that_no_text_contains_needs_nothing_random_before_it() -> None:
    token = f"gqdIkicLsarv0l.atlasv1.{'BZNHrK4dmtb8m4yCR_S9' * 3}"  # what stands first reads as a word here
    assert redact_text(f"use `{token}` now") == "use `[REDACTED:terraform_token]` now"
