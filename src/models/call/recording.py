"""Write what is known of a call onto its generation."""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any, ParamSpec

from src.models.request import tools
from src.models.types import RawPart, TextPart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.models.errors import ModelError
    from src.models.types import Completion, Cost, Message, ModelRequest, Operation, Part, PromptLink, ToolCall, Usage
    from src.observability.tracing.observation import Observation

P = ParamSpec("P")
_log = logging.getLogger("moondev.observability")


def _safely(write: Callable[P, None]) -> Callable[P, None]:
    """Log what the decorated function raises: a failure to record must never fail the call."""

    @functools.wraps(write)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            write(*args, **kwargs)
        except Exception:  # noqa: BLE001 - tracing never breaks the traced code
            _log.exception("A call could not be recorded in full.")

    return guarded


@_safely
def write_request(observation: Observation, provider: str, request: ModelRequest, operation: Operation) -> None:
    """Record the request: model, parameters, and the messages as input."""
    if not observation.recording:
        return
    from src.observability.spans import encoding

    parameters = request.parameters()
    observation.set(
        PROVIDER=provider,
        OPERATION=operation,
        MODEL=request.model,
        REQUEST_MODEL=request.model,
        MODEL_PARAMETERS=encoding.json_text(parameters) if parameters else None,
    )
    if request.prompt is not None:
        _write_prompt(observation, request.prompt)
    messages = [_message(message) for message in request.messages]
    observation.update(
        input={"messages": messages, "tools": [_tool(tool) for tool in request.tools]} if request.tools else messages,
        metadata={"adjusted_parameters": dict(request.adjusted)} if request.adjusted else None,
    )


def _write_prompt(observation: Observation, prompt: PromptLink) -> None:
    """Record which prompt was used: a link where Langfuse has this version, else metadata, which link to nothing.

    A number of a file would be shown as Langfuse's version of that number, whatever that says.
    """
    if prompt.version is not None:
        observation.set(PROMPT_NAME=prompt.name, PROMPT_VERSION=prompt.version)
    local = prompt.local_version
    observation.update(
        metadata={
            "prompt_name": prompt.name if local is not None else None,
            "prompt_version": local,
            "prompt_hash": prompt.digest,
            "prompt_variables": dict(prompt.variables) if prompt.variables is not None else None,
            "prompt_variables_hash": prompt.variables_digest,
        }
    )


@_safely
def write_reply(observation: Observation, completion: Completion, usage: Usage | None, cost: Cost) -> None:
    """Record the reply: output, the model that answered, tokens and money."""
    if not observation.recording:
        return
    observation.set(
        MODEL=completion.model,
        RESPONSE_MODEL=completion.model,
        RESPONSE_ID=completion.response_id,
        FINISH_REASONS=(completion.finish_reason,) if completion.finish_reason else None,
    )
    observation.update(
        output=_output(completion),
        metadata={
            "finish_reason": completion.finish_reason,
            "cost_source": cost.source,
            "cost_date": cost.date,
            **completion.notes,
        },
    )
    write_usage(observation, usage, cost)


@_safely
def write_usage(observation: Observation, usage: Usage | None, cost: Cost) -> None:
    """Record tokens and money, also of a failed call."""
    if not observation.recording:
        return
    from src.observability.spans import encoding

    details = _cost_details(usage, cost)
    if details is not None:
        observation.set(COST_DETAILS=encoding.json_text(details))
    metadata: dict[str, object] = {}
    if cost.unknown:
        metadata["cost_unknown"] = list(cost.unknown)
    if usage is None and cost.unknown and not cost.parts:
        metadata["usage_known"] = False
    if usage is not None and usage.units:
        metadata["billed_units"] = dict(usage.units)
    if metadata:
        observation.update(metadata=metadata)

    if usage is not None:
        observation.set(
            USAGE_DETAILS=encoding.json_text(usage.details()),
            INPUT_TOKENS=usage.input_tokens,
            OUTPUT_TOKENS=usage.output_tokens,
            CACHE_READ_TOKENS=usage.input_cached_tokens,
            CACHE_WRITE_TOKENS=usage.input_cache_creation,
            REASONING_TOKENS=usage.output_reasoning_tokens,
        )


def _cost_details(usage: Usage | None, cost: Cost) -> dict[str, float] | None:
    """Return the cost details for Langfuse's server; None leaves the cost to the prices that its user has set there.

    Where nothing says what a call used, the server would count the tokens of its texts and price them: a total of 0
    keeps it from that, whether the call cost nothing or nobody knows what it cost.
    """
    if usage is None and not cost.parts:
        return {"total": 0.0}
    if cost.parts or cost.is_whole or cost.source is not None or (usage is not None and usage.contradiction):
        return cost.details
    return None


@_safely
def write_failure(observation: Observation, error: ModelError) -> None:
    """Record why the call failed."""
    observation.fail(error.message, error.category)
    metadata = {"status": error.status, "request_id": error.request_id, "parameter": error.parameter}
    observation.update(metadata={name: value for name, value in metadata.items() if value is not None})


@_safely
def write_retry(observation: Observation, error: ModelError, attempt: int, wait_s: float) -> None:
    """Record a failed attempt that is retried, as a child event."""
    from src.observability import metrics

    metrics.record_retry(error.provider or "", error.model or "", error.category)
    observation.event(
        "attempt_failed",
        level="WARNING",
        status_message=error.message,
        metadata={
            "category": error.category,
            "status": error.status,
            "wait_s": round(wait_s, 3),
            "attempt": attempt,
        },
    )


@_safely
def write_repair(observation: Observation, text: str, problem: str) -> None:
    """Record, as a child event, a reply that does not fit and is shown to the model again."""
    observation.event("repair", level="WARNING", status_message=problem, metadata={"reply": text})
    observation.update(metadata={"repaired": True})


@_safely
def write_attempts(
    observation: Observation, attempts: int, retried: Sequence[str], rate_limits: dict[str, Any] | None
) -> None:
    """Record the number of attempts, why some were tried again, and the rate limits that the provider reported."""
    observation.update(metadata={"attempts": attempts, "retried": list(retried) or None, "rate_limits": rate_limits})


@_safely
def count_call(
    *,
    provider: str,
    model: str,
    answered_by: str | None,
    seconds: float,
    usage: Usage | None,
    cost: Cost,
    error_category: str | None,
) -> None:
    """Count a call that ended for the program's metrics.

    Args:
        provider: Whose model was asked.
        model: The model that was requested.
        answered_by: The model that answered, None where none did.
        seconds: How long the call took.
        usage: The tokens of all attempts.
        cost: The money of all attempts.
        error_category: The category of the failure, None where the call succeeded.
    """
    if sys.is_finalizing():  # a stream that was left open until then; nothing can be imported any more
        return
    from src.observability.metrics import CallRecord, is_enabled, record_call

    if is_enabled():
        record_call(
            CallRecord(
                provider=provider,
                model=model,
                answered_by=answered_by,
                seconds=seconds,
                input_tokens=usage.input_tokens if usage else None,
                output_tokens=usage.output_tokens if usage else None,
                cost_usd=cost.known if cost.parts or cost.is_whole else None,
                is_priced=cost.is_whole,
                error=error_category,
            )
        )


def _message(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": message.role}
    if isinstance(message.content, str):
        record["content"] = message.content
    else:
        record["content"] = [_part(part) for part in message.content]
    if message.tool_calls:
        record["tool_calls"] = _tool_calls(message.tool_calls)
    if message.tool_call_id:
        record["tool_call_id"] = message.tool_call_id
    return record


def _part(part: Part) -> dict[str, Any]:
    """Describe a part; an image by its hash and size, unless its data is to be recorded."""
    if isinstance(part, TextPart):
        mark = {} if part.cache_control is None else {"cache_control": dict(part.cache_control)}
        return {"type": "text", "text": part.text, **mark}
    if isinstance(part, RawPart):
        return dict(part.content)
    if part.data is not None:
        from src.observability.tracing import images

        return images.image(part.media_type, part.data)
    return {"type": "image", "url": part.url}


def _output(completion: Completion) -> object:
    if not completion.tool_calls and not completion.reasoning:
        return completion.content
    record: dict[str, Any] = {"role": "assistant", "content": completion.content}
    if completion.reasoning:
        record["reasoning"] = completion.reasoning
    if completion.tool_calls:
        record["tool_calls"] = _tool_calls(completion.tool_calls)
    return record


def _tool(tool: Mapping[str, object]) -> Mapping[str, object]:
    """Return a tool's definition in OpenAI's nested form, which Langfuse shows; a provider's own tool as it is."""
    definition = tools.function(tool)
    if definition is None:
        return tool
    return {"type": "function", "function": {**definition.common_fields(), "parameters": definition.schema or {}}}


def _tool_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]
