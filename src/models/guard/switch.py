"""Notice requests to providers that do not come through a traced call: MOONDEV_GUARD=warn or block.

It works while the program runs, whatever route a request takes: an HTTP library, a raw socket, a command line. `warn`
names each place in the code once; `block` raises before anything is sent. Where it is not asked for, nothing is
installed and nothing is looked at. Use it in tests: `pytest -p src.models.guard` blocks unless the variable says
otherwise, and `python -m src.models.guard SCRIPT [ARGUMENT ...]` runs any program under it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import linecache
import logging
import os
import re
import sys
import sysconfig
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from src.models.errors import InvalidRequest
from src.models.transport import http_hooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_log = logging.getLogger("moondev.guard")

# Each provider's host, and the factory's name for it, or the provider's own.
HOSTS: Final = MappingProxyType({
    "api.openai.com": "openai", "api.anthropic.com": "claude", "api.deepseek.com": "deepseek", "api.groq.com": "groq",
    "generativelanguage.googleapis.com": "gemini", "api.x.ai": "xai", "openrouter.ai": "openrouter",
    "api.mistral.ai": "mistral", "api.cohere.com": "cohere", "api.cohere.ai": "cohere",
    "api.together.xyz": "together", "api.together.ai": "together", "api.replicate.com": "replicate",
    "api.fireworks.ai": "fireworks", "api.perplexity.ai": "perplexity",
    "api-inference.huggingface.co": "huggingface", "router.huggingface.co": "huggingface",
    "api.cerebras.ai": "cerebras", "api.moonshot.ai": "moonshot", "dashscope.aliyuncs.com": "dashscope",
    "api.moonshot.cn": "moonshot", "dashscope-intl.aliyuncs.com": "dashscope", "aiplatform.googleapis.com": "gemini",
    "open.bigmodel.cn": "zhipuai", "api.z.ai": "zhipuai", "api.minimax.chat": "minimax", "api.minimax.io": "minimax",
    "ark.cn-beijing.volces.com": "volcengine", "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow", "integrate.api.nvidia.com": "nvidia", "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra", "api.hyperbolic.xyz": "hyperbolic", "api.novita.ai": "novita",
    "api.studio.nebius.ai": "nebius", "api.studio.nebius.com": "nebius", "inference.baseten.co": "baseten",
    "api.lambda.ai": "lambda", "api.lambdalabs.com": "lambda", "api.ai21.com": "ai21",
    "api.inference.net": "inference_net", "api.kluster.ai": "kluster", "models.github.ai": "github",
    "models.inference.ai.azure.com": "github", "ollama.com": "ollama", "api.voyageai.com": "voyage",
    "ai-gateway.vercel.sh": "vercel", "gateway.ai.cloudflare.com": "cloudflare", "oai.helicone.ai": "helicone",
    "anthropic.helicone.ai": "helicone", "api.portkey.ai": "portkey", "api.poe.com": "poe",
    "api.githubcopilot.com": "github",
})  # fmt: skip
_SUFFIXES = (
    ".openai.azure.com", "-aiplatform.googleapis.com", ".api.openai.com", ".services.ai.azure.com",
    ".inference.ai.azure.com", ".models.ai.azure.com", ".endpoints.huggingface.cloud",
)  # fmt: skip
_BEDROCK = re.compile(r"bedrock-(?:agent-)?runtime[\w.-]*\.amazonaws\.com")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, not bound to
_OLLAMA_PORT = 11434
_HERE = Path(__file__).resolve().parents[1]
_OURS = (str(_HERE / "models") + os.sep, str(_HERE / "observability") + os.sep)
_LIBRARIES = tuple(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen"}
)

Mode = Literal["warn", "block"]


class DirectCallBlocked(RuntimeError):
    """A request to a provider did not come through a traced call; nothing was sent."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Hold where in the user's code a request comes from."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


_mode: Mode | None = None
_said: set[tuple[_Place, str]] = set()
_lock = threading.Lock()
_exempt: ContextVar[bool] = ContextVar("moondev_guard_exempt", default=False)
_passing: ContextVar[bool] = ContextVar("moondev_guard_passing", default=False)
_judging = threading.local()


def mode() -> Mode | None:
    """Return what is done about a direct call, None where the guard is off."""
    return _mode


def install(mode: Mode | None = None) -> None:
    """Switch the guard on for the rest of the process; None takes MOONDEV_GUARD, and does nothing where it is off.

    Raises:
        InvalidRequest: MOONDEV_GUARD is neither warn, block nor off.
    """
    global _mode
    wanted = mode or os.environ.get("MOONDEV_GUARD", "").strip().lower()
    if wanted in ("", "off", "0", "false", "no"):
        return
    if wanted not in ("warn", "block"):
        raise InvalidRequest(f"MOONDEV_GUARD is {wanted!r}: set warn, block or off.", parameter="MOONDEV_GUARD")
    with _lock:
        first, _mode = _mode is None, wanted  # type: ignore[assignment] # one of the two
    from src.models.guard import routes

    if first:
        routes.watch()
    routes.cover()


def uninstall() -> None:
    """Switch the guard off again, for tests; what was hooked stays hooked and lets everything pass."""
    global _mode  # noqa: PLW0603 - as above
    _mode = None
    _said.clear()


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Let requests inside the block pass: those that ask a provider for no reply, such as its list of models."""
    token = _exempt.set(True)
    try:
        yield
    finally:
        _exempt.reset(token)


@contextlib.contextmanager
def passing() -> Iterator[None]:
    """Let what one library does with a request pass, once that request was judged: its lookups and connections."""
    token = _passing.set(True)
    try:
        yield
    finally:
        _passing.reset(token)


def is_passing() -> bool:
    """Tell whether a request that was judged is being sent."""
    return _passing.get()


def judge(host: str | None, port: int | None, route: str) -> None:
    """Warn of a request, or stop it, where it goes to a provider and no traced call is open.

    Raises:
        DirectCallBlocked: MOONDEV_GUARD=block.
    """
    if _mode is None or host is None or getattr(_judging, "now", False) or not is_provider(host, port):
        return
    if _is_traced() or _exempt.get():
        return
    _judging.now = True
    try:
        place = _caller()
        if not _is_allowed(place):
            _tell(place, host, route)
    finally:
        _judging.now = False


def is_provider(host: str, port: int | None = None) -> bool:
    """Tell whether an address is a provider's: a known host, or one that a base-URL variable names."""
    name = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    if name in HOSTS or name.endswith(_SUFFIXES) or _BEDROCK.fullmatch(name):
        return True
    if port == _OLLAMA_PORT and name in _LOOPBACK:
        return True
    return (_plain(name), port) in _configured()


def _plain(name: str) -> str:
    """Return one name for all that this machine goes by."""
    return "localhost" if name in _LOOPBACK else name


def _configured() -> set[tuple[str, int | None]]:
    """Return the addresses that the environment gives to providers, each with its port."""
    from src.models.providers import PROVIDERS

    found: set[tuple[str, int | None]] = set()
    for row in PROVIDERS.values():
        address = row.address() or row.url
        if not address:
            continue
        with contextlib.suppress(ValueError):
            parts = urlsplit(address if "://" in address else f"http://{address}")
            default = 443 if parts.scheme == "https" else 80
            if parts.hostname:
                found.add((_plain(parts.hostname), parts.port or default))
    return found


def _is_traced() -> bool:
    """Tell whether this thread or task is inside a call that is traced."""
    if http_hooks.is_calling():
        return True
    from opentelemetry import trace

    from src.observability.spans import double_counting

    return double_counting.is_inside(trace.get_current_span().get_span_context().span_id)


def _caller() -> _Place:
    """Return the innermost line that is neither a library's nor ours."""
    frame: FrameType | None = sys._getframe(1)
    typed: _Place | None = None  # code that stands in no file, such as `python -c` or a notebook's cell
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<") and not file.startswith("<frozen"):
            typed = typed or _Place(file, frame.f_lineno)
        elif not file.startswith((*_OURS, *_LIBRARIES)):
            return _Place(file, frame.f_lineno)
        frame = frame.f_back
    return typed or _Place(f"thread {threading.current_thread().name}", 0)


def _is_allowed(place: _Place) -> bool:
    """Tell whether a place is allowed: by MOONDEV_GUARD_ALLOW (patterns of files), or by the check's own comment."""
    patterns = [item.strip() for item in os.environ.get("MOONDEV_GUARD_ALLOW", "").split(",") if item.strip()]
    if any(fnmatch.fnmatch(place.file, pattern) or place.file.endswith(os.sep + pattern) for pattern in patterns):
        return True
    lines = (linecache.getline(place.file, number) for number in (place.line, place.line - 1) if number > 0)
    return any("direct-call: allow" in line for line in lines)


def _tell(place: _Place, host: str, route: str) -> None:
    what = f"{place} calls {host} directly ({route}): it is not traced. Ask through ModelFactory.get_model(...)"
    if _mode == "block":
        raise DirectCallBlocked(
            f"{what}, allow the line with `# direct-call: allow (reason)`, or set MOONDEV_GUARD=warn. Nothing was sent."
        )
    with _lock:
        known = (place, _plain(host)) in _said
        _said.add((place, _plain(host)))
    if not known:
        _log.warning("%s, or allow the line with `# direct-call: allow (reason)`.", what)


# A pytest plugin: `pytest -p src.models.guard`.


def pytest_configure(config: Any) -> None:  # noqa: ARG001 - pytest's name and shape
    """Block direct calls for a whole test run, unless MOONDEV_GUARD says otherwise."""
    install(None if os.environ.get("MOONDEV_GUARD") else "block")


def main() -> None:
    """Run a program under the guard: `python -m src.models.guard SCRIPT [ARGUMENT ...]`."""
    import runpy

    if len(sys.argv) < 2:
        sys.exit("usage: python -m src.models.guard SCRIPT [ARGUMENT ...]")
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    guard = importlib.import_module("src.models.guard")  # this file runs as __main__, which is another module
    guard.install(None if os.environ.get("MOONDEV_GUARD") else "warn")
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
