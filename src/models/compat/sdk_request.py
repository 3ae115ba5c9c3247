"""Make the request of a program that was written for an SDK: its conversation and options go out in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from src.models.compat import sdk_tools
from src.models.errors import InvalidRequest
from src.models.request import content_parts
from src.models.request.arguments import build_request
from src.models.request.messages import ROLES, chat_messages, prompt_messages
from src.models.types import Message, TextPart

if TYPE_CHECKING:
    from typing import Self

    from src.models.compat.sdks import Sdk
    from src.models.compat.settings import Compat
    from src.models.types import ModelRequest, Timeouts

_ABSENT: Final = object()
_LISTS_MESSAGES = ("openai", "openai<1", "groq", "ollama", "anthropic")
# Options that the SDKs send with any value; values that only the factory refuses are sent under the SDK's name.
_LEFT_TO_PROVIDERS = frozenset({"temperature", "max_tokens", "top_p", "stop", "seed", "reasoning_effort"})
_WIRE_NAMES = {("anthropic", "stop"): "stop_sequences", ("ollama", "max_tokens"): "num_predict"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation, for the trace and for the provider.

    Attributes:
        sdk: The SDK.
        messages: Its messages.
        fields: The fields of the body that hold it, as the program's SDK would send them; None where it is in a form
            that only the factory knows, such as an image's path or a reply of the factory's, and the factory writes it.
    """

    sdk: Sdk
    messages: tuple[Message, ...]
    fields: dict[str, object] | None = None

    @classmethod
    def of_prompt(cls, compat: Compat, system_prompt: object, user_content: object) -> Self:
        """Return a single prompt as a conversation.

        Raises:
            InvalidRequest: it is in no form that is known.
            TypeError: the user content is empty, for which the old Google SDK raises it.
        """
        turns: list[object] = [{"role": "user", "content": user_content}]
        fields = None
        if not compat.asks_responses:
            if system_prompt is None or compat.sdk.name == "anthropic":
                fields = _fields(compat, turns, _ABSENT if system_prompt is None else system_prompt)
            else:
                fields = _fields(compat, [{"role": "system", "content": system_prompt}, *turns])
        messages = _prompt(compat, system_prompt, user_content) if fields is None else _records(fields)
        return cls(sdk=compat.sdk, messages=messages, fields=fields)

    @classmethod
    def of_messages(cls, compat: Compat, messages: object, arguments: dict[str, Any]) -> Self:
        """Return a program's messages as a conversation, with Anthropic's `system` taken out of the arguments.

        Nothing is moved, merged or left out, as the SDKs do none of it: what the provider refuses, it refuses here too.
        Where Anthropic's `system` is not named at all (None names it), a first system message is the system prompt, as
        code has it that earlier versions of the migration wrote.

        Raises:
            InvalidRequest: they are in no form that is known.
        """
        system = arguments.pop("system", _ABSENT) if compat.sdk.name == "anthropic" else _ABSENT
        if isinstance(messages, Iterable) and not isinstance(messages, str | Mapping):
            messages = list(messages)  # which may be read once alone
        if compat.sdk.name == "anthropic" and system is _ABSENT:
            system, messages = _first_system(messages)
        system = _ABSENT if system is None else system
        fields = _fields(compat, messages, system)
        if fields is not None:
            return cls(sdk=compat.sdk, messages=_records(fields), fields=fields)
        head = () if system is _ABSENT else prompt_messages(system, "-")[:1]
        return cls(sdk=compat.sdk, messages=(*head, *chat_messages(messages)))

    def request(self, model: str, timeouts: Timeouts, arguments: dict[str, Any]) -> ModelRequest:
        """Return the request as the program writes it; a value that the provider will refuse is sent to it.

        Raises:
            InvalidRequest: an option has an impossible value that cannot be sent; `parameter` names it.
        """
        if (timeout := arguments.get("timeout")) is not None:
            arguments["timeout"] = self.sdk.timeouts_of(timeout)
        if arguments.get("tools"):
            arguments["tools"] = sdk_tools.as_written(self.sdk, arguments["tools"])
        if (limit := arguments.pop("max_completion_tokens", None)) is not None:  # to many servers no max_tokens
            arguments["options"] = {"max_completion_tokens": limit, **(arguments.get("options") or {})}
        if arguments.get("stop") in ([], ()):
            arguments["options"] = {self._wire_name("stop"): [], **(arguments.get("options") or {})}
        while True:
            try:
                return build_request(model, self.messages, timeouts, arguments, written=self.fields)
            except InvalidRequest as error:
                name = error.parameter or ""
                if name not in _LEFT_TO_PROVIDERS or name not in arguments or self.sdk.name not in _LISTS_MESSAGES:
                    raise
                arguments["options"] = {self._wire_name(name): arguments.pop(name), **(arguments.get("options") or {})}

    def _wire_name(self, name: str) -> str:
        return _WIRE_NAMES.get((self.sdk.name, name), name)


def _first_system(messages: object) -> tuple[object, object]:
    """Return the system prompt that is the first message, and the others; no prompt where that is another one."""
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, Mapping) or first.get("role") != "system" or set(first) != {"role", "content"}:
        return _ABSENT, messages
    return first["content"], cast("list[object]", messages)[1:]


def _prompt(compat: Compat, system_prompt: object, user_content: object) -> tuple[Message, ...]:
    if user_content != "":
        return prompt_messages(system_prompt, user_content)
    if compat.sdk.name == "google.generativeai":
        raise TypeError("contents must not be empty")
    return (*prompt_messages(system_prompt, "-")[:-1], Message(role="user", content=(TextPart(""),)))


def _fields(compat: Compat, messages: object, system: object = _ABSENT) -> dict[str, object] | None:
    if compat.sdk.name not in _LISTS_MESSAGES:
        return None
    try:
        fields = {"input" if compat.asks_responses else "messages": _copied(messages)}
        return fields if system is _ABSENT else {**fields, "system": _copied(system)}
    except _NotPlainError:
        return None


class _NotPlainError(Exception):
    """A value is not what JSON has."""


def _copied(value: Any) -> Any:
    """Return a copy of a value of JSON's kinds, in which the objects of an SDK's replies are left as they are.

    A stream is requested later than it is made, and the program may have added to its list in between.
    """
    if isinstance(value, str | int | float | bool | None) or hasattr(value, "model_dump"):
        return value
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    raise _NotPlainError


def _records(fields: Mapping[str, object]) -> tuple[Message, ...]:
    """Return a conversation for the trace; what is no message there is its text."""
    messages = fields["input" if "input" in fields else "messages"]
    system = [{"role": "system", "content": fields["system"]}] if "system" in fields else []
    try:
        return chat_messages([*system, *messages] if isinstance(messages, list) else messages)
    except InvalidRequest:
        items = [*system, *(messages if isinstance(messages, list) else [messages])]
        return tuple(record for item in items for record in _records_of(item))


def _records_of(item: object) -> tuple[Message, ...]:
    try:
        return chat_messages([item])
    except InvalidRequest:
        fields = content_parts.as_mapping(item)
        role: Any = fields.get("role") if isinstance(fields, Mapping) else None
        return (Message(role=role if role in ROLES else "user", content=str(item)),)
