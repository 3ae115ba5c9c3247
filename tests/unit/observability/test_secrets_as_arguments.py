"""A secret that a program hands over in the wrong place reaches no message, no name and no row of the ledger."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.models.errors import MalformedResponse, ModelError
from src.models.retry import NO_RETRIES
from src.observability import decision, get_tracker, outcome, score
from src.prompts import PromptMissing, get_prompt
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-ant-api03-" + "Zq8Lw3Tn5Rb7Yc1Vd9Xe2Mf4" * 3 + "AA"
SCHEMA = {
    "name": "decision",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": ["BUY"]}},
        "required": ["action"],
        "additionalProperties": False,
    },
}


def ask(**options: Any) -> None:
    with Server(lambda _: chat_reply(f'{{"action": "{KEY}"}}')) as server:
        model = ModelFactory.get_model(
            "openai", "gpt-4o", api_key="k", base_url=f"{server.url}/v1", retry_policy=NO_RETRIES
        )
        model.chat([{"role": "user", "content": "Trend?"}], **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ask(temperature=KEY),
        lambda: ask(tools=[KEY]),
        lambda: ask(response_format={"type": "json_schema", "json_schema": SCHEMA}),
        lambda: ModelFactory.get_model(KEY),
        lambda: ModelFactory.get_model("openai", KEY).generate_response("s", "u"),
    ],
)
def test_an_error_quotes_no_secret(call: Callable[[], object]) -> None:
    with pytest.raises(ModelError) as raised:
        call()
    error = raised.value
    shown = "".join(traceback.format_exception(error))
    assert KEY not in f"{shown} {error!r} {error.message} {error.args}"
    assert "[REDACTED:anthropic_key]" in str(error) or isinstance(error, MalformedResponse)


def test_a_model_that_is_named_by_a_key_does_not_show_it() -> None:
    model = ModelFactory.get_model("openai", KEY, api_key="k", fallbacks=[f"groq:{KEY}"])
    assert KEY not in repr(model)
    assert KEY not in repr(model.models[0])  # type: ignore[attr-defined] # a chain's


def test_a_prompt_that_is_named_by_a_key_does_not_show_it() -> None:
    with pytest.raises(PromptMissing) as raised:
        get_prompt(KEY)
    assert KEY not in repr(raised.value)


def test_no_field_of_a_decision_keeps_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    fields: Any = dict.fromkeys(("venue", "timeframe", "agent", "agent_version", "environment"), KEY)
    prompt = (KEY, KEY, KEY)
    name = decision("BTC-USD", "BUY", 70, prompt=prompt, models=[KEY], metadata={"reason": KEY}, **fields)
    assert name
    assert outcome(name, pnl_usd=1.0, source=KEY, details={"note": KEY})
    assert decision("BTC-USD", "BUY", 70, decision_id=KEY) is None  # two keys would become one id
    assert not outcome(KEY, pnl_usd=1.0)
    assert not outcome(KEY)
    assert "its decision_id looks like a secret" in caplog.text
    assert KEY not in caplog.text
    files = stored_bytes()
    assert b"BTC-USD" in files
    assert KEY.encode() not in files


def test_a_key_is_no_symbol_and_no_environment() -> None:
    key = "uopAXQuavZ3jpXy1ZcdxYw9KQNVMJuwU"
    with Server(lambda _: chat_reply("hold")) as server:
        model = ModelFactory.get_model("openai", "gpt-4o", api_key="k", base_url=f"{server.url}/v1")
        reply = model.generate_response("s", f"token={key}", metadata={"token": key})
    score("pnl", 1.0, trace_id=reply.trace_id, environment="3bc5919dfe2eae8ccf8487aa8f4cc51d-us10")
    assert key.encode() not in stored_bytes()
    assert b"3bc5919dfe2eae8ccf8487aa8f4cc51d" not in stored_bytes()


def stored_bytes() -> bytes:
    spool = get_tracker().spool
    assert spool
    return b"".join(Path(path).read_bytes() for path in spool.path.parent.glob(f"{spool.path.name}*"))
