"""Define BaseModel, the traced template that every provider adapter completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from src.models import capabilities, catalogue
from src.models.call import driver
from src.models.call.caller import as_caller
from src.models.call.lifecycle import Call
from src.models.call.sdk_call import SdkCall
from src.models.compat import settings as sdk_settings
from src.models.compat.sdk_request import Conversation
from src.models.errors import ModelError
from src.models.limits import reply_size
from src.models.request import fitting
from src.models.request.arguments import build_request
from src.models.request.messages import chat_messages, prompt_messages
from src.models.retry import RetryPolicy
from src.models.types import Chunk, ModelRequest, ModelResponse, Timeouts
from src.models.variables import Variables
from src.observability import network, redaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from src.models.call.steps import Steps
    from src.models.capabilities import Capabilities
    from src.models.compat.settings import Compat
    from src.models.limits.limiter import Limiter
    from src.models.types import Completion, Message, Operation

__all__ = ["BaseModel", "ModelResponse"]

FINAL = frozenset(
    {
        "generate_response", "agenerate_response", "chat", "achat", "stream_response", "astream_response",
        "stream_chat", "astream_chat",
    }
)  # fmt: skip


class BaseModel:
    """One model of one provider. Every call is timed, traced, retried, priced and stored before it returns.

    The public calls are final: a class that overrides one fails when it is defined. An adapter has the private hooks:
    `_build` (a request as its provider wants it), `_send`, `_asend`, `_read`, `_classify` (an SDK's exception as a
    ModelError), for streams `_open_stream`, `_aopen_stream`, `_read_event`.

    Args:
        model_name: The model to call.
        api_key: The provider's key; it is kept in the SDK's client and here, and shown nowhere.
        base_url: The provider's address, with the meaning that its own SDK gives it.
        timeouts: The timeouts of each call, unless the call has its own.
        retry_policy: How failed attempts are retried.
        reply_max_mb: The most megabytes of a reply after decompression, MOONDEV_REPLY_MAX_MB or 8 where not set. A
            longer one is not read to its end: the call fails as `malformed_response`.
        agent: Who asks outside any agent run; else MOONDEV_AGENT or the calling module says (docs/context.md).
        compat: The SDK that calls behave as; the factory makes it of `get_model(compat=...)`.
    """

    provider: ClassVar[str] = ""
    operation: ClassVar[Operation] = "chat"
    AVAILABLE_MODELS: ClassVar[catalogue.KnownModels] = catalogue.KnownModels()

    def __init__(
        self,
        model_name: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        retry_policy: RetryPolicy | None = None,
        reply_max_mb: float | None = None,
        agent: str | None = None,
        compat: Compat | None = None,
    ) -> None:
        self.model_name = model_name
        self.timeouts = timeouts or Timeouts()
        self.retry_policy = retry_policy or RetryPolicy()
        self.reply_max_bytes = reply_size.most_bytes(reply_max_mb)
        self.agent = agent
        self.limiter: Limiter | None = None
        self._compat = compat
        self._like_sdk: BaseModel | None = None
        self._variables = Variables()
        self._api_key = api_key
        self._base_url = base_url
        for secret in (api_key, *network.secrets_in(base_url or "")):
            if secret:
                redaction.learn(secret)

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Raise TypeError for a subclass that overrides a public call, which would then not be traced."""
        super().__init_subclass__(**kwargs)
        for name in sorted(FINAL):
            if getattr(cls, name) is not BaseModel.__dict__[name]:
                raise TypeError(
                    f"{cls.__name__} overrides {name}, which is final: every call must be traced. "
                    "Put what the provider needs into _build, _send, _read and the other hooks."
                )

    def __repr__(self) -> str:
        """Return provider and model, never the key, nor one that took the model's place."""
        return redaction.redact_text(f"{type(self).__name__}({self.provider}:{self.model_name})")

    def __bool__(self) -> bool:
        """Tell whether this model is configured: existing agents guard with `if not model:`."""
        return self.is_available()

    def is_available(self) -> bool:
        """Tell whether this model is configured."""
        return True

    @property
    def model_type(self) -> str:
        """Return the provider, under the name that existing agents use."""
        return self.provider

    @property
    def capabilities(self) -> Capabilities:
        """Return what this model can do."""
        return self._can(self.model_name)

    def as_provider(self, *names: str) -> Self:
        """Return this model where it is one of these providers'; raise AttributeError, as SDKs do, where it is not.

        Migrated code calls it where its client may have been another SDK's, which lacked the method.
        """
        if self.provider not in names:
            raise AttributeError(f"{self!r} cannot answer a call that was written for a client of {' or '.join(names)}")
        return self

    # The public calls.

    @final
    def generate_response(
        self,
        system_prompt: str | None = None,
        user_content: Any = "",
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        **options: Any,
    ) -> ModelResponse:
        """Send one prompt and return the reply.

        Args:
            system_prompt: None sends no system message.
            user_content: A text, or a list of texts and images: the Path of a file, its bytes, an image of Pillow's,
                an ImagePart, or a part in OpenAI's, Anthropic's or Gemini's form.
            temperature: 0 to 2; None sends none, so that the provider's default applies.
            max_tokens: The maximum number of output tokens; None sends none.
            **options: `response_format` (a Pydantic model or JSON Schema; the value is then `reply.parsed`),
                `stop`, `seed`, `top_p`, `reasoning_effort`, `tools` (functions with type hints, or definitions in any
                form) and `tool_choice`, `timeout` (seconds for the whole call), `langfuse_prompt` (what `get_prompt`
                of Langfuse or of `src.prompts` returned: records that version of the prompt on the generation, and
                links to it where Langfuse has it); any other option goes to the provider unchanged.

        Raises:
            ModelError: the call failed; the subclass says how. The result is never None and never an empty reply.
        """
        return self._run(self._prompt(system_prompt, user_content, temperature, max_tokens, options))

    @final
    async def agenerate_response(
        self,
        system_prompt: str | None = None,
        user_content: Any = "",
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        **options: Any,
    ) -> ModelResponse:
        """Do what `generate_response` does, in asyncio."""
        return await self._arun(self._prompt(system_prompt, user_content, temperature, max_tokens, options))

    @final
    def chat(
        self,
        messages: Iterable[Any],
        temperature: float | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> ModelResponse:
        """Continue a conversation and return the reply.

        Args:
            messages: Dictionaries in OpenAI's or Anthropic's form, `Message` records, or replies; contents may
                hold images, tool calls and their results.
            temperature: As for `generate_response`, but by default none is sent.
            max_tokens: As for `generate_response`.
            **options: As for `generate_response`.

        Raises:
            ModelError: the call failed; the subclass says how.
        """
        return self._run(self._conversation(messages, temperature, max_tokens, options))

    @final
    async def achat(
        self,
        messages: Iterable[Any],
        temperature: float | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> ModelResponse:
        """Do what `chat` does, in asyncio."""
        return await self._arun(self._conversation(messages, temperature, max_tokens, options))

    @final
    def stream_response(
        self,
        system_prompt: str | None = None,
        user_content: Any = "",
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        **options: Any,
    ) -> Iterator[Chunk]:
        """Send one prompt and yield the reply in chunks; the last chunk carries usage and cost.

        The generation ends when the stream does, when it fails, or when the caller stops reading. The last chunk's
        `reply` is the whole reply. With `response_format` its `parsed` is the value: a text that does not fit is
        repaired once after it has been streamed, and `reply.content` is then the repaired text.
        """
        return self._stream(self._prompt(system_prompt, user_content, temperature, max_tokens, options))

    @final
    def astream_response(
        self,
        system_prompt: str | None = None,
        user_content: Any = "",
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        **options: Any,
    ) -> AsyncIterator[Chunk]:
        """Do what `stream_response` does, in asyncio: `async for chunk in model.astream_response(...)`."""
        return self._astream(self._prompt(system_prompt, user_content, temperature, max_tokens, options))

    @final
    def stream_chat(
        self,
        messages: Iterable[Any],
        temperature: float | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> Iterator[Chunk]:
        """Continue a conversation and yield the reply in chunks."""
        return self._stream(self._conversation(messages, temperature, max_tokens, options))

    @final
    def astream_chat(
        self,
        messages: Iterable[Any],
        temperature: float | None = None,
        max_tokens: int | None = None,
        **options: Any,
    ) -> AsyncIterator[Chunk]:
        """Do what `stream_chat` does, in asyncio."""
        return self._astream(self._conversation(messages, temperature, max_tokens, options))

    def as_sdk(self) -> BaseModel:
        """Return this model with the behaviour of its SDK's own client, for code that used that client itself.

        Texts as they came, the SDK's retries, timeouts and errors: what `get_model(..., compat=...)` gives.
        """
        if self._compat is not None or not self.is_available():
            return self
        if self._like_sdk is None:
            compat = sdk_settings.of_provider(self.provider)
            model = type(self)(self.model_name, api_key=self._api_key, base_url=self._base_url, compat=compat)
            model.timeouts, model.agent = compat.sdk.timeouts, self.agent
            model.limiter, model._variables, self._like_sdk = self.limiter, self._variables, model
        return self._like_sdk

    # The hooks of an adapter.

    def _build(self, request: ModelRequest, *, stream: bool) -> Any:
        """Return the request as the provider wants it."""
        raise NotImplementedError(f"{type(self).__name__} has no _build.")

    def _send(self, payload: Any, timeouts: Timeouts) -> Any:
        """Send a payload and return the raw reply; raise what the SDK raises."""
        raise NotImplementedError(f"{type(self).__name__} has no _send.")

    async def _asend(self, payload: Any, timeouts: Timeouts) -> Any:
        """Do what `_send` does, in asyncio; by default in a thread of its own."""
        from src.models.transport.threads import in_thread

        return await in_thread(self._send, payload, timeouts)

    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        """Return the completion that a raw reply holds."""
        raise NotImplementedError(f"{type(self).__name__} has no _read.")

    def _open_stream(self, payload: Any, timeouts: Timeouts) -> Iterator[Any]:
        """Open a stream and return an iterator over its events; its `close`, if it has one, is called in the end."""
        raise NotImplementedError(f"{type(self).__name__} has no _open_stream.")

    async def _aopen_stream(self, payload: Any, timeouts: Timeouts) -> AsyncIterator[Any]:
        """Do what `_open_stream` does, in asyncio; by default in a thread of its own."""
        from src.models.transport.threads import iterate_in_thread

        return iterate_in_thread(self._open_stream, payload, timeouts)

    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        """Return the chunks in one event of a stream."""
        raise NotImplementedError(f"{type(self).__name__} has no _read_event.")

    def _classify(self, error: BaseException) -> ModelError:
        """Return an exception as a ModelError, by status and type first, by its message last."""
        from src.models.failures.classify import from_exception

        return from_exception(error)

    @final
    def _explain(self, error: ModelError) -> None:
        """Add to an error which variable the address or the key that it is about comes from."""
        self._variables.explain(error, self._api_key)

    @classmethod
    def _missing(cls) -> str | None:
        """Return what is missing apart from key and package, and how to get it; None for nothing."""
        return None

    def _list_models(self) -> Iterable[str]:
        """Return the names of the models that the provider lists; raise what the SDK raises."""
        raise NotImplementedError(f"{type(self).__name__} has no _list_models.")

    def _is_free(self, model: str) -> bool:  # noqa: ARG002 - for adapters some of whose models run locally
        """Tell whether a model runs on the user's own machine, so that its calls cost nothing."""
        return False

    # From arguments to a request, and from a request to a reply.

    def _prompt(
        self, system_prompt: Any, user_content: Any, temperature: Any, max_tokens: Any, options: dict[str, Any]
    ) -> ModelRequest:
        arguments = {"temperature": temperature, "max_tokens": max_tokens, **options}
        try:
            if self._compat is None:
                return self._request(prompt_messages(system_prompt, user_content), arguments)
            return self._request(Conversation.of_prompt(self._compat, system_prompt, user_content), arguments)
        except ModelError as error:
            self._name(error)
            raise

    def _conversation(self, messages: Any, temperature: Any, max_tokens: Any, options: dict[str, Any]) -> ModelRequest:
        arguments = {"temperature": temperature, "max_tokens": max_tokens, **options}
        try:
            if self._compat is None:
                return self._request(chat_messages(messages), arguments)
            return self._request(Conversation.of_messages(self._compat, messages, arguments), arguments)
        except ModelError as error:
            self._name(error)
            raise

    def _name(self, error: ModelError) -> None:
        """Add provider and model to an error."""
        error.provider, error.model = self.provider, self.model_name

    def _request(self, messages: tuple[Message, ...] | Conversation, arguments: dict[str, Any]) -> ModelRequest:
        self._variables.warn_of_changes(self, self._api_key, self._base_url)
        model = arguments.pop("model", None) or self.model_name
        if isinstance(messages, Conversation):
            return messages.request(model, self.timeouts, arguments)
        return self._fitted(build_request(model, messages, self.timeouts, arguments))

    def _fitted(self, request: ModelRequest) -> ModelRequest:
        """Return the request as its model accepts it."""
        return fitting.fit(request, self._can(request.model))

    def _can(self, model: str) -> Capabilities:
        """Return the capabilities of a model of this provider, through the API that is used here."""
        return capabilities.of(self.provider, model)

    def _steps(self, request: ModelRequest) -> Steps:
        """Return the steps of one call."""
        return self._call(request).steps()

    def _stream_steps(self, request: ModelRequest) -> Steps:
        """Return the steps of one streamed call."""
        return self._call(request).stream_steps()

    def _call(self, request: ModelRequest) -> Call:
        return Call(self, request) if self._compat is None else SdkCall(self, request, self._compat)

    def _run(self, request: ModelRequest) -> ModelResponse:
        return driver.drive(self._steps(request))

    async def _arun(self, request: ModelRequest) -> ModelResponse:
        return await driver.adrive(lambda: self._steps(request))

    def _stream(self, request: ModelRequest) -> Iterator[Chunk]:
        return driver.stream(as_caller(lambda: self._stream_steps(request)))

    def _astream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        return driver.astream(as_caller(lambda: self._stream_steps(request)))
