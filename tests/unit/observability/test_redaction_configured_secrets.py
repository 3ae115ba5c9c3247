"""Our own secrets, from the environment or from a program, are replaced in every form wherever they occur."""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from src.models import ModelFactory
from src.observability.redaction import configure, redact, redact_text, refresh
from tests.unit.observability.secret_samples import base58

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "Zq8-own/secret+value=7"


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    configure()
    yield
    configure()


@pytest.mark.parametrize(
    "name",
    [
        *("ANTHROPIC_KEY", "ANTHROPIC_API_KEY", "OPENAI_KEY", "OPENAI_API_KEY", "DEEPSEEK_KEY", "DEEPSEEK_API_KEY"),
        *("GROQ_API_KEY", "GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GROK_API_KEY", "XAI_API_KEY"),
        *("OPENROUTER_API_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_PUBLIC_KEY", "SOLANA_PRIVATE_KEY", "MY_PASSWORD"),
        *("BIRDEYE_API_KEY", "WALLET_MNEMONIC", "TELEGRAM_TOKEN", "HYPER_LIQUID_ETH_PRIVATE_KEY", "MOONDEV_API_KEY"),
    ],
)
def test_own_secrets_are_found_in_every_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, OURS)
    forms = [OURS, json.dumps(OURS), json.dumps(json.dumps(OURS)), urllib.parse.quote(OURS, safe="")]
    forms += [base64.b64encode((lead + OURS + "tail").encode()).decode() for lead in ("", "a", "ab", "user:")]
    for form in forms:
        clean = redact_text(f"before {form} after")
        assert "[REDACTED:" in clean
        assert form not in clean
        assert clean.startswith("before ")
        assert clean.endswith(" after")


def test_own_secrets_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"it is {OURS}!"
    assert redact_text(text) == text
    monkeypatch.setenv("OPENAI_KEY", OURS)
    assert redact_text(text) == "it is [REDACTED:configured_secret]!"
    monkeypatch.setenv("OPENAI_KEY", "another-value-x1")
    assert redact_text(text) == text
    monkeypatch.delenv("OPENAI_KEY")
    refresh()
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        "test",
        "changeme",
        "none",
        "short",
        "xxxxxxxxxxxx",
        "12345678",
        "REDACTED",
        "your_api_key_here",
        "your-api-key",
        "no-key-needed",
    ],
)
def test_trivial_values_of_own_secrets_are_not_looked_for(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", value)
    assert redact_text(f"we {value} it") == f"we {value} it"


def test_only_secret_addresses_of_nodes_count_as_own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPC_ENDPOINT", "https://api.mainnet-beta.solana.com")
    assert redact_text("via https://api.mainnet-beta.solana.com now") == "via https://api.mainnet-beta.solana.com now"
    monkeypatch.setenv("RPC_ENDPOINT", "https://node.example.com/9f8e7d6c5b4a39281706")
    assert "9f8e7d6c5b4a39281706" not in redact_text("key part 9f8e7d6c5b4a39281706 alone")


def test_configure_adds_secrets_and_returns_the_redactor() -> None:
    redactor = configure(secrets=[OURS], strict=True, pii=["email"])
    assert (redactor.strict, redactor.pii) == (True, frozenset({"email"}))
    assert OURS not in repr(redactor)
    assert redact_text(f"a {OURS} b me@example.com") == "a [REDACTED:configured_secret] b [REDACTED:email]"


def test_a_key_that_a_model_is_handed_is_hidden_from_then_on() -> None:
    secret = "odd/one=42"
    assert redact_text(f"it is {secret}") == f"it is {secret}"
    ModelFactory.get_model("openai", "gpt-4o", api_key=secret)
    assert redact_text(f"it is {secret}") == "it is [REDACTED:configured_secret]"
    configure(strict=True)
    assert redact_text(f"it is {secret}") == "it is [REDACTED:configured_secret]"


def test_variables_that_may_name_a_market_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "1000PEPE")
    monkeypatch.setenv("MONITORED_TOKEN", base58(bytes(range(1, 33))))
    text = f"buy 1000PEPE and {base58(bytes(range(1, 33)))}"
    assert redact_text(text) == text
    monkeypatch.setenv("DB_PASSWORD", "hun7er")
    assert redact_text("log in with hun7er") == "log in with [REDACTED:configured_secret]"


def test_own_keys_in_hex_are_found_in_capitals_and_without_0x(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = "ab12" * 16
    monkeypatch.setenv("HYPER_LIQUID_ETH_PRIVATE_KEY", f"0x{digits}")
    for form in (digits, digits.upper(), f"0x{digits.upper()}"):
        assert form not in redact_text(f"tx hash {form}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PWD", "/home/bob/trading-bot"),
        ("OLDPWD", "/home/bob/projects"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/bob/keys/gcp.json"),
        ("SSH_KEY", "/home/bob/.ssh/id_ed25519"),
        ("PRIVATE_KEY", "./keys/solana.json"),
        ("WALLET_KEY", "~/wallets/main.json"),
        ("TLS_KEY", r"C:\Users\bob\server.pem"),
        ("OPENAI_KEY", "/run/secrets/openai-key"),
        ("MODEL_KEY", "gpt-4o-mini"),
        ("LLM_KEY", "claude-sonnet-4-5"),
        ("AUTH_HEADER", "Authorization"),
        ("OPENAI_API_KEY", "lm-studio"),
        ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
    ],
)
def test_paths_names_of_models_and_fingerprints_are_no_secrets(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    text = f"{value} is used here, and {value} there."
    assert redact(text) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "/hunter2/of/mine"),
        ("API_KEY", "/9j4AAQSkZJRgABAQ3xW7pLm2Qv8"),
        ("MODEL_KEY", "mk_8fJ2kLmQ93xWvT71bN"),
        ("APP_KEY", "base64:aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="),
        ("GOOGLE_APPLICATION_CREDENTIALS", '{"private_key_id": "8fJ2kLmQ93xWvT71bN"}'),
    ],
)
def test_what_only_looks_a_little_like_a_path_or_a_name_stays_secret(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert value not in redact(f"it says {value} here")


@pytest.mark.parametrize(
    "line", ["PWD=/home/bob/trading-bot", "GOOGLE_APPLICATION_CREDENTIALS=/home/bob/keys/gcp.json"]
)
def test_the_path_of_a_key_is_kept_in_texts_too(line: str) -> None:
    name, _, value = line.partition("=")
    assert redact(line) == line
    assert redact({name: value}) == {name: value}
