"""Every provider's models are listed: those that are known, and those that it has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.models import catalogue, live_models
from src.models.errors import AuthenticationFailed, ModelUnavailable
from src.models.model_factory import ModelFactory
from src.models.providers import PROVIDERS
from tests.contract.harness import ROWS

if TYPE_CHECKING:
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Wire


def test_asks_a_provider_which_models_it_has(case: str, dialect: Dialect, wire: Wire) -> None:
    if not dialect.engine:
        wire.say(dialect.listing(["zeta-1", dialect.model]))
    models = live_models.live_models(case.partition("__")[0])
    assert dialect.model in {item.name for item in models}
    assert [item.name for item in models] == sorted(item.name for item in models)
    assert all(item.live for item in models)


def test_a_list_that_is_refused_is_a_classified_error(case: str, dialect: Dialect, wire: Wire) -> None:
    if "authentication" in dialect.unsaid:
        pytest.skip("this provider has no keys")
    wire.say(dialect.error("authentication"))
    with pytest.raises(AuthenticationFailed) as caught:
        live_models.live_models(case.partition("__")[0])
    assert caught.value.provider == case.partition("__")[0]


def test_known_models_have_what_existing_agents_read(case: str, configured: None) -> None:
    name = case.partition("__")[0]
    row = PROVIDERS[name]
    known = catalogue.legacy_models(name)
    if row.default_model:
        assert row.default_model in known
    assert all(model["description"] for model in known.values())
    assert (
        known
        == ModelFactory.get_model(name).AVAILABLE_MODELS
        == ModelFactory.MODEL_IMPLEMENTATIONS[name].AVAILABLE_MODELS
    )
    assert ModelFactory().available_models[name] == known


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.needs_key and name != "example"])
def test_a_provider_that_is_not_set_up_has_no_list(name: str) -> None:
    with pytest.raises(ModelUnavailable, match=ROWS[name].keys[0]):
        live_models.live_models(name)
