"""Fixtures of the contract tests: a provider, its dialect, a wire with prepared replies, a way to call."""

from __future__ import annotations

import shutil
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from src.models.adapters.local import engine
from src.models.limits import limiter, rate_limit_headers
from src.models.model_factory import ModelFactory
from src.models.providers import PROVIDERS
from src.models.retry import RetryPolicy
from src.observability.store.spool import Spool
from tests.contract.harness import CASES, EXAMPLE, ORIGIN, ROWS, Caller, EngineOnWire, Wire, dialect_of
from tests.contract.routers import answered_by
from tests.long import IS_LONG
from tests.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect

QUICK = RetryPolicy(max_attempts=3, first_wait_s=0.0, longest_wait_s=0.0)
ONCE = RetryPolicy(max_attempts=1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let a test call each provider plainly or in asyncio, by turns; in a long run, in which it does both.

    Both ways perform the same steps (src/models/call/driver.py). So each test meets each provider and each way, and
    each provider meets each way in half of the tests.
    """
    if IS_LONG:
        return
    left_out = [item for item in items if isinstance(item, pytest.Function) and not _is_its_turn(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        names = {item.nodeid for item in left_out}
        items[:] = [item for item in items if item.nodeid not in names]


def _is_its_turn(item: pytest.Function) -> bool:
    """Tell whether a test calls its provider in its turn: always where it has no choice of both."""
    indices = item.callspec.indices if hasattr(item, "callspec") else {}
    provider = indices.get("case", indices.get("model"))
    if provider is None or "call" not in indices:
        return True
    return (zlib.crc32(item.originalname.encode()) + provider) % 2 == indices["call"]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "traces.db"
    Spool(path).close()
    return path


@pytest.fixture(autouse=True)
def store(isolated: None, empty_store: Path, tmp_path: Path) -> None:
    """Begin with an empty store: to make its tables takes longer than all else that a test's tracing does."""
    shutil.copy(empty_store, tmp_path / "traces.db")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


@pytest.fixture
def dialect(case: str) -> Dialect:
    return dialect_of(case)


@pytest.fixture
def served(dialect: Dialect) -> Iterator[tuple[Wire, str]]:
    """Return what answers, and where: a real server for an SDK whose HTTP client no router can stand in for."""
    wire = Wire()
    if not dialect.loopback:
        yield wire, ORIGIN
        return
    with Server(wire.answer) as server:
        yield wire, server.url


@pytest.fixture
def configured(
    case: str, dialect: Dialect, served: tuple[Wire, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Set the provider up as a user would."""
    PROVIDERS.register(EXAMPLE)
    row = ROWS[case.partition("__")[0]]
    for name, value in dialect.environment.items():
        monkeypatch.setenv(name, value)
    if row.keys:
        monkeypatch.setenv(row.keys[0], "test-key-4711")
    if row.base_url:
        monkeypatch.setenv(row.base_url, dialect.base_url(served[1]))
    rate_limit_headers._latest.clear()
    limiter._shared.cache_clear()
    yield
    PROVIDERS._rows.pop(EXAMPLE.name, None)


@pytest.fixture
def wire(
    configured: None, dialect: Dialect, served: tuple[Wire, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wire]:
    answering = served[0]
    if dialect.loopback:
        yield answering
        return
    if dialect.engine:
        monkeypatch.setattr(engine, "_load", lambda path: EngineOnWire(answering))
        monkeypatch.setattr(engine, "_engine", None)
        yield answering
        return
    with answered_by(answering.over_http):
        yield answering


@pytest.fixture
def make(case: str, configured: None, dialect: Dialect) -> Callable[..., BaseModel]:
    """Return how to get the provider's model; without retries unless said otherwise."""

    def get(name: str | None = None, **settings: Any) -> BaseModel:
        return ModelFactory.get_model(
            case.partition("__")[0], name or dialect.model, **{"retry_policy": ONCE, **dialect.settings, **settings}
        )

    return get


@pytest.fixture
def model(make: Callable[..., BaseModel]) -> BaseModel:
    return make()
