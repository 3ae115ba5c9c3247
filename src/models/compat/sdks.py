"""Define how each SDK behaves, as far as a program that is written for it can see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from src.models.errors import InvalidRequest
from src.models.types import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

UNBOUNDED_S: Final = 1_000_000.0  # no SDK bounds a call as a whole, and some bound no part of it
UNBOUNDED: Final = Timeouts(connect=UNBOUNDED_S, read=UNBOUNDED_S, total=UNBOUNDED_S)


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK.

    Attributes:
        name: Its name for `get_model(compat=...)`.
        module: What is imported for it.
        client: The class of its clients; empty where making one without a key raises nothing.
        no_key: What its calls raise without a key, where it has no clients that could; they then ask nothing.
        no_key_raises: As which class; the factory's AuthenticationFailed where it is None.
        provider: Whose SDK it is: its own variables for key and address are of this provider.
        others: Providers that are asked through it at their own addresses, each with that address.
        keys: The environment variables with the key, in the SDK's order.
        token: The variable with a token that takes the key's place where no key is set.
        address: The environment variable that moves its address.
        retries: How often it repeats a request that failed.
        retried: What it repeats: `status` for timeouts, broken connections and the statuses 408, 409, 429 and 5xx,
            `503` for that status alone.
        longest_wait_s: The longest wait that it takes from a Retry-After.
        refuses_longer_waits: Whether it gives up where the provider asks for more; otherwise it waits its own time.
        timeouts: Its timeouts where the program sets none.
    """

    name: str
    module: str
    provider: str
    client: str = ""
    no_key: str = ""
    no_key_raises: type[Exception] | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    token: str = ""
    address: str = ""
    retries: int = 0
    retried: Literal["status", "503", "nothing"] = "nothing"
    longest_wait_s: float = 60.0
    refuses_longer_waits: bool = False
    timeouts: Timeouts = UNBOUNDED

    def timeouts_of(self, timeout: Any) -> Timeouts:
        """Return the timeouts that the SDK makes of its `timeout`: a number of seconds, or an httpx.Timeout."""
        if timeout is None:
            return UNBOUNDED
        if isinstance(timeout, Timeouts):
            return timeout
        parts = [getattr(timeout, name, timeout) for name in ("connect", "read")]
        if not all(part is None or (isinstance(part, int | float) and part > 0) for part in parts):
            raise InvalidRequest(
                f"timeout is {timeout!r:.60}: give seconds above 0, or an httpx.Timeout.", parameter="timeout"
            )
        connect, read = (UNBOUNDED_S if part is None else float(part) for part in parts)
        return Timeouts(connect=connect, read=read, total=UNBOUNDED_S)


def _seconds(read: float, connect: float = 5.0) -> Timeouts:
    return Timeouts(connect=connect, read=read, total=UNBOUNDED_S)


_THROUGH_OPENAI: Final = MappingProxyType(
    {
        "deepseek": "https://api.deepseek.com",
        "xai": "https://api.x.ai/v1",
        "openrouter": "https://openrouter.ai/api/v1",
        "groq": "https://api.groq.com/openai/v1",
        "ollama": "http://localhost:11434/v1",
    }
)
_OPENAI: Final = Sdk(
    name="openai",
    module="openai",
    client="OpenAI",
    provider="openai",
    others=_THROUGH_OPENAI,
    keys=("OPENAI_API_KEY",),
    address="OPENAI_BASE_URL",
    retries=2,
    retried="status",
    longest_wait_s=120.0,
    refuses_longer_waits=True,
    timeouts=_seconds(600.0),
)
# The module itself asks through a client that needs no key to be made (openai/lib/_module_runtime.py, load_client): its
# calls fail where the headers are checked (openai/lib/_client_auth.py, sync_validate_headers).
_OPENAI_MODULE: Final = replace(
    _OPENAI,
    client="",
    no_key="Could not resolve authentication method. Expected either api_key or admin_api_key to be set. Or for the"
    " `Authorization` header to be explicitly omitted.",
    no_key_raises=TypeError,
)
SDKS: Final[Mapping[str, Sdk]] = MappingProxyType(
    {
        sdk.name: sdk
        for sdk in (
            _OPENAI,
            # Of the versions before 1, whose calls are methods of the module.
            Sdk(
                name="openai<1",
                module="openai",
                provider="openai",
                no_key="No API key provided. Set openai's key with api_key=, or OPENAI_API_KEY in the environment."
                " Nothing was sent.",
                others=_THROUGH_OPENAI,
                keys=("OPENAI_API_KEY",),
                address="OPENAI_API_BASE",
                timeouts=_seconds(600.0, connect=600.0),
            ),
            Sdk(
                name="anthropic",
                module="anthropic",
                provider="claude",
                keys=("ANTHROPIC_API_KEY",),
                token="ANTHROPIC_AUTH_TOKEN",  # noqa: S106 - a variable's name
                address="ANTHROPIC_BASE_URL",
                retries=2,
                retried="status",
                timeouts=_seconds(600.0),
            ),
            Sdk(
                name="groq",
                module="groq",
                client="Groq",
                provider="groq",
                keys=("GROQ_API_KEY",),
                address="GROQ_BASE_URL",
                retries=2,
                retried="status",
                timeouts=_seconds(60.0),
            ),
            Sdk(
                name="google.genai",
                module="google.genai",
                client="Client",
                provider="gemini",
                keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
                address="GOOGLE_GEMINI_BASE_URL",
            ),
            Sdk(
                name="google.generativeai",
                module="google.generativeai",
                provider="gemini",
                keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
                retried="503",
                timeouts=_seconds(600.0, connect=600.0),
            ),
            Sdk(name="ollama", module="ollama", provider="ollama", keys=("OLLAMA_API_KEY",), address="OLLAMA_HOST"),
        )
    }
    | {"openai module": _OPENAI_MODULE}
)


def of(name: object, provider: str) -> Sdk:
    """Return the SDK that a program names.

    Raises:
        InvalidRequest: there is none of that name, or the provider is not asked through it.
    """
    sdk = SDKS.get(str(name))
    if sdk is None:
        raise InvalidRequest(
            f"compat is {name!r}: name the SDK that the program was written for, one of {', '.join(SDKS)}.",
            parameter="compat",
        )
    if provider != sdk.provider and provider not in sdk.others:
        raise InvalidRequest(
            f"compat is {name!r}, through which {provider} is not asked: it asks "
            f"{', '.join((sdk.provider, *sdk.others))}.",
            parameter="compat",
        )
    return sdk
