"""Requests for embeddings through traced clients are observations with tokens and cost, and count in budgets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.models import ModelFactory
from src.models.call import budget_gate
from src.models.errors import BudgetExceeded
from src.models.raw_http.addresses import Route, route
from src.observability import attributes as names
from tests.commands import run_app
from tests.contract.traced_sdks import SDKS, recorded
from tests.servers import Reply, Server, error_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

MODEL = "text-embedding-3-small"
PRICE = 2e-8  # dollars a token
TOKENS = 1_000
OPENAI = {
    "object": "list", "model": MODEL, "usage": {"prompt_tokens": TOKENS, "total_tokens": TOKENS},
    "data": [{"object": "embedding", "index": index, "embedding": [0.1, 0.2, 0.3]} for index in range(2)],
}  # fmt: skip


def reply(body: Any) -> Reply:
    return Reply(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


def embed(server: Server) -> Any:
    client = ModelFactory.traced(SDKS["openai"].make(server.url))
    return client.embeddings.create(model=MODEL, input=["BTC fell", "ETH rose"], encoding_format="float", dimensions=3)


def test_embeddings_are_an_observation_with_their_tokens_and_cost(spool: Spool) -> None:
    with Server(lambda _: reply(OPENAI)) as server:
        vectors = embed(server)
    assert [item.embedding for item in vectors.data] == [[0.1, 0.2, 0.3]] * 2
    ((row, attributes),) = recorded(spool)
    assert (row.name, row.type, attributes[names.OPERATION]) == (
        "openai_compatible.embed", "embedding", "embeddings")  # fmt: skip
    assert json.loads(attributes[names.USAGE_DETAILS]) == {"input": TOKENS, "output": 0}
    assert json.loads(attributes[names.COST_DETAILS])["total"] == pytest.approx(TOKENS * PRICE)
    assert json.loads(attributes[names.INPUT]) == [{"role": "user", "content": '["BTC fell", "ETH rose"]'}]
    assert (attributes[names.METADATA + "embeddings"], attributes[names.METADATA + "dimensions"]) == ("2", "3")
    assert json.loads(attributes[names.MODEL_PARAMETERS]) == {"encoding_format": "float", "dimensions": 3}
    assert names.LEVEL not in attributes


def budget() -> dict[str, Any]:
    for store in budget_gate._stores.values():
        store.flush()
    rows: list[dict[str, Any]] = json.loads(run_app(main, "budget", "--json").out)
    return rows[0]


@pytest.mark.usefixtures("spool", "within_one_hour")
def test_embeddings_count_in_budgets_and_one_beyond_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    highest = (256 + 1_024) * PRICE
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{TOKENS * PRICE + highest / 2:.9f}")
    with Server(lambda _: reply(OPENAI)) as server:
        embed(server)
        with pytest.raises(BudgetExceeded):
            embed(server)
        assert len(server.received) == 1
    assert (budget()["spent_usd"], budget()["reserved_usd"]) == (pytest.approx(TOKENS * PRICE), 0)


@pytest.mark.usefixtures("spool", "within_one_hour")
def test_embeddings_of_which_the_server_names_no_tokens_count_what_was_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "1")
    with Server(lambda _: reply({**OPENAI, "usage": None})) as server:
        embed(server)
    assert budget()["spent_usd"] == pytest.approx((256 + 1_024) * PRICE)


@pytest.mark.parametrize(
    ("path", "sent", "body", "provider", "model", "tokens"),
    [
        ("/v1beta/models/gemini-embedding-001:embedContent", {"content": {"parts": [{"text": "BTC"}]}},
         {"embedding": {"values": [0.1]}}, "gemini", "gemini-embedding-001", None),
        ("/v1beta/models/gemini-embedding-001:batchEmbedContents", {"requests": [{}, {}]},
         {"embeddings": [{"values": [0.1]}], "usageMetadata": {"promptTokenCount": 7}}, "gemini",
         "gemini-embedding-001", 7),
        ("/api/embed", {"model": "nomic-embed-text", "input": "BTC"},
         {"model": "nomic-embed-text", "embeddings": [[0.1]], "prompt_eval_count": 5}, "ollama", "nomic-embed-text", 5),
        ("/api/embeddings", {"model": "nomic-embed-text", "prompt": "BTC"}, {"embedding": [0.1]}, "ollama",
         "nomic-embed-text", None),
    ],
)  # fmt: skip
def test_other_protocols(
    path: str, sent: Any, body: Any, provider: str, model: str, tokens: int | None, spool: Spool
) -> None:
    with Server(lambda _: reply(body)) as server:
        assert ModelFactory.post(server.url + path, json=sent).json() == body
    ((row, attributes),) = recorded(spool)
    assert (row.provider, row.model, row.type) == (provider, model, "embedding")
    assert attributes[names.METADATA + "embeddings"] == "1"
    usage = json.loads(attributes.get(names.USAGE_DETAILS, "null"))
    assert usage == (None if tokens is None else {"input": tokens, "output": 0})


def test_a_refused_request_for_embeddings_has_failed_and_costs_nothing(spool: Spool) -> None:
    with Server(lambda _: error_reply(400, "too long")) as server:
        assert ModelFactory.post(f"{server.url}/v1/embeddings", json={"model": MODEL, "input": "x"}).status_code == 400
    ((row, attributes),) = recorded(spool)
    assert (row.type, row.error_category) == ("embedding", "invalid_request")
    assert json.loads(attributes[names.COST_DETAILS]) == {"total": 0}


def test_openais_own_address() -> None:
    expected = Route(provider="openai", protocol="embeddings", model="", endpoint="api.openai.com/v1/embeddings")
    assert route("https://api.openai.com/v1/embeddings") == expected
