"""What is impossible in a set-up is said at once: by its own name, with the nearest valid spelling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import AuthenticationFailed, ConnectionFailed, InvalidRequest, ModelUnavailable, UnknownProvider
from src.models.model_factory import PROVIDERS, ModelFactory, Provider
from src.models.retry import RetryPolicy
from src.models.types import Timeouts
from tests.servers import Server, chat_reply, error_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

KEY = "sk-test-0123456789"
ADDRESSES = [row for row in PROVIDERS.values() if row.base_url and row.name != "ollama"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-4o", "'openai', 'gpt-4o'"),
        ("gpt-9-turbo", "'openai', 'gpt-9-turbo'"),
        ("opnai", "'openai'"),
        ("opnai:gpt-4o", "'openai', 'gpt-4o'"),
        ("anthropic", "'claude'"),
        ("anthropic:claude-opus-4-5", "'claude', 'claude-opus-4-5'"),
        ("claude-haiku-4-5", "'claude', 'claude-haiku-4-5'"),
        ("openai/gpt-4o", "'openai', 'gpt-4o'"),
        ("google", "'gemini'"),
        ("gemini-2.5-pro", "'gemini', 'gemini-2.5-pro'"),
        ("grok-4", "'xai', 'grok-4'"),
        ("deepseek-chat", "'deepseek', 'deepseek-chat'"),
        ("llama3.2", "'ollama', 'llama3.2'"),
        ("lcoal", "'local'"),
    ],
)
def test_what_is_no_provider_is_answered_with_what_is_meant(name: str, meant: str) -> None:
    with pytest.raises(UnknownProvider) as raised:
        ModelFactory.get_model(name)
    assert f"Did you mean get_model({meant})?" in str(raised.value)
    with pytest.raises(UnknownProvider, match="Did you mean"):
        ModelFactory.get_model("local", fallbacks=[name])


@pytest.mark.parametrize("name", ["xyzzy", "", "::", "/", "None"])
def test_nothing_is_suggested_where_nothing_is_like_it(name: str) -> None:
    with pytest.raises(UnknownProvider) as raised:
        ModelFactory.get_model(name)
    assert "Did you mean" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense", "must begin with https:// or http://"),
        ("api.openai.com/v1", "Did you mean https://api.openai.com/v1?"),
        ("localhost:8000/v1", "Did you mean http://localhost:8000/v1?"),
        ("http:/127.0.0.1:8000", "Did you mean http://127.0.0.1:8000?"),
        ('"https://api.test/v1"', "Did you mean https://api.test/v1?"),
        ("https://a\u200bpi.test", "zero width space"),
        ("ftp://a.test", "must begin with https:// or http://"),
        ("https://", "names no host"),
        ("https://ho st", "holds a space"),
        ("https://host:port", "port that is no number"),
        ("https://[::1", "names no host"),
        ("user:pass-4711@api.test/v1", "https://api.test/v1"),
    ],
)
def test_an_impossible_address_is_said_at_once(
    address: str, words: str, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    for row in ADDRESSES:
        monkeypatch.setenv(str(row.base_url), address)
        model = ModelFactory.get_model(row.name, "m", api_key=KEY)
        assert not model
        with pytest.raises(ModelUnavailable) as raised:
            model.generate_response(None, "hi")
        assert str(row.base_url) in str(raised.value)
        assert words in str(raised.value)
        assert "4711" not in str(raised.value)
        assert raised.value.attempts == 1
        assert b"pass-4711" not in spool.trace(str(raised.value.trace_id))[0].span
    assert "base_url is " in str(_failure(ModelFactory.get_model("openai", api_key=KEY, base_url=address)))


@pytest.mark.parametrize(
    "address",
    [
        "sk-proj-4711zQwErTy23456789abcdefGHIJKL",
        "aq9w8e7r6t5y4711u4i3o2p1l0k9j8h7",
        "https://api .test/v1?key=4711",
        "api.test/v1?key=4711",
        "https://api.test/v1?key=4711",
        "https://api.test/v1#4711",
        "https://host:port/v1#4711",
    ],
)
def test_a_key_in_an_impossible_address_is_not_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    error = _failure(ModelFactory.get_model("openai", "m", api_key=KEY))
    assert "OPENAI_BASE_URL is " in str(error)
    assert "4711" not in f"{error}{error!r}"


def test_the_address_of_a_users_own_row_is_checked() -> None:
    ModelFactory.register(Provider(name="mine", url="mine.test/v1", needs_key=False, default_model="m"))
    assert "The url of the provider mine" in str(_failure(ModelFactory.get_model("mine")))


@pytest.mark.parametrize(
    ("name", "address", "base"),
    [
        ("openai", "https://gateway.test/v1/chat/completions", "https://gateway.test/v1"),
        ("openai", "https://gateway.test/v1/responses/", "https://gateway.test/v1"),
        ("groq", "https://gateway.test/openai/v1/Chat/Completions", "https://gateway.test/openai/v1"),
        ("claude", "https://gateway.test/v1/messages", "https://gateway.test"),
        ("ollama", "http://127.0.0.1:11434/api/chat", "http://127.0.0.1:11434"),
        (
            "gemini",
            "https://gateway.test/v1beta/models/gemini-2.5-flash:generateContent",
            "https://gateway.test",
        ),
    ],
)
def test_the_address_of_an_endpoint_is_refused_with_its_base(name: str, address: str, base: str) -> None:
    message = str(_failure(ModelFactory.get_model(name, "m", api_key=KEY, base_url=address)))
    assert f"base_url is '{address}', the address of one endpoint" in message
    assert f"Give '{base}'." in message
    assert ModelFactory.get_model(name, "m", api_key=KEY, base_url=base).is_available()


def test_the_endpoint_of_a_users_own_row_is_refused() -> None:
    row = Provider(name="mine", url="https://mine.test/v1/chat/completions", needs_key=False, default_model="m")
    ModelFactory.register(row)
    assert "Give 'https://mine.test/v1'" in str(_failure(ModelFactory.get_model("mine")))


def test_ollamas_address_needs_no_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("127.0.0.1", "127.0.0.1:9", "localhost:9", ":9", "[::1]:9", "0.0.0.0"):  # noqa: S104 - a client's
        assert ModelFactory.get_model("ollama", base_url=address)
    monkeypatch.setenv("OLLAMA_HOST", "http://host:port")
    assert "OLLAMA_HOST" in str(_failure(ModelFactory.get_model("ollama")))


def _failure(model: Any) -> Exception:
    with pytest.raises(ModelUnavailable) as raised:
        model.generate_response(None, "hi")
    return raised.value


@pytest.mark.parametrize("name", ["openai", "claude", "groq", "gemini", "ollama"])
def test_a_refused_connection_names_address_and_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(str(PROVIDERS[name].base_url), "http://127.0.0.1:9")
    model = ModelFactory.get_model(name, "m", api_key=KEY, retry_policy=RetryPolicy(max_attempts=1))
    with pytest.raises(ConnectionFailed) as raised:
        model.generate_response(None, "hi")
    assert "http://127.0.0.1:9 cannot be reached" in str(raised.value)
    assert str(raised.value).count(str(PROVIDERS[name].base_url)) == 1


def test_a_host_that_does_not_exist_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectionFailed, match=r"https://nowhere\.invalid cannot be reached") as raised:
        ModelFactory.get_model("openai", api_key=KEY, base_url="https://nowhere.invalid/v1").generate_response(
            None, "hi"
        )
    assert raised.value.attempts == 1


@pytest.mark.parametrize(
    ("settings", "parameter", "words"),
    [
        ({"timeout": 3}, "timeout", "Did you mean timeouts?"),
        ({"retry_polcy": RetryPolicy()}, "retry_polcy", "Did you mean retry_policy?"),
        ({"temperature": 1}, "temperature", "belong to the call"),
        ({"timeouts": 3}, "timeouts", "Timeouts("),
        ({"timeouts": Timeouts(total=0)}, "timeouts.total", "above 0"),
        ({"timeouts": Timeouts(read=math.nan)}, "timeouts.read", "not a number"),
        ({"retry_policy": 3}, "retry_policy", "RetryPolicy("),
        ({"limit": 60}, "limit", "60rpm"),
        ({"limit": "60"}, "limit", "60rpm"),
        ({"api_key": b"sk"}, "api_key", "text"),
        ({"api": "chatt"}, "api", "responses"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], parameter: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ModelFactory.get_model("openai", **{"api_key": KEY, **settings})
    assert raised.value.parameter == parameter
    assert words in str(raised.value)


@pytest.mark.parametrize("name", ["max_attempts", "first_wait_s", "longest_wait_s", "retry_after_cap_s"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "3", True])
def test_a_wrong_bound_of_retries_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=name):
        RetryPolicy(**{name: value})


def test_a_wrong_limit_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_LIMIT_OPENAI", "fast")
    with pytest.raises(InvalidRequest, match="MOONDEV_LIMIT_OPENAI is 'fast'"):
        ModelFactory.get_model("openai", api_key=KEY)


@pytest.mark.parametrize("text", ["60rpm,30rpm", "60 rpm 1000tpm 60rpm"])
def test_a_limit_with_two_readings_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="limit is"):
        ModelFactory.get_model("openai", api_key=KEY, limit=text)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": math.nan}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": Timeouts(connect=-1)}, "timeout.connect"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"stop_sequences": 5}, "stop_sequences"),
        ({"temperature": "0.7"}, "temperature"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_an_impossible_option_is_named_as_the_caller_names_it(options: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ModelFactory.get_model("openai", api_key=KEY).generate_response(None, "hi", **options)
    assert raised.value.parameter == name
    assert f": {name} is " in str(raised.value)


def test_a_key_or_address_that_changes_later_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("openai", "claude", "gemini", "ollama"):
        row = PROVIDERS[name]
        monkeypatch.setenv(row.keys[0], f"{KEY}-old")
        with Server(lambda _: error_reply(401, "no such key")) as server:
            monkeypatch.setenv(str(row.base_url), server.url)
            model = ModelFactory.get_model(name, "m")
            for value in (f"{KEY}-new", f"{KEY}-new", f"{KEY}-newest"):
                monkeypatch.setenv(row.keys[0], value)
                with pytest.raises(AuthenticationFailed, match=f"{row.keys[0]} has changed"):
                    model.generate_response(None, "hi")
            assert caplog.text.count(f"{row.keys[0]} has changed since") == 2
            assert ModelFactory.get_model(name, "m") is not model
            monkeypatch.setenv(str(row.base_url), "http://127.0.0.1:9")
            with pytest.raises(AuthenticationFailed):
                model.generate_response(None, "hi")
            assert f"{row.base_url} has changed since" in caplog.text
    assert KEY not in caplog.text


def test_what_has_not_changed_is_not_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with Server(lambda _: chat_reply("hi")) as server:
        monkeypatch.setenv("OPENAI_KEY", f" {KEY} ")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1 ")
        model = ModelFactory.get_model("openai")
        model.generate_response(None, "hi")
        monkeypatch.delenv("OPENAI_KEY")
        model.generate_response(None, "hi")
    assert "has changed" not in caplog.text
