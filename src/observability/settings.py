"""Read the switches of tracing and delivery from the environment, else from `src/config.py`."""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from src.observability import otlp_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.observability.otlp_settings import Otlp

LANGFUSE_CLOUD = "https://cloud.langfuse.com"
_ON = {"1", "true", "yes", "on"}
_OFF = {"0", "false", "no", "off"}
# What a switch of delivery is taken for while its word means nothing.
_CAREFUL = {"ENABLE_LANGFUSE": {"ENABLE_LANGFUSE": "false"}, "MOONDEV_OFFLINE": {"MOONDEV_OFFLINE": "1"}}


class SettingsError(ValueError):
    """A variable has a value that means nothing; the message names it and the values that do.

    `instead` is what holds until that is put right, where the default could send texts to a place that nobody named.
    """

    def __init__(self, variable: str, problem: str, instead: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable
        self.instead = instead or {}


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold what tracing does in this process. Read once, when the first observation opens."""

    tracing: bool
    offline: bool
    trace_db: Path
    sync: Literal["normal", "full"]
    max_mb: int
    keep_days: int | None
    keep_days_said: bool
    langfuse_enabled: bool
    langfuse_scores_only: bool
    langfuse_host: str
    langfuse_public_key: str | None
    langfuse_secret_key: str | None
    environment: str
    release: str | None
    otlp: Otlp | None
    capture: Literal["redacted", "full", "metadata"]
    images: Literal["hash", "whole"]
    service_name: str
    signals: bool

    @property
    def langfuse_configured(self) -> bool:
        """Tell whether both Langfuse keys are set."""
        return bool(self.langfuse_public_key and self.langfuse_secret_key)

    @property
    def langfuse_delivers(self) -> bool:
        """Tell whether anything goes to Langfuse: observations and scores, or scores alone."""
        return self.tracing and self.langfuse_enabled and self.langfuse_configured and not self.offline

    @classmethod
    def read_or_default(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read all settings; one that means nothing is logged as an error, and its default taken or delivery stopped.

        This is what tracing itself starts with: a wrong word in a variable must neither stop a trade nor send what was
        meant for one's own server to another.
        """
        if environ is None:
            load_dotenv_once()
        env = dict(os.environ if environ is None else environ)
        while True:
            try:
                return cls.read(env)
            except SettingsError as error:
                holds = " ".join(f"{name}={value}" for name, value in error.instead.items())
                told = (
                    f"Until that is put right {holds} holds: everything is stored." if holds else "The default holds."
                )
                logging.getLogger("moondev.observability").error("%s %s", error, told)
                for name in error.variable.split("/"):
                    env.pop(name, None)
                env |= error.instead

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read all settings.

        Raises:
            SettingsError: a variable has a value that means nothing.
        """
        if environ is None:
            load_dotenv_once()
        env = os.environ if environ is None else environ
        named = (env.get(name, "").strip() for name in ("LANGFUSE_BASE_URL", "LANGFUSE_HOST"))
        host = next(filter(None, named), LANGFUSE_CLOUD)
        return cls(
            tracing=switch(env, "MOONDEV_TRACING", default=True),
            offline=switch(env, "MOONDEV_OFFLINE", default=False),
            trace_db=_trace_db(env),
            sync=_sync(env),
            max_mb=_whole_number(env, "MOONDEV_TRACE_MAX_MB", default=2048, least=16),
            keep_days=_keep_days(env),
            keep_days_said=bool(env.get("MOONDEV_TRACE_KEEP_DAYS", "").strip()),
            langfuse_enabled=_langfuse_enabled(env),
            langfuse_scores_only=_scores_only(env),
            langfuse_host=_host(host),
            langfuse_public_key=(env.get("LANGFUSE_PUBLIC_KEY") or "").strip() or None,
            langfuse_secret_key=(env.get("LANGFUSE_SECRET_KEY") or "").strip() or None,
            environment=_environment(env),
            release=env.get("LANGFUSE_RELEASE") or None,
            otlp=_otlp(env),
            capture=_capture(env),
            images=_images(env),
            service_name=otlp_settings.service_name(env) or "moondev",
            signals=switch(env, "MOONDEV_SIGNALS", default=True),
        )


_dotenv_lock = threading.Lock()
_dotenv_read = False


def load_dotenv_once() -> None:
    """Read the project's .env file, once; variables that are set already keep their values.

    MOONDEV_DOTENV names another file; `off` reads none.
    """
    global _dotenv_read  # noqa: PLW0603 - once for a process
    if _dotenv_read:
        return
    with _dotenv_lock:
        if _dotenv_read:
            return
        named = os.environ.get("MOONDEV_DOTENV", "").strip()
        if named.lower() not in {"off", "0", "false", "no"}:
            import dotenv

            dotenv.load_dotenv(named or dotenv.find_dotenv(usecwd=True))
        _dotenv_read = True


def config_value(name: str, default: object) -> object:
    """Return a name of `src/config.py`, or `default` where that file lacks it or does not load."""
    try:
        return getattr(importlib.import_module("src.config"), name, default)
    except Exception:  # noqa: BLE001 - a checkout's own config file may do anything while it loads
        return default


def switch(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return whether a variable says on or off.

    Raises:
        SettingsError: it says something else.
    """
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in _ON:
        return True
    if text in _OFF:
        return False
    problem = f"is {environ[name]!r}, neither on nor off: use 1, true, on, or 0, false, off."
    raise SettingsError(name, problem, _CAREFUL.get(name))


def _langfuse_said(environ: Mapping[str, str]) -> object:
    """Return what the environment says of Langfuse, else `src/config.py`: a bool, or a word."""
    said = environ.get("ENABLE_LANGFUSE", "").strip() or config_value("ENABLE_LANGFUSE", True)
    return said.strip().lower() if isinstance(said, str) else bool(said)


def _langfuse_enabled(environ: Mapping[str, str]) -> bool:
    said = _langfuse_said(environ)
    if isinstance(said, bool):
        return said
    return _scores_only(environ) or switch({"ENABLE_LANGFUSE": str(said)}, "ENABLE_LANGFUSE", default=True)


def _scores_only(environ: Mapping[str, str]) -> bool:
    """Tell whether Langfuse gets scores alone, since its observations come from an OpenTelemetry Collector."""
    return _langfuse_said(environ) == "scores"


def _trace_db(environ: Mapping[str, str]) -> Path:
    named = environ.get("MOONDEV_TRACE_DB", "").strip()
    if named:
        path = Path(named).expanduser().absolute()  # a program may change its folder later
        return path / "traces.db" if path.is_dir() else path
    import platformdirs

    return Path(platformdirs.user_data_dir("moondev", appauthor=False)) / "traces.db"


def _sync(environ: Mapping[str, str]) -> Literal["normal", "full"]:
    text = environ.get("MOONDEV_TRACE_SYNC", "").strip().lower() or "normal"
    if text == "normal":
        return "normal"
    if text == "full":
        return "full"
    raise SettingsError("MOONDEV_TRACE_SYNC", f"is {text!r}: use normal (survives kill -9) or full (power loss too).")


def _capture(environ: Mapping[str, str]) -> Literal["redacted", "full", "metadata"]:
    text = environ.get("MOONDEV_CAPTURE", "").strip().lower() or "redacted"
    if text == "redacted":
        return "redacted"
    if text == "full":
        return "full"
    if text == "metadata":
        return "metadata"
    raise SettingsError(
        "MOONDEV_CAPTURE",
        f"is {text!r}: use redacted (texts without secrets), full (texts as they are, but for your own configured "
        "keys) or metadata (no inputs and outputs).",
    )


def _images(environ: Mapping[str, str]) -> Literal["hash", "whole"]:
    text = environ.get("MOONDEV_IMAGES", "").strip().lower() or "hash"
    if text == "hash":
        return "hash"
    if text == "whole":
        return "whole"
    raise SettingsError("MOONDEV_IMAGES", f"is {text!r}: use hash (size and SHA-256) or whole (the data too).")


def _otlp(environ: Mapping[str, str]) -> Otlp | None:
    if not switch(environ, "MOONDEV_OTLP", default=False):
        return None
    try:
        return otlp_settings.read(environ)
    except otlp_settings.OtlpError as error:
        instead = {} if error.place_known else {"MOONDEV_OTLP": "off"}
        raise SettingsError(error.variable, str(error), instead) from error


def _whole_number(environ: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise SettingsError(name, f"is {text!r}, not a whole number of at least {least}.")
    return int(text)


def _keep_days(environ: Mapping[str, str]) -> int | None:
    text = environ.get("MOONDEV_TRACE_KEEP_DAYS", "").strip().lower()
    if text in {"0", "forever"}:
        return None
    if text and not text.isdecimal():
        raise SettingsError("MOONDEV_TRACE_KEEP_DAYS", f"is {text!r}: use a whole number of days, or 0 for forever.")
    return int(text or 90)


def _host(text: str) -> str:
    host = text.rstrip("/")
    if not re.match(r"(?i)https?://[^/\s]+", host):
        raise SettingsError(
            "LANGFUSE_BASE_URL/LANGFUSE_HOST",
            f"is {text!r}, not an address: it must start with https:// or http://, as {LANGFUSE_CLOUD} does.",
            {"ENABLE_LANGFUSE": "false"},  # the default is another server than the one that was meant
        )
    return host


def environment_name(text: str) -> str | None:
    """Return an environment's name as Langfuse's server takes it, in lower case; None where it takes no such name."""
    name = text.strip().lower()
    return name if re.fullmatch(r"(?!langfuse)[a-z0-9_-]{1,40}", name) else None


def _environment(environ: Mapping[str, str]) -> str:
    text = environ.get("LANGFUSE_TRACING_ENVIRONMENT", "").strip() or "default"
    name = environment_name(text)
    if name is None:
        raise SettingsError(
            "LANGFUSE_TRACING_ENVIRONMENT",
            f"is {text!r}, not a name that Langfuse takes: lower case letters, digits, - and _, at most 40, "
            "not starting with langfuse.",
        )
    return name
