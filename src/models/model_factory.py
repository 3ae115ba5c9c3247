"""Make models by provider and name; each adapter is imported when its first model is made."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from typing_extensions import override

from src.models import embedded_model, factory_settings, suggestions
from src.models.base_model import BaseModel
from src.models.errors import ConnectionFailed, InvalidRequest, ModelUnavailable, UnknownProvider
from src.models.providers import PROVIDERS, Provider
from src.observability.settings import dotenv_problem, load_dotenv_once

if TYPE_CHECKING:
    from src.models.compat.settings import Compat
    from src.models.types import ModelRequest
    from src.models.variables import Variables

Client = TypeVar("Client")

__all__ = ["PROVIDERS", "ModelFactory", "Provider", "UnavailableModel", "model_factory"]


class UnavailableModel(BaseModel):
    """Stands in for a model whose provider is not set up: it is falsy, and every call raises ModelUnavailable."""

    provider: ClassVar[str] = "unavailable"

    def __init__(self, provider: str, model_name: str, reason: str) -> None:
        super().__init__(model_name)
        self.provider = provider  # type: ignore[misc] # stands in for any provider
        self.reason = reason
        self.client = None

    @override
    def is_available(self) -> bool:
        """Return False."""
        return False

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> Any:
        raise ModelUnavailable(self.reason)

    @override
    def _list_models(self) -> Iterable[str]:
        raise ModelUnavailable(self.reason)


class _Adapters(Mapping[str, type[BaseModel]]):
    """Maps provider names to adapter classes, which are imported when they are looked up."""

    def __getitem__(self, name: str) -> type[BaseModel]:
        return _adapter(PROVIDERS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(PROVIDERS)

    def __len__(self) -> int:
        return len(PROVIDERS)

    def __contains__(self, name: object) -> bool:
        return name in PROVIDERS


class _DefaultModels(Mapping[str, str]):
    """Maps provider names to the models that are used where the caller names none."""

    def __getitem__(self, name: str) -> str:
        return PROVIDERS[name].default_model

    def __iter__(self) -> Iterator[str]:
        return iter(PROVIDERS)

    def __len__(self) -> int:
        return len(PROVIDERS)


class _AvailableModels(Mapping[str, BaseModel]):
    """Maps the configured providers to their default models, which are made when they are looked up."""

    def _names(self) -> list[str]:
        return [name for name in PROVIDERS if ModelFactory.is_model_available(name)]

    def __getitem__(self, name: str) -> BaseModel:
        if name not in self._names():
            raise KeyError(name)
        return ModelFactory.get_model(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


class ModelFactory:
    """Makes traced models. Works on the class, on an instance, and as `src.models.model_factory`.

    Getting a model never changes what later calls get: models are cached by provider, name, key and address.
    """

    MODEL_IMPLEMENTATIONS: ClassVar[Mapping[str, type[BaseModel]]] = _Adapters()
    DEFAULT_MODELS: ClassVar[Mapping[str, str]] = _DefaultModels()
    _models: ClassVar[Mapping[str, BaseModel]] = _AvailableModels()
    _cache: ClassVar[dict[tuple[object, ...], BaseModel]] = {}
    _lock: ClassVar[threading.RLock] = threading.RLock()

    @classmethod
    def get_model(
        cls,
        model_type: str,
        model_name: str | None = None,
        *,
        fallbacks: Iterable[str | BaseModel] = (),
        **settings: Any,
    ) -> BaseModel:
        """Return a model; never None.

        Args:
            model_type: The provider: claude, openai, ollama, local, ... or `provider:model` in one.
            model_name: The model, by default the provider's default model.
            fallbacks: Models to call, in this order, where the one before fails: `["openai:gpt-4o", "local"]`.
                A list item can also be a model.
            **settings: `timeouts`, `retry_policy`, `api_key`, `base_url`, `limit` (requests and tokens per minute,
                as in "60rpm,100000tpm"), `reply_max_mb` (the most megabytes of a reply), `agent` (who asks, outside
                any agent run), `api` (`chat` or `responses`, where a provider has both). A model with settings is not
                cached. Fallbacks share `timeouts` and `retry_policy`. `compat` (openai, anthropic, groq, google.genai,
                google.generativeai, ollama) has the model behave as that SDK for code that was written for it, with
                the SDK's `max_retries` and `timeout`: docs/migration.md.

        Returns:
            The model. Where the provider is not set up it is falsy, and its calls raise ModelUnavailable
            naming the variable to set.

        Raises:
            UnknownProvider: there is no provider of that name; the message lists the known ones.
        """
        load_dotenv_once()
        fallback_models = [fallbacks] if isinstance(fallbacks, str) else list(fallbacks)
        if not fallback_models:
            return cls._single_model(model_type, model_name, settings)
        if settings.get("compat") is not None:
            raise InvalidRequest("compat is for one model: an SDK has no fallbacks.", parameter="compat")
        from src.models.fallback import FallbackModel

        first = cls.get_model(model_type, model_name, **settings)
        shared = {name: settings[name] for name in ("timeouts", "retry_policy") if name in settings}
        following = (item if isinstance(item, BaseModel) else cls.get_model(item, **shared) for item in fallback_models)
        return FallbackModel([first, *following])

    @classmethod
    def _single_model(cls, model_type: str, model_name: str | None, settings: dict[str, Any]) -> BaseModel:
        row, inline = cls._row(model_type)
        name = model_name or inline or _default_name(row)
        compat: Compat | None = None
        if settings.get("compat") is not None:
            from src.models.compat import settings as sdk_settings

            row, compat = sdk_settings.pop(row, settings)
        if settings:
            factory_settings.check(settings, _setting_names(row))
        withheld = None
        if compat is None and settings.get("base_url") and not settings.get("api_key"):
            withheld = factory_settings.withheld_key(row, settings, getattr(_adapter(row), "default_base_url", None))
            row = row if withheld is None else replace(row, keys=())
        variables = factory_settings.variables(row, settings)
        key, bad_key = factory_settings.key_of(row, settings.pop("api_key", None))
        address, bad_address = factory_settings.address_of(row, settings.pop("base_url", None))
        reason = bad_key or bad_address or (row.needs_key and withheld) or _why_unavailable(row, key)
        if reason:
            return UnavailableModel(row.name, name, reason)
        if settings.keys() - (frozenset() if compat is None else _CACHED_SETTINGS):
            return _make(row, name, key, address, settings, variables, compat)
        shared = () if compat is None else (compat.identity, str(settings))
        identity = (row.name, name, key or "", address or "", *shared)
        with cls._lock:
            model = cls._cache.pop(identity, None)
            if model is None:
                model = _make(row, name, key, address, settings, variables, compat)
            if model.is_available():
                cls._cache[identity] = model  # the latest one is the last to go
            while len(cls._cache) > _MOST_CACHED:
                del cls._cache[next(iter(cls._cache))]
            return model

    @classmethod
    def _row(cls, model_type: str) -> tuple[Provider, str]:
        """Return a provider's row, and the model that may follow its name."""
        provider, _, inline = str(model_type).partition(":")
        row = PROVIDERS.get(provider.strip().lower())
        if row is None:
            hint = suggestions.of_model_type(str(model_type))
            raise UnknownProvider(
                f"There is no provider {provider!r}. Known: {', '.join(PROVIDERS)}.{hint}", parameter="model_type"
            )
        return row, inline.strip()

    @classmethod
    def is_model_available(cls, model_type: str) -> bool:
        """Tell whether a provider is set up here, without a request to it."""
        return model_type in PROVIDERS and cls.why_unavailable(model_type) is None

    @classmethod
    def why_unavailable(cls, model_type: str) -> str | None:
        """Return what to set or to install before a provider can be used; None where it is set up."""
        load_dotenv_once()
        row, _ = cls._row(model_type)
        key, bad_key = factory_settings.key_of(row, None)
        return bad_key or factory_settings.address_of(row, None)[1] or _why_unavailable(row, key)

    @classmethod
    def post(cls, url: Any, *arguments: Any, via: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Send a POST request with the caller's HTTP library, traced as a model call.

        For code that calls a provider without an SDK: `ModelFactory.post(url, headers=..., json=..., timeout=60)`
        is `requests.post` with the same arguments; it returns the same response and raises the same exceptions.
        Nothing is retried. Messages, parameters, the reply, tokens, cost and errors are recorded; headers are not.

        Args:
            url: The address. A request to an address that is no model's is sent without being recorded.
            *arguments: Passed on to `via`.
            via: What sends the request, such as `session.post` or `httpx.post`; by default `requests.post`.
            **options: Passed on to `via`. With `stream=True` the reply is read to its end first.
        """
        from src.models.raw_http import posted_model

        load_dotenv_once()
        return posted_model.post(url, via or importlib.import_module("requests").post, arguments, options)

    @classmethod
    async def apost(cls, url: Any, *arguments: Any, via: Callable[..., Awaitable[Any]], **options: Any) -> Any:
        """Do what `post` does, with an asynchronous client: `await ModelFactory.apost(url, via=client.post, ...)`."""
        from src.models.raw_http import posted_model

        load_dotenv_once()
        return await posted_model.apost(url, via, arguments, options)

    @classmethod
    def traced(cls, client: Client) -> Client:
        """Let an SDK's or a framework's client record its calls, and return it: `ModelFactory.traced(OpenAI())`.

        For a client that must stay what it is. It sends the same requests, through its own HTTP client, with its own
        retries, and returns and raises the same. Each request to a model is a generation, a streamed one while it
        passes through; headers are not recorded. A client in which no HTTP client is found is warned of.
        """
        from src.models.raw_http import sdk_clients

        return sdk_clients.traced(client)

    @classmethod
    def http_client(cls, library: str = "openai", **options: Any) -> Any:
        """Return a traced HTTP client for what takes one: `ChatOpenAI(http_client=ModelFactory.http_client())`.

        Args:
            library: `openai`, `anthropic` or `groq` for a client with that SDK's own timeouts, limits and redirects;
                `httpx` or `httpx2` for one with the library's.
            **options: The client's own arguments.

        Raises:
            InvalidRequest: the library is another one.
        """
        from src.models.raw_http import sdk_clients

        return sdk_clients.make(library, asynchronous=False, options=options)

    @classmethod
    def ahttp_client(cls, library: str = "openai", **options: Any) -> Any:
        """Do what `http_client` does, for clients of asyncio."""
        from src.models.raw_http import sdk_clients

        return sdk_clients.make(library, asynchronous=True, options=options)

    @classmethod
    def trace_http(cls) -> None:
        """Record all that this process sends to models through httpx or httpx2, whoever makes the clients.

        For libraries that make HTTP clients of their own and take none, such as LiteLLM. Call it once, at the start.
        """
        from src.models.raw_http import traced_http

        traced_http.trace_all()

    @classmethod
    def register(cls, row: Provider) -> None:
        """Add a provider of the user's own; one that speaks Chat Completions needs only a row.

        `ModelFactory.register(Provider("together", url="https://api.together.xyz/v1", keys=("TOGETHER_API_KEY",)))`.
        Rows can also be in a file that MOONDEV_PROVIDERS names; see `src.models.providers.rows_of`.

        Raises:
            InvalidRequest: the name is a built-in provider's, or not a valid name.
        """
        PROVIDERS.register(row)

    @property
    def available_models(self) -> dict[str, Mapping[str, Mapping[str, Any]]]:
        """Return the providers that are set up, each with its known models."""
        from src.models import catalogue

        return {name: catalogue.legacy_models(name) for name in self._models}

    @property
    def AVAILABLE_MODELS(self) -> dict[str, Mapping[str, Mapping[str, Any]]]:  # noqa: N802 - as existing agents read it
        """Return what `available_models` does."""
        return self.available_models


_MOST_CACHED = 128  # models, where a program asks with many keys
_CACHED_SETTINGS = frozenset({"timeouts", "api"})  # which a model that behaves as an SDK always has
_subclasses_lock = threading.RLock()
_subclasses: dict[Provider, type[BaseModel]] = {}


def _adapter(row: Provider) -> type[BaseModel]:
    """Import a provider's adapter. A row that shares its adapter with others gets a subclass of its own."""
    module, _, name = row.adapter.partition(":")
    adapter: type[BaseModel] = getattr(importlib.import_module(f"src.models.adapters.{module}"), name)
    if adapter.provider == row.name:
        return adapter
    with _subclasses_lock:
        subclass = _subclasses.get(row)
        if subclass is None:
            body = {"provider": row.name, "default_base_url": row.url, "__module__": adapter.__module__}
            subclass = _subclasses[row] = type(f"{row.name.title()}Model", (adapter,), body)
        return subclass


def _default_name(row: Provider) -> str:
    name = row.default_model or (embedded_model.name() if row.name == "local" else "")
    if not name:
        raise InvalidRequest(f"{row.name} has no default model: name one.", parameter="model_name")
    return name


def _why_unavailable(row: Provider, key: str | None) -> str | None:
    """Return what to set or to install before a provider can be used; None where it is set up."""
    if row.needs_key and not key:
        other = f" (or {', '.join(row.keys[1:])})" if row.keys[1:] else ""
        problem = dotenv_problem()
        unread = f" {problem}" if problem else ""
        return f"{row.name} is not set up: set {row.keys[0]}{other} in the environment or in .env.{unread}"
    if row.package and not _installed(row.package):
        return f"{row.name} needs a package that is not installed. Run: pip install {row.package.replace('.', '-')}"
    return _adapter(row)._missing()


def _setting_names(row: Provider) -> tuple[str, ...]:
    """Return the settings that the models of a provider have: the arguments of its adapter, and their limit."""
    names: dict[str, None] = {}
    for kind in _adapter(row).__mro__:
        if "__init__" in vars(kind) and kind is not object:
            parameters = inspect.signature(vars(kind)["__init__"]).parameters.values()
            names |= dict.fromkeys(item.name for item in parameters if item.kind is item.KEYWORD_ONLY)
    return (*names, "limit")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a subpackage whose parent is not installed
        return False


def _make(
    row: Provider,
    name: str,
    key: str | None,
    address: str | None,
    settings: dict[str, Any],
    variables: Variables,
    compat: Compat | None,
) -> BaseModel:
    from src.models import guard
    from src.models.limits import limiter
    from src.models.pricing import prices
    from src.observability.langfuse_sdk import patched_sdks

    limit = settings.pop("limit", None)
    if compat is not None:
        settings["compat"] = compat
    try:
        model = _adapter(row)(name, api_key=key, base_url=address, **settings)
    except ConnectionFailed as error:  # a variable of the environment keeps its client from being made
        return UnavailableModel(row.name, name, error.message)
    model._variables = variables
    patched_sdks.warn_of_patches()
    guard.install()
    model.limiter = limiter.parse(limit) if limit else limiter.configured(row.name, key or "")
    prices.warm(row.name, name)
    return model


model_factory = ModelFactory()
