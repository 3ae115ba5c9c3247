"""Replace secrets in any value by [REDACTED:<kind>], before the value is written anywhere.

`redact` never changes its argument, is idempotent, and fails closed: what cannot be checked is replaced. The default
redactor follows the environment: MOONDEV_REDACT=strict also replaces 64 hex digits that no word nearby explains,
MOONDEV_REDACT_PII=email,phone,card,wallet adds personal data, and the values of all variables that are named like
secrets are replaced wherever they occur.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from src.observability.redaction.clean_texts import SHORTEST, CleanTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from src.observability.redaction.rules.configured_secrets import Forms
    from src.observability.redaction.texts import EngineName

__all__ = ["FAILED", "Redactor", "configure", "current", "hide_own", "learn", "redact", "redact_text", "refresh"]

T = TypeVar("T")

FAILED: Final = "[REDACTED:redaction_failed]"
_MOST_LEARNED: Final = 200  # of a service with a key for each of its users, the newest are remembered
_OWN: Final = "[REDACTED:configured_secret]"


@functools.lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> Forms:
    from src.observability.redaction.rules import configured_secrets

    return configured_secrets.forms(secrets)


def _breakable(secrets: tuple[str, ...]) -> Forms:
    from src.observability.redaction.rules import configured_secrets

    return configured_secrets.breakable(secrets)


@dataclass(frozen=True, slots=True)
class Redactor:
    """An immutable configuration of redaction: our own secrets, the switches, the engine (auto, fast or plain)."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    strict: bool = False
    pii: frozenset[str] = frozenset()
    engine: EngineName = "auto"
    _text: Callable[[str, str], str] = field(init=False, repr=False, compare=False)
    _value: Callable[[object], object] = field(init=False, repr=False, compare=False)
    _clean: CleanTexts = field(init=False, repr=False, compare=False, default_factory=CleanTexts)

    def __post_init__(self) -> None:
        # Imported here, so that importing this module stays cheap.
        from src.observability.redaction import texts
        from src.observability.redaction.values import Walk

        options = texts.Options(
            forms=_forms(self.secrets),
            breakable=_breakable(self.secrets),
            strict=self.strict,
            pii=self.pii,
            engine=self.engine,
        )
        object.__setattr__(self, "_text", functools.partial(texts.redact, options))
        object.__setattr__(self, "_value", lambda value: Walk(self._text).value(value))

    def text(self, text: str, hint: str = "") -> str:
        """Return a text without secrets; the hint is the mapping key under which it stands, if any."""
        if hint or len(text) < SHORTEST or type(text) is not str:
            return self._text(text, hint)
        if text in self._clean:
            return text
        clean = self._text(text, "")
        if clean == text:
            self._clean.add(text)
        return clean

    def value(self, value: T) -> T:
        """Return a value without secrets: a mapping as a dict; lists, tuples, sets and bytes keep their type."""
        try:
            return cast("T", self._value(value))
        except Exception:  # noqa: BLE001 - fail closed, whatever the error
            return cast("T", FAILED)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The arguments of configure(); where one is None, the environment decides."""

    secrets: tuple[str, ...] = ()
    strict: bool | None = None
    pii: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Current:
    """The default redactor, with the environment that it was built from."""

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
    except Exception:  # noqa: BLE001 - fail closed, whatever the error
        return cast("T", FAILED)
    return redactor.value(value)


def redact_text(text: str) -> str:
    """Return a text without secrets."""
    try:
        redactor = _redactor()
    except Exception:  # noqa: BLE001 - fail closed, whatever the error
        return FAILED
    return redactor.text(text)


def current() -> Redactor:
    """Return the default redactor, a new object whenever the environment or the settings have changed.

    Raises:
        Exception: it cannot be built; the caller must then withhold what it wanted to redact.
    """
    return _redactor()


def hide_own(text: str) -> str:
    """Return a text without our own configured secrets; other secrets stay."""
    try:
        for form in _forms(_redactor().secrets):
            if form in text:
                text = text.replace(form, _OWN)
    except Exception:  # noqa: BLE001 - fail closed, whatever the error
        return FAILED
    return text


def configure(secrets: Iterable[str] = (), *, strict: bool | None = None, pii: Iterable[str] | None = None) -> Redactor:
    """Replace the default redactor's settings and return it; where an argument is None, the environment decides.

    Args:
        secrets: values to replace wherever they occur, besides the environment's; those under 8 characters are ignored.
        strict: whether 64 hex digits that no word nearby explains are replaced.
        pii: kinds of personal data to replace: email, phone, card, wallet.
    """
    global _settings, _current  # noqa: PLW0603 - one default for the process, replaced as a whole
    with _lock:
        _settings = _Settings(secrets=tuple(secrets), strict=strict, pii=None if pii is None else frozenset(pii))
        _current = None
    return _redactor()


def learn(secret: str) -> None:
    """Replace a secret that a program passes in, such as a model's key, wherever it occurs from now on."""
    global _learned, _current  # noqa: PLW0603 - as above
    if secret in _learned:
        return
    with _lock:
        _learned = (*_learned[-_MOST_LEARNED + 1 :], secret)
        _current = None


def refresh() -> None:
    """Read the environment's secrets again, for instance after a .env file has been loaded."""
    global _current  # noqa: PLW0603 - as above
    with _lock:
        _current = None


def _environment() -> object:
    """Return the mapping beneath os.environ, which can be compared with a copy in under 1 us, without decoding."""
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
