"""Check the settings of `get_model`, and the variables that it reads, before a client is made."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from src.models.errors import InvalidRequest
from src.models.limits.limiter import Limiter
from src.models.request.arguments import check_timeouts
from src.models.retry import RetryPolicy
from src.models.suggestions import nearest
from src.models.types import Timeouts
from src.models.variables import Variables
from src.observability import key_texts, network

if TYPE_CHECKING:
    from collections.abc import Collection

    from src.models.providers import Provider

# Names of settings in calls and SDKs that callers use by mistake, and the setting that is meant.
_SETTING_ALIASES: Final = {
    "timeout": "timeouts",
    "timeout_s": "timeouts",
    "key": "api_key",
    "url": "base_url",
    "model": "model_name",
}


def check(settings: dict[str, Any], known: Collection[str]) -> None:
    """Check the settings of `get_model`.

    Args:
        settings: The settings by their names.
        known: The names of the settings that the provider's models have.

    Raises:
        InvalidRequest: a setting is not known, or has an impossible value; `parameter` names it.
    """
    for name in settings:
        if name not in known:
            meant = _SETTING_ALIASES.get(name) or nearest(name, known)
            hint = f" Did you mean {meant}?" if meant else ""
            raise InvalidRequest(
                f"get_model has no setting {name!r}: it has {', '.join(known)}.{hint} Options of a call, such as "
                "temperature, belong to the call.",
                parameter=name,
            )
    for name, kinds, form in (
        ("timeouts", Timeouts, "Timeouts(connect=10, read=120, total=300)"),
        ("retry_policy", RetryPolicy, "RetryPolicy(max_attempts=3)"),
        ("limit", (str, Limiter), "a text such as '60rpm,100000tpm'"),
        ("agent", str, "the agent's name"),
        ("api_key", str, "a text"),
    ):
        value = settings.get(name)
        if value is not None and not isinstance(value, kinds):
            shown = "" if name == "api_key" else f"{value!r:.60}, "
            raise InvalidRequest(f"{name} is {shown}of type {type(value).__name__}: give {form}.", parameter=name)
    if settings.get("timeouts") is not None:
        check_timeouts("timeouts", settings["timeouts"])


def variables(row: Provider, settings: dict[str, Any]) -> Variables:
    """Return the variables that a provider's key and address come from, where they are no arguments."""
    key = None if (settings.get("api_key") or "").strip() else row.key_source()[0] or None
    is_moved = row.address() is not None and not str(settings.get("base_url") or "").strip()
    return Variables(key=key, address=row.base_url if is_moved else None)


def key_of(row: Provider, argument: str | None) -> tuple[str | None, str | None]:
    """Return a provider's key, and why it cannot be used; the reason shows nothing of the key."""
    key, source = (argument or "").strip(), "api_key"
    if not key:
        source, key = row.key_source()
    problem = key_texts.key_problem(key) if key else None
    if problem is None:
        return key or None, None
    return None, f"{source} {problem}: copy the key anew, without anything around it. Nothing was sent."


def withheld_key(row: Provider, settings: dict[str, Any], own_url: str | None) -> str | None:
    """Return why the environment's key is not sent (the caller names another party's server), None where it is.

    A variable that moves the provider's address says that the key goes there; a server on this machine is the user's
    own. Any other server gets the key that the caller gives it, and no other.

    Args:
        row: The provider.
        settings: The settings of `get_model`.
        own_url: The provider's own address.
    """
    host = _host(str(settings.get("base_url") or ""))
    own_hosts = {_host(url) for url in (own_url, row.url, row.address()) if url}
    if not host or host in own_hosts or _is_this_machine(host):
        return None
    return (
        f"{row.name} has no key for {host}: say which one goes there, as in"
        f' api_key=os.environ["{row.keys[0] if row.keys else "A_KEY"}"]; one that is set for {row.name} goes to'
        " its own server only. Nothing was sent."
    )


def _host(url: str) -> str:
    """Return the host of an address with or without a scheme."""
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").lower()
    except ValueError:  # which `address_of` reports
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# Paths of endpoints, which the adapters' SDKs add to a base URL themselves.
_ENDPOINT = re.compile(
    r"(?:/chat/completions|/v1/messages|/responses|/api/(?:chat|generate)|/v1(?:beta|alpha)?/models/[^/]+:\w+)/*\Z",
    re.IGNORECASE,
)


def address_of(row: Provider, argument: object) -> tuple[str | None, str | None]:
    """Return the configured address of a provider, None for its own, and why it cannot be used, None where it can."""
    address, source = str(argument or "").strip(), "base_url"
    if not address and row.base_url:
        address, source = os.environ.get(row.base_url, "").strip(), row.base_url
    checked = address or row.url or ""
    problem = _problem(checked, row) if checked else None
    endpoint = _ENDPOINT.search(checked) if checked and problem is None else None
    if problem is None and endpoint is None:
        return address or None, None
    source = source if address else f"The url of the provider {row.name}"
    shown = key_texts.shown_address(checked)
    if endpoint:
        base = key_texts.shown_address(checked[: endpoint.start()])
        return None, (
            f"{source} is {shown!r}, the address of one endpoint, whose path the SDK adds by itself. Give {base!r}. "
            "Nothing was sent."
        )
    return None, f"{source} is {shown!r}, no address: it {problem}.{_suggested_address(checked)} Nothing was sent."


def _problem(address: str, row: Provider) -> str | None:
    """Return what is wrong with a base URL, which may contain user and password; None where it can be used."""
    problem = key_texts.address_problem(address, needs_scheme=row.name != "ollama")
    if problem is None and any(mark in network.split_credentials(address)[0] for mark in "?#"):
        return "has a query or a fragment, behind which no path can be added"
    return problem


def _suggested_address(address: str) -> str:
    """Return a hint with the address that was probably meant by one that cannot be used."""
    plain = "".join(item for item in address if item.isprintable() and not item.isspace() and item not in "\"'`")
    scheme, separator, rest = plain.partition("://")
    scheme = "http" if separator and scheme.lower() == "http" else "https"
    if not separator:
        rest = plain.removeprefix("https:").removeprefix("http:").lstrip("/")
        local = rest.startswith(("localhost", "127.", "[::1]"))
        scheme = "http" if local else scheme
    candidate = f"{scheme}://{rest}"
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if key_texts.address_problem(candidate) is None and ("." in host or ":" in host or host == "localhost"):
        return f" Did you mean {key_texts.shown_address(candidate)}?"
    return " One looks like https://host.example/v1."
