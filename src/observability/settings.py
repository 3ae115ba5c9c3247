"""Read the switches of tracing and delivery from the environment, else from `src/config.py`."""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from src.observability import dotenv_file, folders, key_texts, langfuse_settings, otlp_settings
from src.observability.addresses import plain_address
from src.observability.langfuse_settings import LangfuseSwitches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from src.observability.otlp_settings import Otlp

    Word = TypeVar("Word", bound=str)

LANGFUSE_CLOUD = "https://cloud.langfuse.com"
_ON = {"1", "true", "yes", "on"}
_OFF = {"0", "false", "no", "off"}
# What replaces a switch of delivery whose value is invalid, so that nothing is sent by mistake.
_SAFE_VALUES = {"ENABLE_LANGFUSE": {"ENABLE_LANGFUSE": "false"}, "MOONDEV_OFFLINE": {"MOONDEV_OFFLINE": "1"}}

_NO_LANGFUSE = {"ENABLE_LANGFUSE": "false"}

# The words of a variable with what each means; the first is the default.
_SYNC: Mapping[Literal["normal", "full"], str] = {"normal": "survives kill -9", "full": "power loss too"}
_CAPTURE: Mapping[Literal["redacted", "full", "metadata"], str] = {
    "redacted": "texts without secrets",
    "full": "texts as they are, but for your own configured keys",
    "metadata": "no inputs and outputs",
}
_IMAGES: Mapping[Literal["hash", "whole"], str] = {"hash": "size and SHA-256", "whole": "the data too"}


class SettingsError(ValueError):
    """A variable has an invalid value; the message names it and the values that are valid.

    `instead` maps variables to the values that apply until it is corrected, where the default could send texts to a
    server that the user did not name.
    """

    def __init__(self, variable: str, problem: str, instead: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable
        self.instead = instead or {}


@dataclass(frozen=True, slots=True)
class Settings:
    """What tracing does in this process; read once, when the first observation opens."""

    tracing: bool
    offline: bool
    trace_db: Path
    sync: Literal["normal", "full"]
    max_mb: int
    max_mb_set: bool
    keep_days: int | None
    keep_days_set: bool
    langfuse_enabled: bool
    langfuse_scores_only: bool
    langfuse_host: str = field(repr=False)  # it may hold a password
    langfuse_public_key: str | None
    langfuse_secret_key: str | None = field(repr=False)
    environment: str
    release: str | None
    otlp: Otlp | None
    capture: Literal["redacted", "full", "metadata"]
    images: Literal["hash", "whole"]
    service_name: str
    signals: bool
    langfuse: LangfuseSwitches = field(default_factory=LangfuseSwitches)
    agent: str | None = None

    @property
    def langfuse_configured(self) -> bool:
        """Tell whether both Langfuse keys are set."""
        return bool(self.langfuse_public_key and self.langfuse_secret_key)

    @property
    def langfuse_delivers(self) -> bool:
        """Tell whether anything goes to Langfuse: observations and scores, or scores alone."""
        return self.tracing and self.langfuse_enabled and self.langfuse_configured and not self.offline

    @property
    def langfuse_off(self) -> str | None:
        """Return which variable stops delivery to Langfuse; None where none does."""
        if self.offline:
            return "MOONDEV_OFFLINE"
        if not self.langfuse.tracing_enabled:
            return "LANGFUSE_TRACING_ENABLED"
        return None if self.langfuse_enabled else "ENABLE_LANGFUSE"

    @classmethod
    def read_or_default(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read all settings; log an invalid one as an error and use its default, or stop delivery.

        Tracing itself starts with these: a wrong word in a variable must neither stop a trade nor send to another
        server what was meant for the user's own.
        """
        if environ is None:
            load_dotenv_once()
        env = dict(os.environ if environ is None else environ)
        while True:
            try:
                return cls.read(env)
            except SettingsError as error:
                instead = " ".join(f"{name}={value}" for name, value in error.instead.items())
                effect = (
                    f"Until that is corrected {instead} holds: everything is stored."
                    if instead
                    else "The default holds."
                )
                logging.getLogger("moondev.observability").error("%s %s", error, effect)
                for name in error.variable.split("/"):
                    env.pop(name, None)
                env |= error.instead

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read all settings.

        Raises:
            SettingsError: a variable has an invalid value.
        """
        if environ is None:
            load_dotenv_once()
        env = os.environ if environ is None else environ
        hosts = (env.get(name, "").strip() for name in ("LANGFUSE_BASE_URL", "LANGFUSE_HOST"))
        host = next(filter(None, hosts), LANGFUSE_CLOUD)
        langfuse = _langfuse_switches(env)
        return cls(
            tracing=switch(env, "MOONDEV_TRACING", default=True),
            offline=switch(env, "MOONDEV_OFFLINE", default=False),
            trace_db=_trace_db(env),
            sync=_choice(env, "MOONDEV_TRACE_SYNC", _SYNC),
            max_mb=_whole_number(env, "MOONDEV_TRACE_MAX_MB", default=2048, least=16),
            max_mb_set=bool(env.get("MOONDEV_TRACE_MAX_MB", "").strip()),
            keep_days=_keep_days(env),
            keep_days_set=bool(env.get("MOONDEV_TRACE_KEEP_DAYS", "").strip()),
            langfuse_enabled=_langfuse_enabled(env) and langfuse.tracing_enabled,
            langfuse_scores_only=_scores_only(env),
            langfuse_host=_host(host),
            langfuse_public_key=_langfuse_key(env, "LANGFUSE_PUBLIC_KEY"),
            langfuse_secret_key=_langfuse_key(env, "LANGFUSE_SECRET_KEY"),
            environment=_environment(env),
            release=env.get("LANGFUSE_RELEASE") or None,
            otlp=_otlp(env),
            capture=_choice(env, "MOONDEV_CAPTURE", _CAPTURE),
            images=_choice(env, "MOONDEV_IMAGES", _IMAGES),
            service_name=otlp_settings.service_name(env) or "moondev",
            signals=switch(env, "MOONDEV_SIGNALS", default=True),
            langfuse=langfuse,
            agent=env.get("MOONDEV_AGENT", "").strip() or None,
        )


_dotenv_lock = threading.Lock()
_dotenv_read = False
_dotenv_problem: str | None = None


def load_dotenv_once() -> None:
    """Read the project's .env file, once; variables that are set already keep their values.

    MOONDEV_DOTENV names another file; `off` reads none. A file that is not read is named in the log.
    """
    global _dotenv_read, _dotenv_problem  # noqa: PLW0603 - once for a process
    if _dotenv_read:
        return
    with _dotenv_lock:
        if _dotenv_read:
            return
        named = os.environ.get("MOONDEV_DOTENV", "").strip()
        try:
            if named.lower() not in _OFF:
                dotenv_file.load(named)
        except dotenv_file.DotenvProblem as problem:
            _dotenv_problem = str(problem)
            logging.getLogger("moondev.observability").warning("%s", problem)
        finally:
            _dotenv_read = True


def dotenv_problem() -> str | None:
    """Return why the .env file was not read; None where it was, or where there is none."""
    return _dotenv_problem


def config_value(name: str, default: object) -> object:
    """Return a value of `src/config.py`, or `default` where that file lacks it or does not load."""
    try:
        return getattr(importlib.import_module("src.config"), name, default)
    except Exception:  # noqa: BLE001 - a checkout's own config file may do anything while it loads
        return default


def switch(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return whether a variable is on or off; `default` where it is not set.

    Raises:
        SettingsError: it is neither.
    """
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in _ON:
        return True
    if text in _OFF:
        return False
    problem = f"is {environ[name]!r}, neither on nor off: use 1, true, on, or 0, false, off."
    raise SettingsError(name, problem, _SAFE_VALUES.get(name))


def _langfuse_switch(environ: Mapping[str, str]) -> bool | str:
    """Return ENABLE_LANGFUSE, a bool or a word, from the environment, else from `src/config.py`."""
    value = environ.get("ENABLE_LANGFUSE", "").strip() or config_value("ENABLE_LANGFUSE", True)
    return value.strip().lower() if isinstance(value, str) else bool(value)


def _langfuse_enabled(environ: Mapping[str, str]) -> bool:
    value = _langfuse_switch(environ)
    if isinstance(value, bool):
        return value
    return _scores_only(environ) or switch({"ENABLE_LANGFUSE": value}, "ENABLE_LANGFUSE", default=True)


def _scores_only(environ: Mapping[str, str]) -> bool:
    """Tell whether Langfuse gets scores alone, since its observations come from an OpenTelemetry Collector."""
    return _langfuse_switch(environ) == "scores"


def _trace_db(environ: Mapping[str, str]) -> Path:
    name = environ.get("MOONDEV_TRACE_DB", "").strip()
    if name:
        try:
            path = folders.expanded(name).absolute()  # a program may change its folder later
        except folders.NoHome as error:
            raise SettingsError("MOONDEV_TRACE_DB", f"cannot be used: {error}.") from error
        return path / "traces.db" if path.is_dir() else path
    return folders.data_folder() / "traces.db"


def _choice(environ: Mapping[str, str], name: str, meanings: Mapping[Word, str]) -> Word:
    """Return which of the words in `meanings` a variable holds; the first where it is not set.

    Raises:
        SettingsError: it holds another.
    """
    text = environ.get(name, "").strip().lower()
    for word in meanings:
        if text in ("", word):
            return word
    *others, last = (f"{word} ({meaning})" for word, meaning in meanings.items())
    raise SettingsError(name, f"is {text!r}: use {', '.join(others)} or {last}.")


def _otlp(environ: Mapping[str, str]) -> Otlp | None:
    if not switch(environ, "MOONDEV_OTLP", default=False):
        return None
    try:
        return otlp_settings.read(environ)
    except otlp_settings.OtlpError as error:
        instead = {} if error.endpoint_known else {"MOONDEV_OTLP": "off"}
        raise SettingsError(error.variable, str(error), instead) from error


def _langfuse_switches(environ: Mapping[str, str]) -> LangfuseSwitches:
    try:
        return langfuse_settings.read(environ)
    except langfuse_settings.LangfuseSettingError as error:
        raise SettingsError(error.variable, str(error), error.instead) from error


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


def _langfuse_key(environ: Mapping[str, str], name: str) -> str | None:
    """Return one of Langfuse's keys, None where it is not set.

    Raises:
        SettingsError: it cannot be sent in a header.
    """
    key = environ.get(name, "").strip()
    problem = key_texts.key_problem(key) if key else None
    if problem is not None:
        raise SettingsError(name, f"{problem}: copy the key anew, without anything around it.", _NO_LANGFUSE)
    return key or None


def _host(text: str) -> str:
    host = plain_address(text)
    problem = key_texts.address_problem(host)
    if problem is not None:
        raise SettingsError(
            "LANGFUSE_BASE_URL/LANGFUSE_HOST",
            f"is {key_texts.shown_address(host)!r}, not an address: it {problem}. One looks like {LANGFUSE_CLOUD}.",
            _NO_LANGFUSE,  # the default is another server than the one that was intended
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
