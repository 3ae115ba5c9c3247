from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from src.models import ModelFactory, errors
from src.models.failures import classify
from tests.servers import Server, chat_reply

E = errors


@pytest.mark.parametrize(
    ("status", "message", "more", "kind"),
    [
        # Providers' own messages, by status.
        (400, "Incorrect API key provided: xa***me.", {}, E.AuthenticationFailed),
        (400, "API key not valid. Please pass a valid API key.", {}, E.AuthenticationFailed),
        (400, "Your credit balance is too low to access the Anthropic API.", {}, E.QuotaExhausted),
        (400, "Billing hard limit has been reached", {"code": "billing_hard_limit_reached"}, E.QuotaExhausted),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", {}, E.ContextTooLong),
        (400, "This endpoint's maximum context length is 8192 tokens.", {}, E.ContextTooLong),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", {}, E.ContextTooLong),
        (400, "request (9031 tokens) exceeds the available context size (4096 tokens)", {}, E.ContextTooLong),
        (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
         {"param": "max_tokens"}, E.InvalidRequest),
        (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens", {}, E.InvalidRequest),
        (400, "Unsupported parameter: 'stop' is not supported with this model.", {"param": "stop"}, E.InvalidRequest),
        (400, "The model `mixtral` has been decommissioned", {"code": "model_decommissioned"}, E.ModelNotFound),
        (400, "nobody/nothing is not a valid model ID", {}, E.ModelNotFound),
        (400, "Invalid value for safety setting.", {"param": "safety_settings"}, E.InvalidRequest),
        (400, "The response was filtered due to the prompt triggering content management policy.",
         {"code": "content_filter"}, E.ContentBlocked),
        (400, "Failed to generate JSON.", {"code": "json_validate_failed"}, E.MalformedResponse),
        (401, "No auth credentials found", {}, E.AuthenticationFailed),
        (400, "The supported API model names are a-pro or a-flash, but you passed x.", {}, E.ModelNotFound),
        (400, "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
         "`context_window` for this model", {}, E.InvalidRequest),
        (400, "The total length of all messages is too long.", {}, E.ContextTooLong),
        (402, "Insufficient Balance", {}, E.QuotaExhausted),
        (403, "Your input was flagged by moderation", {}, E.ContentBlocked),
        (403, "Country, region, or territory not supported", {}, E.PermissionRefused),
        (403, "Your team has used all available credits or reached its monthly spending limit.", {}, E.QuotaExhausted),
        (404, "The model `x` does not exist", {}, E.ModelNotFound),
        (408, "Request timeout", {}, E.ModelTimeout),
        (413, "Request too large for model", {"code": "rate_limit_exceeded"}, E.ContextTooLong),
        (422, "Input should be a valid string", {}, E.InvalidRequest),
        (429, "You exceeded your current quota, please check your plan and billing details.",
         {"code": "insufficient_quota"}, E.QuotaExhausted),
        (429, "Rate limit reached for model on tokens per day (TPD): Limit 100000. Upgrade at "
         "https://console.groq.com/settings/billing", {"code": "rate_limit_exceeded"}, E.RateLimited),
        (429, "Provider returned error", {}, E.RateLimited),
        (498, "Flex tier capacity exceeded", {}, E.Overloaded),
        (500, "Internal", {}, E.ServerFailed),
        (500, "upstream said no", {"code": 429}, E.RateLimited),
        (502, "Bad gateway", {}, E.ServerFailed),
        (503, "no healthy upstream", {}, E.Overloaded),
        (504, "Gateway timeout", {}, E.ModelTimeout),
        (524, "A timeout occurred", {}, E.ServerFailed),
        (529, "Overloaded", {"type": "overloaded_error"}, E.Overloaded),
        (418, "I'm a teapot", {}, E.InvalidRequest),
        # Inside a stream that began with 200.
        (None, "Overloaded", {"type": "overloaded_error"}, E.Overloaded),
        (None, "Rate limit exceeded: free-models-per-min.", {}, E.RateLimited),
        (None, "Token limit reached", {"code": 400}, E.InvalidRequest),
        (None, "upstream broke", {"code": 502}, E.ServerFailed),
        (None, "something", {}, E.ServerFailed),
    ],
)  # fmt: skip
def test_a_status_and_its_words_give_one_error_class(
    status: int | None, message: str, more: dict[str, Any], kind: type[errors.ModelError]
) -> None:
    for body in ({"error": {"message": message, **more}}, {"message": message, **more}):
        error = classify.from_status(status, body)
        assert type(error) is kind
        assert error.message.split()[0] == message.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    "body",
    [None, "", "text", [], {}, {"error": "text"}, {"error": None}, {"error": ["x"]}, 7, [{"error": {"message": "m"}}]],
)
def test_any_body_gives_an_error(body: object) -> None:
    assert type(classify.from_status(500, body)) is errors.ServerFailed
    assert type(classify.from_status(None, body)) is errors.ServerFailed


@pytest.mark.parametrize(
    ("message", "more", "parameter"),
    [
        ("whatever", {"param": "messages[0].role"}, "messages[0].role"),
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", {}, "temperature"),
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", {}, "max_tokens"),
        ("Unrecognized request argument supplied: foo_bar", {}, "foo_bar"),
        ("temperature: Extra inputs are not permitted", {}, "temperature"),
        ("`top_k` is not supported", {}, "top_k"),
        ("reasoning_effort is not supported with this model", {}, "reasoning_effort"),
        ("Argument not supported on this model: presencePenalty", {}, "presencePenalty"),
        ("Model x does not support parameter presencePenalty.", {}, "presencePenalty"),
        ("Thinking mode does not support this tool_choice", {}, "tool_choice"),
        ("Invalid temperature value, the valid range of temperature is [0, 2]", {}, "temperature"),
        ("litellm.UnsupportedParamsError: x does not support parameters: ['foo']", {"param": "None"}, "foo"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'foo'), 'msg': 'Extra inputs are not permitted'}]", {}, "foo"),
        ('[{"code": "too_big", "path": ["temperature"], "message": "Number must be at most 2"}]', {}, "temperature"),
        ("temperature must be non-negative, got -1.0.", {}, "temperature"),
        ("'temperature' : value must be at most 2", {}, "temperature"),
        ("Unknown name \"foo\" at 'generation_config': Cannot find field.", {}, "foo"),
        ({"detail": [{"loc": ["body", "temperature"], "msg": "too large"}]}, {}, "temperature"),
        ("Argument not supported: \"frequency_penalty\"", {}, "frequency_penalty"),
        # Messages of Gemini, Groq, xAI, DeepSeek and Ollama.
        ("Invalid JSON payload received. Unknown name \"foo\" at 'generation_config': Cannot find field.", {}, "foo"),
        ("* GenerateContentRequest.generation_config.top_k: must be positive", {}, "generation_config.top_k"),
        ("Thinking level is not supported for this model.", {}, "thinking_level"),
        ("'messages.0' : for 'role:system' the following must be satisfied", {}, "messages.0"),
        ("`reasoning_effort` must be one of `none` or `default`", {}, "reasoning_effort"),
        ("Argument not supported on this model: stop", {}, "stop"),
        ("Model grok-4 does not support parameter reasoningEffort.", {}, "reasoningEffort"),
        ("Failed to deserialize the JSON body into the target type: seed: invalid type: string", {}, "seed"),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", {}, "max_tokens"),
        ("think value \"max\" is not supported for this model", {}, "think"),
        ("no idea", {}, None),
    ],
)  # fmt: skip
def test_the_refused_parameter_is_named(message: Any, more: dict[str, Any], parameter: str | None) -> None:
    assert classify.from_status(400, {"error": {"message": message, **more}}).parameter == parameter


def test_the_error_of_the_provider_behind_a_router_is_shown() -> None:
    upstream = {"error": {"message": "Too high: 'top_p' is not supported here.", "param": "top_p", "code": None}}
    detail = {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps(upstream)}}
    error = classify.from_status(400, {"error": detail})
    assert (type(error), error.parameter) == (E.InvalidRequest, "top_p")
    assert error.message == "Provider returned error: Too high: 'top_p' is not supported here."
    upstream["error"] |= {"message": "Too long.", "param": None, "code": "context_length_exceeded"}
    assert (
        type(classify.from_status(400, {"error": {**detail, "metadata": {"raw": json.dumps(upstream)}}}))
        is E.ContextTooLong
    )
    assert (
        type(classify.from_status(None, {"error": {**detail, "code": 429, "metadata": {"raw": "slow"}}}))
        is E.RateLimited
    )


def test_a_router_without_an_endpoint_for_a_parameter_refuses_the_parameter() -> None:
    message = "No endpoints found that support the provided 'tool_choice' value."
    error = classify.from_status(404, {"error": {"message": message, "code": 404}})
    assert (type(error), error.parameter) == (E.InvalidRequest, "tool_choice")


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "7"}, "slow down", 7.0),
        ({"retry-after": "0.5"}, "slow down", 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, "slow down", 1.5),
        ({"retry-after": "-3"}, "slow down", 0.0),
        ({"retry-after": "soon"}, "slow down", None),
        ({"retry-after": "7s"}, "slow down", 7.0),
        ({"retry-after": "nan"}, "slow down", None),
        ({"retry-after": "inf"}, "slow down", None),
        ({"retry-after": "1e999", "retry-after-ms": "inf"}, "try again in 3s", 3.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "slow down", 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, "slow down", 0.0),
        ({}, "Rate limit reached. Please try again in 7m12s.", 432.0),
        ({}, "Rate limit reached. Please try again in 20ms.", 0.02),
        ({"retry-after": "5"}, "Please try again in 7m12s.", 5.0),
        ({}, "slow down", None),
    ],
)
def test_the_wait_comes_from_headers_or_words(headers: dict[str, str], message: str, seconds: float | None) -> None:
    error = classify.from_status(429, {"error": {"message": message}}, httpx.Headers(headers))
    assert error.retry_after_s == (None if seconds is None else pytest.approx(seconds))


def test_an_error_that_is_not_retried_has_no_wait() -> None:
    assert classify.from_status(401, {}, {"retry-after": "5"}).retry_after_s is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ReadTimeout("slow"), E.ModelTimeout),
        (httpx.ConnectTimeout("slow"), E.ModelTimeout),
        (TimeoutError("slow"), E.ModelTimeout),
        (httpx.ConnectError("no"), E.ConnectionFailed),
        (httpx.RemoteProtocolError("broke off"), E.ConnectionFailed),
        (ConnectionResetError("reset"), E.ConnectionFailed),
        (OSError("no route"), E.ConnectionFailed),
        (httpx.DecodingError("gzip"), E.MalformedResponse),
        (json.JSONDecodeError("bad", "x", 0), E.MalformedResponse),
        (TypeError("create() got an unexpected keyword argument 'foo'"), E.InvalidRequest),
        (RuntimeError("?"), E.ServerFailed),
    ],
)
def test_an_exception_gives_one_error_class(error: Exception, kind: type[errors.ModelError]) -> None:
    assert type(classify.from_exception(error)) is kind


def test_an_unexpected_keyword_is_named() -> None:
    error = classify.from_exception(TypeError("create() got an unexpected keyword argument 'foo'"))
    assert error.parameter == "foo"


def test_a_long_message_is_cut_and_a_secret_redacted() -> None:
    secret = "sk-proj-" + "Ab3" * 16
    error = classify.from_status(500, {"error": {"message": f"key {secret} " + "x" * 5000}})
    assert secret not in str(error)
    assert len(error.message) < 700


def test_every_category_is_a_class_and_every_class_a_category() -> None:
    def below(kind: type[errors.ModelError]) -> set[type[errors.ModelError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert {kind.category for kind in below(errors.ModelError)} == set(errors.CATEGORIES)


def test_bytes_that_are_no_text_are_a_malformed_response() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"caf\xe9".decode()
    assert type(classify.from_exception(caught.value)) is errors.MalformedResponse


def test_a_lone_surrogate_in_a_prompt_is_an_invalid_request() -> None:
    with Server(lambda _: chat_reply("hi")) as server:
        model = ModelFactory.get_model("openai", api_key="k", base_url=server.url + "/v1")
        with pytest.raises(errors.InvalidRequest, match="a lone surrogate") as caught:
            model.generate_response(None, "price \ud83d now")
        assert server.received == []
    assert caught.value.parameter == "messages"


def test_a_redirect_is_a_connection_failure() -> None:
    assert type(classify.from_status(307, "")) is errors.ConnectionFailed


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        ('{"error": {"message": "maximum context length is 9 tokens", "param": "messages"}}', E.ContextTooLong, "is 9"),
        ('{"error": {"message": "no such thing", "param": "top_k"}}', E.InvalidRequest, "no such thing"),
        ("the upstream is down", E.InvalidRequest, "is down"),
        ("", E.InvalidRequest, "Provider returned error"),
    ],
)
def test_an_upstream_error_that_a_router_forwards_is_classified(
    raw: str, kind: type[errors.ModelError], words: str
) -> None:
    detail = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw, "provider_name": "X"}}
    error = classify.from_status(400, {"error": detail})
    assert type(error) is kind
    assert words in error.message


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"request-id": "a", "x-request-id": "b"}, {}, "a"),
        ({"x-ds-trace-id": "a"}, {}, "a"),
        ({"apim-request-id": "a"}, {}, "a"),
        ({}, {"error": {"message": "no"}, "request_id": "a"}, "a"),
        ({}, {"error": {"message": "no", "request_id": "a"}}, "a"),
        ({}, {"error": {"message": "no", "request_id": 7}}, None),
    ],
)
def test_the_error_has_the_providers_request_id(headers: dict[str, str], body: Any, request_id: str | None) -> None:
    assert classify.from_status(500, body, httpx.Headers(headers)).request_id == request_id
