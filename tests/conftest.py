"""Isolate each test: its own trace store, no keys, no network but this machine's loopback."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from src.models import model_factory
from src.observability import tracker
from src.observability.redaction import redactor
from tests import faults, first_imports, loopback, periods
from tests.certificates import Authority
from tests.long import IS_LONG, rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

_PREFIXES = ("LANGFUSE_", "MOONDEV_", "OTEL_", "ANTHROPIC_", "OPENAI_", "DEEPSEEK_", "GROQ_", "GEMINI_", "GOOGLE_",
             "GROK_", "XAI_", "OPENROUTER_", "OLLAMA_", "CLAUDE_", "ENABLE_LANGFUSE", "AI_MODEL")  # fmt: skip

# A developer's proxy, which servers on loopback are not behind. For the whole process: some fixtures are a module's.
for _name in [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}]:
    del os.environ[_name]

# Not what measures the machine and not the code: a deadline for each example, and how long inputs take to generate.
# Examples are the same in each short run, so that a change fails for what it changes; a long run draws others.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=not IS_LONG,
    max_examples=rounds(30, 100),
)
hypothesis.settings.load_profile("any machine")


_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
_ENOUGH_BYTES = 2 * 1024**3


def _is_roomy_memory(folder: Path) -> bool:
    """Tell whether temporary files may lie in a folder in memory: containers may have a small one, without programs."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize > _ENOUGH_BYTES and not status.f_flag & os.ST_NOEXEC


def _raise_open_files(wanted: int = 4_096) -> None:
    """Raise how many files this process may have open: on macOS it is 256, and some tests have hundreds of sockets."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


_raise_open_files()

# Thousands of tests have a store of their own, and a disk takes several times as long to make one.
if "PYTEST_DEBUG_TEMPROOT" not in os.environ and _is_roomy_memory(_MEMORY):
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(_MEMORY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", choices=sorted(faults.SEAMS), help="break tracing at this seam in every test")


def pytest_sessionstart(session: pytest.Session) -> None:
    gc.disable()  # while hundreds of thousands of objects come that stay: searching them took a fifth of that time
    worker: dict[str, Any] | None = getattr(session.config, "workerinput", None)  # of pytest-xdist
    if worker is not None and first_imports.is_of_all_tests(session.config.args):
        first_imports.import_all(int(worker["workerid"].removeprefix("gw")), worker["workercount"])


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import ByFunction

    return ByFunction(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """Leave what was imported out of the search for garbage, and search seldom: it took a twentieth of all time."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 10, 10)


@pytest.hookimpl(trylast=True)  # other files mark tests as of a group here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that look at what was recorded, where recording is broken on purpose; name groups."""
    if config.getoption("--faults"):
        items[:] = [item for item in items if not faults.LOOKING & set(getattr(item, "fixturenames", ()))]
    if hasattr(config, "workerinput"):  # in a process of pytest-xdist
        from tests.scheduling import name_groups

        name_groups(items)


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with one authority, in place of the world's: each of the many HTTP clients parses such a file."""
    return Authority(tmp_path_factory.mktemp("authority")).file


@pytest.fixture(autouse=True)
def isolated(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authorities: Path
) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(tmp_path / "traces.db"))
    monkeypatch.setenv("MOONDEV_DOTENV", "off")
    # A redactor that knows no secret of another test: a program never forgets one, so there is no public way.
    monkeypatch.setattr(redactor, "_learned", ())
    monkeypatch.setattr(redactor, "_settings", redactor._Settings())
    redactor.refresh()
    before = tracker.set_tracker(None)
    model_factory._cache.clear()  # a program keeps its models until it ends, so there is no public way
    seam = request.config.getoption("--faults")
    if seam:
        faults.Faults().strike(seam, monkeypatch)
    yield
    used = tracker.set_tracker(before)
    if used is not None:
        used.shutdown(0.0)
    _forget_langfuse()
    model_factory._cache.clear()


def _forget_langfuse() -> None:
    """Unload Langfuse's SDK, which a test has imported: each tracker of a later test would make a client of it."""
    if "langfuse" not in sys.modules:  # as after nearly every test: the list of all modules is long
        return
    for name in [name for name in sys.modules if name == "langfuse" or name.startswith("langfuse.")]:
        del sys.modules[name]


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Refuse every connection that leaves this machine."""
    with loopback.only():
        yield


@pytest.fixture
def within_one_hour() -> None:
    """Let no hour of UTC end during a test of what is counted by the hour, day or month of the real clock."""
    periods.wait_for_room()


@pytest.fixture
def spool() -> Spool:
    """Return the store that this test's calls are recorded in."""
    store = tracker.get_tracker().spool
    assert store is not None
    return store
