from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.observability.delivery.destinations import Destination, langfuse_destination, otlp_destination
from src.observability.otlp_settings import Otlp
from src.observability.store.destination_names import accepted_by
from src.observability.store.records import Accepts
from src.observability.store.spool import Spool
from tests.unit.observability.records import score_record, span_record

if TYPE_CHECKING:
    from pathlib import Path

LANGFUSE = langfuse_destination("https://user:word@langfuse.example", "pk-lf-1", "sk-lf-1")
SCORES = langfuse_destination("https://langfuse.example", "pk-lf-1", "sk-lf-1", scores_only=True)
OTLP = otlp_destination(Otlp(url="https://collector.example/v1/traces?key=word", headers={"Authorization": "word"}))
DESTINATIONS = pytest.mark.parametrize(
    ("destination", "accepts"),
    [(LANGFUSE, Accepts.BOTH), (SCORES, Accepts.SCORES), (OTLP, Accepts.OBSERVATIONS)],
    ids=["langfuse", "langfuse-scores", "otlp"],
)


@DESTINATIONS
def test_a_stored_name_says_what_its_destination_accepts(destination: Destination, accepts: Accepts) -> None:
    assert accepted_by(destination.name) is destination.accepts is accepts


@DESTINATIONS
def test_the_store_counts_as_pending_what_a_destination_accepts(
    destination: Destination, accepts: Accepts, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "t.db")
    for number in range(2):
        spool.append(span_record(number))
    spool.append_score(score_record())
    spool.acknowledge(destination.name, 0)
    expected = {Accepts.BOTH: 3, Accepts.SCORES: 1, Accepts.OBSERVATIONS: 2}[accepts]
    assert spool.pending(destination.name) == spool.pending(destination.name, accepts) == expected
    assert spool.stats().undelivered == spool.undelivered() == {destination.name: expected}
    assert spool.pending(destination.name, Accepts.OBSERVATIONS) == 2


def test_names_stay_those_of_existing_stores() -> None:
    assert LANGFUSE.name == "langfuse:https://langfuse.example:943f2589c0ae"
    assert SCORES.name == "langfuse-scores:https://langfuse.example:943f2589c0ae"
    assert OTLP.name == "otlp:https://collector.example/v1/traces"


def test_a_name_of_no_known_kind_counts_as_accepting_everything() -> None:
    assert accepted_by("kafka:somewhere") is Accepts.BOTH
