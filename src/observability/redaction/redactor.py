"""Replace secrets in any value by [REDACTED:<kind>]; everything that is written anywhere passes through here first.

`redact` never changes its argument, gives the same result when applied twice, and fails closed: what it cannot judge,
it replaces. The default redactor follows the environment: MOONDEV_REDACT=strict also replaces 64 hex digits that no
word nearby explains, MOONDEV_REDACT_PII=email,phone,card,wallet adds personal data, and the values of all variables
that are named like secrets are replaced wherever they occur.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from src.observability.redaction.clean_texts import SHORTEST, KnownClean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from src.observability.redaction.rules.configured_secrets import Forms
    from src.observability.redaction.texts import EngineName

__all__ = ["FAILED", "Redactor", "configure", "current", "hide_own", "learn", "redact", "redact_text", "refresh"]

T = TypeVar("T")

FAILED: Final = "[REDACTED:redaction_failed]"
_MOST_LEARNED: Final = 200  # a service with a key for each of its users keeps those it was handed last
OWN: Final = "[REDACTED:configured_secret]"


@functools.lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> Forms:
    from src.observability.redaction.rules import configured_secrets

    return configured_secrets.forms(secrets)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Hold one immutable way to redact: our own secrets' values, the switches, the engine (auto, fast or plain)."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    strict: bool = False
    pii: frozenset[str] = frozenset()
    engine: EngineName = "auto"
    _text: Callable[[str, str], str] = field(init=False, repr=False, compare=False)
    _value: Callable[[object], object] = field(init=False, repr=False, compare=False)
    _clean: KnownClean = field(init=False, repr=False, compare=False, default_factory=KnownClean)

    def __post_init__(self) -> None:
        # The patterns are loaded here, so that importing this module costs next to nothing.
        from src.observability.redaction import texts
        from src.observability.redaction.values import Walk

        options = texts.Options(_forms(self.secrets), self.strict, self.pii, self.engine)
        object.__setattr__(self, "_text", functools.partial(texts.redact, options))
        object.__setattr__(self, "_value", lambda value: Walk(self._text).value(value))

    def text(self, text: str, hint: str = "") -> str:
        """Return a text without secrets; the hint is the key under which it stands, if any."""
        if hint or len(text) < SHORTEST or type(text) is not str:
            return self._text(text, hint)
        if text in self._clean:
            return text
        clean = self._text(text, "")
        if clean == text:
            self._clean.add(text)
        return clean

    def value(self, value: T) -> T:
        """Return a value without secrets: mappings as dicts, lists, tuples, sets and bytes as themselves."""
        try:
            return cast("T", self._value(value))
        except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
            return cast("T", FAILED)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Hold what configure() was told, beside what the environment says; None leaves it to the environment."""

    secrets: tuple[str, ...] = ()
    strict: bool | None = None
    pii: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Current:
    environment: object
    redactor: Redactor


_lock = threading.Lock()
_settings = _Settings()
_learned: tuple[str, ...] = ()
_current: _Current | None = None


def redact(value: T) -> T:
    """Return a value of any shape without secrets: str as str, mapping as dict, list as list, bytes as bytes."""
    try:
        redactor = _redactor()
    except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
        return cast("T", FAILED)
    return redactor.value(value)


def redact_text(text: str) -> str:
    """Return a text without secrets."""
    try:
        redactor = _redactor()
    except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
        return FAILED
    return redactor.text(text)


def current() -> Redactor:
    """Return the redactor of now: another object as soon as the environment or the settings are others.

    Raises:
        Exception: it could not be made; what was to be redacted must then be withheld.
    """
    return _redactor()


def hide_own(text: str) -> str:
    """Return a text without our own configured secrets; whatever else is secret in it stays."""
    try:
        for form in _forms(_redactor().secrets):
            if form in text:
                text = text.replace(form, OWN)
    except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
        return FAILED
    return text


def configure(secrets: Iterable[str] = (), *, strict: bool | None = None, pii: Iterable[str] | None = None) -> Redactor:
    """Replace the default redactor's settings and return it; what is None, the environment decides.

    Args:
        secrets: values to replace wherever they occur, beside the environment's; those under 8 characters are ignored.
        strict: whether 64 hex digits that no word nearby explains are replaced.
        pii: kinds of personal data to replace: email, phone, card, wallet.
    """
    global _settings, _current  # noqa: PLW0603 - one default for the process, replaced as a whole
    with _lock:
        _settings = _Settings(tuple(secrets), strict, None if pii is None else frozenset(pii))
        _current = None
    return _redactor()


def learn(secret: str) -> None:
    """Replace a secret that a program hands over, such as a model's key, wherever it occurs from now on."""
    global _learned, _current  # noqa: PLW0603 - as above
    if secret in _learned:
        return
    with _lock:
        _learned = (*_learned[-_MOST_LEARNED + 1 :], secret)
        _current = None


def refresh() -> None:
    """Read the environment's secrets again, for instance after a .env file was loaded."""
    global _current  # noqa: PLW0603 - as above
    with _lock:
        _current = None


def _environment() -> object:
    """Return the mapping beneath os.environ: comparing it with its last copy decodes nothing and costs under 1 us."""
    return getattr(os.environ, "_data", os.environ)


def _redactor() -> Redactor:
    global _current  # noqa: PLW0603 - as above
    current = _current
    if current is not None and current.environment == _environment():
        return current.redactor
    with _lock:
        environment = dict(cast("Mapping[object, object]", _environment()))
        current = _current = _Current(environment, _build(dict(os.environ), _settings))
    return current.redactor


def _build(environment: Mapping[str, str], settings: _Settings) -> Redactor:
    from src.observability.redaction.rules import configured_secrets

    mode = environment.get("MOONDEV_REDACT", "").strip().lower()
    kinds = frozenset(kind.strip().lower() for kind in environment.get("MOONDEV_REDACT_PII", "").split(",")) - {""}
    return Redactor(
        secrets=tuple(dict.fromkeys((*settings.secrets, *_learned, *configured_secrets.from_environment(environment)))),
        strict=mode == "strict" if settings.strict is None else settings.strict,
        pii=kinds if settings.pii is None else settings.pii,
    )
