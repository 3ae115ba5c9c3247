"""Tell which provider SDKs of this process are patched by another instrumentation, which may count our calls too."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any, Final

from src.observability.spans import double_counting

_log = logging.getLogger("moondev.observability")

# Where instrumentations take hold of an SDK on the way of our calls: module, class, method. Looked at only where the
# SDK is loaded. The `create` of openai, groq and anthropic is not on that way: see src/models/transport/sdk_client.py.
_POINTS: Final = (
    ("openai", "OpenAI", "request"),
    ("openai", "AsyncOpenAI", "request"),
    ("groq", "Groq", "request"),
    ("groq", "AsyncGroq", "request"),
    ("anthropic", "Anthropic", "request"),
    ("anthropic", "AsyncAnthropic", "request"),
    ("google.genai.models", "Models", "generate_content"),
    ("google.genai.models", "AsyncModels", "generate_content"),
    ("ollama", "Client", "chat"),
    ("ollama", "AsyncClient", "chat"),
)


@dataclass(frozen=True, slots=True)
class Patch:
    """Hold one patched SDK: its name, the module that patched it, and what to do about it."""

    sdk: str
    by: str
    remedy: str


def patched() -> tuple[Patch, ...]:
    """Return the patched SDKs among those that are loaded now."""
    found: dict[tuple[str, str], Patch] = {}
    for module, owner, method in _POINTS:
        function = getattr(getattr(sys.modules.get(module), owner, None), method, None)
        by = patcher(function, module.partition(".")[0])
        if by is not None:
            sdk = module.removesuffix(".models")
            found[sdk, by] = Patch(sdk, by, double_counting.remedy(by))
    return tuple(found.values())


def warn_of_patches() -> None:
    """Warn once of each patch that is found now. Never raises."""
    try:
        for patch in patched():
            key = f"{patch.sdk}<{patch.by}"
            if key not in _warned:
                _warned.add(key)
                _log.warning(
                    "The %s SDK is also instrumented by %s: a call that is traced here may be counted by it too; %s.",
                    patch.sdk, patch.by, patch.remedy,
                )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - looking must not stop a model from being made
        _log.debug("The SDKs could not be looked at: %s", error)


_warned: set[str] = set()


def patcher(function: Any, sdk: str) -> str | None:
    """Return the module whose code runs in place of an SDK's own method; None where that is the SDK's."""
    if function is None:
        return None
    wrapper = getattr(function, "_self_wrapper", None)  # a wrapt proxy
    code = function if wrapper is None else wrapper
    module = getattr(code, "__globals__", {}).get("__name__") or type(code).__module__
    return None if module == sdk or module.startswith(f"{sdk}.") else str(module)
