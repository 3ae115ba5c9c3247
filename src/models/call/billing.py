"""Add up what the requests of one call use and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from src.models import errors
from src.models.pricing import prices
from src.models.types import Completion
from src.models.usage import Cost, Usage

if TYPE_CHECKING:
    from src.models.call.hooks import ModelHooks
    from src.models.call.stream_assembly import StreamAssembly
    from src.models.types import ModelRequest

# Answers of a gateway that stopped waiting: the model behind it may have finished, and be billed.
_GAVE_UP: Final = frozenset({408, 499, 504, 522, 524})
# The HTTP clients' errors of a request that never left: no connection, or nothing that could be sent on it.
_NEVER_SENT: Final = frozenset(
    {
        "ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError",
        "InvalidURL", "ConnectionRefusedError", "gaierror", "UnicodeEncodeError", "NewConnectionError",
        "ConnectTimeoutError", "ClientConnectorError",
    }
)  # fmt: skip
_REFUSALS: Final = (
    errors.AuthenticationFailed, errors.PermissionRefused, errors.ModelNotFound, errors.InvalidRequest,
    errors.RateLimited, errors.QuotaExhausted, errors.Overloaded, errors.ModelUnavailable,
)  # fmt: skip


class Bill:
    """The sums of a call. Each request is priced by itself, since prices may depend on the length of its prompt.

    Attributes:
        usage: The tokens of all requests, None where none was reported.
        cost: What they cost; a failed request whose usage is not known is among the unknown parts, unless it was
            refused before the model worked.
        unknown_requests: How many requests have cost something that nobody knows; `cost` names what alike ones of
            them have in common once.
    """

    def __init__(self, usage: Usage | None = None, cost: Cost | None = None) -> None:
        self.usage = usage
        self.cost = cost or Cost()
        self.unknown_requests = int(bool(self.cost.unknown))
        self._is_open = False

    def open(self) -> None:
        """Note that a request goes out, whose end must be added."""
        self._is_open = True

    def add(self, model: ModelHooks, request: ModelRequest, completion: Completion) -> Usage | None:
        """Add a request that was answered, and return its usage, as far as that can be true."""
        self._is_open = False
        usage = plausible_usage(completion)
        self._add_up(usage, _cost(model, request, completion, usage))
        return usage

    def add_failure(
        self,
        model: ModelHooks,
        request: ModelRequest,
        error: errors.ModelError,
        raised: BaseException,
        assembly: StreamAssembly | None = None,
    ) -> None:
        """Add a request that failed, if one is open: by the usage that was reported, else by what its failure means.

        Args:
            model: Whose request failed.
            request: The request.
            error: Why it failed.
            raised: The exception.
            assembly: What a stream had delivered before the failure.
        """
        if not self._is_open:
            return
        self._is_open = False
        completion = Completion(content="") if assembly is None else assembly.completion()
        completion = replace(
            completion,
            usage=error.usage or completion.usage,
            reported_cost=error.reported_cost or completion.reported_cost,
        )
        usage = plausible_usage(completion)
        if usage is not None or completion.reported_cost is not None:
            cost = _cost(model, request, completion, usage)
            if assembly is not None and completion.finish_reason is None and completion.reported_cost is None:
                cost += Cost(unknown=() if cost.source == "local" else ("output after the interruption",))
            self._add_up(usage, cost)
        elif model._is_free(request.model):
            self._add_up(None, prices.free())
        elif completion.content or may_be_billed(error, raised):
            self._add_up(None, Cost(unknown=(f"a failed request ({error.category})",)))

    def _add_up(self, usage: Usage | None, cost: Cost) -> None:
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage + usage
        self.cost = self.cost + cost
        self.unknown_requests += bool(cost.unknown)

    def __add__(self, later: Bill) -> Bill:
        """Return the sums of two calls."""
        total = Bill(self.usage, self.cost)
        total._add_up(later.usage, later.cost)
        total.unknown_requests = self.unknown_requests + later.unknown_requests
        return total


def _cost(model: ModelHooks, request: ModelRequest, completion: Completion, usage: Usage | None) -> Cost:
    if completion.reported_cost is None and model._is_free(request.model):
        return prices.free()
    return prices.price(
        model.provider,
        (completion.model, request.model),
        usage,
        completion.reported_cost,
        tier=completion.service_tier or requested_tier(model.provider, request),
    )


def requested_tier(provider: str, request: ModelRequest) -> str | None:
    """Return the tier that a request asks for, by which a reply that names none is priced."""
    if not request.options:
        return None
    body = request.options.get("extra_body")
    for options in (request.options, body if isinstance(body, Mapping) else {}):
        for name in ("speed", "service_tier") if provider == "claude" else ("service_tier",):
            tier = options.get(name)
            if isinstance(tier, str) and tier not in ("auto", "standard", "standard_only"):
                return tier
    return None


def may_be_billed(error: errors.ModelError, raised: BaseException) -> bool:
    """Tell whether a request that failed without a usage may be billed: not where it was refused, or never sent."""
    if error.status is not None:
        # A reply that the provider itself rejected was written by the model all the same.
        return error.status in _GAVE_UP or getattr(error, "draft", None) is not None
    if isinstance(error, _REFUSALS):
        return False
    cause: BaseException | None = raised
    for _ in range(5):
        if cause is None:
            break
        if any(kind.__name__ in _NEVER_SENT for kind in type(cause).__mro__):
            return False
        cause = cause.__cause__ or cause.__context__
    return True


def plausible_usage(completion: Completion) -> Usage | None:
    """Return the usage without impossible zeros: every prompt has tokens, and so has every text."""
    usage = completion.usage
    if usage is None:
        return None
    if not usage.output_tokens and (completion.content or completion.tool_calls):
        usage = replace(usage, output=None, output_reasoning_tokens=None)
    if usage.input_tokens == 0:
        usage = replace(usage, input=None, input_cached_tokens=None, input_cache_creation=None)
    return usage if usage.is_known else None
