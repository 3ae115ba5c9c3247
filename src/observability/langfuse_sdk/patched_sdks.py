"""Find provider SDKs that another instrumentation has patched: it may count our calls too."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Any, Final

from src.observability.spans import double_counting

_log = logging.getLogger("moondev.observability")

# The methods that our calls go through and that instrumentations patch: module, class, method. Our calls do not go
# through `create` of openai, groq and anthropic: see src/models/transport/sdk_client.py.
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
_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class Patch:
    """A patched SDK: its name, the module that patched it, and the remedy."""

    sdk: str
    by: str
    remedy: str


def patched() -> tuple[Patch, ...]:
    """Return the patches of the SDKs that are loaded now."""
    patches: dict[tuple[str, str], Patch] = {}
    for module, owner, method in _POINTS:
        function = getattr(getattr(sys.modules.get(module), owner, None), method, None)
        by = patcher(function, module.partition(".")[0])
        if by is not None:
            sdk = module.removesuffix(".models")
            patches[sdk, by] = Patch(sdk=sdk, by=by, remedy=double_counting.remedy(by))
    return tuple(patches.values())


def warn_of_patches() -> None:
    """Warn once of each patched SDK. Never raises."""
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
        _log.debug("The SDKs could not be inspected: %s", error)


def patcher(function: Any, sdk: str) -> str | None:
    """Return the module whose code runs in place of an SDK's own method; None where the method is the SDK's."""
    if function is None:
        return None
    wrapper = getattr(function, "_self_wrapper", None)  # a wrapt proxy
    code = function if wrapper is None else wrapper
    module = getattr(code, "__globals__", {}).get("__name__") or type(code).__module__
    return None if module == sdk or module.startswith(f"{sdk}.") else str(module)
