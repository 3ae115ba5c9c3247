"""Define ModelError with a subclass for each reaction that a caller can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from src.models.usage import Cost, Usage


class ModelError(Exception):
    """Why a model call failed; the message names provider and model and holds no secret.

    Attributes:
        category: The error's category, as it is recorded on the trace.
        retryable: Whether the same request may succeed later.
        message: What went wrong, without provider and model.
        provider: Whose model was called.
        model: The model that was called.
        status: The HTTP status, where there was a response.
        request_id: The provider's own id of the request.
        retry_after_s: The seconds that the provider asks to wait.
        parameter: The parameter that was refused.
        attempts: How many attempts the call made.
        trace_id: The trace of the failed generation.
        observation_id: The failed generation.
        usage: What the call used, as far as the provider reported it.
        cost: What the call cost all the same, None where it never began; `cost_usd` is its total.
        reported_cost: The provider's own figure for the request that failed.
    """

    category: ClassVar[str] = "server"
    retryable: bool = False  # the class's default; an instance may set its own

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        parameter: str | None = None,
    ) -> None:
        message = redact_text(message)  # it may quote an argument, of which one may be a key
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.parameter = parameter
        self.attempts = 1
        self.trace_id: str | None = None
        self.observation_id: str | None = None
        self.usage: Usage | None = None
        self.cost: Cost | None = None
        self.reported_cost: Cost | None = None

    @property
    def cost_usd(self) -> float | None:
        """Return what the call cost in US dollars: 0 where nothing was billed, None where that is not known."""
        return 0.0 if self.cost is None else self.cost.total

    @property
    def status_code(self) -> int:
        """Return `status` under the name that SDKs use; as there, an error without a response has none.

        Raises:
            AttributeError: there was no response.
        """
        if self.status is None:
            raise AttributeError("status_code")
        return self.status

    def __str__(self) -> str:
        """Return one line: who failed, how, and why."""
        who = "/".join(part for part in (self.provider, self.model) if part)
        how = f"{self.category}, HTTP {self.status}" if self.status else self.category
        line = f"{who}: {self.message} [{how}]" if who else f"{self.message} [{how}]"
        return redact_text(f"{line} (request {self.request_id})" if self.request_id else line)


class AuthenticationFailed(ModelError):
    """The key is missing, wrong or expired: set the right one."""

    category = "authentication"


class PermissionRefused(ModelError):
    """The key is right but may not do this: ask the provider for access, or use another model."""

    category = "permission"


class ModelNotFound(ModelError):
    """The provider has no such model: check its name, or pull it (Ollama)."""

    category = "model_not_found"


class UnknownModel(ModelNotFound, ValueError):
    """There is no model of that name here; the message lists the existing ones. Nothing was sent."""


class InvalidRequest(ModelError, ValueError):
    """The request is wrong; `parameter` names what was refused. Sending it again cannot help."""

    category = "invalid_request"


class Unsupported(InvalidRequest):
    """The provider or model lacks a requested feature; the message names an alternative. Nothing was sent."""


class ContextTooLong(InvalidRequest):
    """The prompt does not fit the model's context: shorten it, or use a model with a larger one."""

    category = "context_length"


class RateLimited(ModelError):
    """Too many requests or tokens for now; `retry_after_s` says when to come back, where it is known."""

    category = "rate_limit"
    retryable = True


class QuotaExhausted(ModelError):
    """The account has no credit left: waiting does not help, paying or another provider does."""

    category = "quota"


class BudgetExceeded(ModelError):
    """A budget that is set here has too little left for the call; nothing was sent."""

    category = "budget"


class Overloaded(ModelError):
    """The provider has no capacity at the moment: wait, or fall back to another."""

    category = "overloaded"
    retryable = True


class ModelTimeout(ModelError, TimeoutError):
    """No answer within the time allowed."""

    category = "timeout"
    retryable = True


class ConnectionFailed(ModelError, ConnectionError):
    """The provider could not be reached, or the connection broke."""

    category = "connection"
    retryable = True


class ServerFailed(ModelError):
    """The provider failed on its side."""

    category = "server"
    retryable = True


class ContentBlocked(ModelError):
    """The provider's safety rules refused the prompt or the reply: change the prompt."""

    category = "content_blocked"


class EmptyResponse(ModelError):
    """The model's reply is empty, often since reasoning used up the token limit: raise max_tokens."""

    category = "empty_response"
    retryable = True


class MalformedResponse(ModelError):
    """The reply could not be read, or does not fit the requested schema.

    Attributes:
        draft: What the model wrote, where the provider rejected it and the error shows it.
    """

    category = "malformed_response"
    draft: str | None = None


class ModelUnavailable(ModelError):
    """The provider is not set up here; the message names the variable to set or the command to run."""

    category = "unavailable"


class CallCancelled(ModelError):
    """The caller cancelled the call; recorded on the trace, while the caller sees its own interruption."""

    category = "cancelled"


class UnknownProvider(ModelError, KeyError, ValueError):
    """There is no provider of that name; the message lists the known ones."""

    category = "invalid_request"


CATEGORIES: tuple[str, ...] = (
    "authentication", "permission", "model_not_found", "invalid_request", "context_length", "rate_limit", "quota",
    "budget", "overloaded", "timeout", "connection", "server", "content_blocked", "empty_response",
    "malformed_response", "unavailable", "cancelled",
)  # fmt: skip
