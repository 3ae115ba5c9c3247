"""Work out the settings of a model that behaves as an SDK: its key and address are those that the SDK would take."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.models.compat import errors as sdk_errors
from src.models.compat import sdks
from src.models.compat.replies import PROTOCOLS, Protocol
from src.models.errors import InvalidRequest, ModelUnavailable
from src.models.providers import COMPATIBLE

if TYPE_CHECKING:
    from src.models.compat.sdks import Sdk
    from src.models.providers import Provider
    from src.models.types import Timeouts

_OTHER_PROTOCOL = ("groq", "ollama")  # which have an SDK of their own beside what the openai SDK asks them through


@dataclass(frozen=True, slots=True)
class Compat:
    """What of a model follows the SDK that a program was written for.

    Attributes:
        sdk: The SDK.
        max_retries: How often the program lets a request be repeated; None for the SDK's own number.
        protocol: How the program reads the SDK's replies.
        sends_key: Whether a key is sent; a program may name an empty one.
        token: The token that takes the key's place.
        lacks_key: Whether there is none at all, for which the SDK's calls raise before they ask anything.
    """

    sdk: Sdk
    max_retries: int | None
    protocol: Protocol
    sends_key: bool = True
    token: str | None = None
    lacks_key: bool = False

    @property
    def asks_responses(self) -> bool:
        """Tell whether the Responses API is asked."""
        return self.protocol is PROTOCOLS["responses"]

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what tells one from another."""
        return (self.sdk.name, self.max_retries, self.sends_key, self.token, self.lacks_key)


def pop(row: Provider, settings: dict[str, Any]) -> tuple[Provider, Compat]:
    """Take `compat` and what belongs to it out of the settings; set the key, the address and the timeouts in them.

    Returns:
        The provider as the SDK asks it, and what of the model follows the SDK.

    Raises:
        InvalidRequest: a setting has an impossible value.
        ModelUnavailable: there is no key, and the SDK raises where its client is made; it is the SDK's error too.
    """
    sdk = sdks.of(settings.pop("compat"), row.name)
    retries, protocol = _retries(settings.pop("max_retries", None)), PROTOCOLS[sdk.name]
    if sdk.module == "openai":
        protocol = PROTOCOLS["responses"] if settings.setdefault("api", "chat") == "responses" else protocol
    settings["timeouts"] = _timeouts(sdk, settings)
    address = settings.get("base_url") or (os.environ.get(sdk.address) if row.name == sdk.provider else None)
    settings["base_url"] = str(address) if address else sdk.others.get(row.name)
    key, token = settings.get("api_key"), None
    lacks_key = False
    if sdk.no_key and not sdk.no_key_raises:
        key, lacks_key = _key_of_module(sdk, row, settings)
    elif key is None or (key == "" and sdk.provider == "gemini"):  # Google's SDKs read their variables for both
        key, token = _key_of_variables(sdk, row)
        if key is None and sdk.no_key:
            key, lacks_key = "", True
    settings["api_key"] = key
    row = replace(row, keys=(), base_url=None, needs_key=False)
    if row.name in _OTHER_PROTOCOL and sdk.module == "openai":
        row = replace(row, adapter=COMPATIBLE, package="openai")
    return row, Compat(sdk, retries, protocol, sends_key=key != "", token=token, lacks_key=lacks_key)


def of_provider(provider: str) -> Compat:
    """Return how the SDK behaves through which the factory asks a provider."""
    own = next((sdk for sdk in sdks.SDKS.values() if sdk.provider == provider), sdks.SDKS["openai"])
    return Compat(own, None, PROTOCOLS[own.name])


def _key_of_variables(sdk: Sdk, row: Provider) -> tuple[str | None, str | None]:
    """Return the key of the SDK's own variables, and the token that takes its place.

    At another provider's address no key is sent that the program has not named.
    """
    key = next((value for name in sdk.keys if (value := os.environ.get(name))), None)
    token = os.environ.get(sdk.token) if sdk.token and key is None else None
    if key is None and sdk.client:
        raise _missing_key(sdk, row)
    return (key if key is None or row.name == sdk.provider else ""), token


def _key_of_module(sdk: Sdk, row: Provider, settings: dict[str, Any]) -> tuple[str, bool]:
    """Return the key that is set on an SDK's module, and whether there is none.

    The module has the variable's value, an empty one too, until a program sets another. One that it sets to None is
    none, whatever the variable holds.
    """
    is_named = "api_key" in settings
    key = settings["api_key"] if is_named else os.environ.get(sdk.keys[0])
    is_sent = key is not None and (is_named or row.name == sdk.provider)
    return (key or "" if is_sent else ""), key is None


def _missing_key(sdk: Sdk, row: Provider) -> BaseException:
    """Return the error that the SDK raises where a client is made without a key."""
    error = ModelUnavailable(f"{row.name} is not set up: set {sdk.keys[0]}, or say api_key.", provider=row.name)
    try:
        getattr(importlib.import_module(sdk.module), sdk.client)(api_key=None)
    except Exception as raised:  # noqa: BLE001 - whatever it raises, the program has expected
        return sdk_errors.as_sdk_raises(error, raised)
    return error


def _retries(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidRequest(f"max_retries is {value!r}, not a whole number from 0 on.", parameter="max_retries")
    return value


def _timeouts(sdk: Sdk, settings: dict[str, Any]) -> Timeouts:
    if "timeout" in settings:
        return sdk.timeouts_of(settings.pop("timeout"))
    return settings.get("timeouts") or sdk.timeouts
