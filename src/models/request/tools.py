"""Read tool definitions and tool choices in any provider's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Mode: TypeAlias = Literal["auto", "none", "any", "named"]

_MODES: dict[str, Mode] = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
_SCHEMAS = ("parameters", "input_schema", "parameters_json_schema", "parametersJsonSchema")
_FUNCTION_FIELDS = ("type", "function", "name", "description", "strict", *_SCHEMAS)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a model may call; `extra` holds the other fields of its definition."""

    name: str
    description: str | None
    schema: Mapping[str, Any] | None
    strict: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def common_fields(self) -> dict[str, Any]:
        """Return the fields that have the same name at most providers: all but the schema."""
        fields = {"name": self.name, "description": self.description, "strict": self.strict}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether tools may or must be called, and the tool's name where the mode is `named`."""

    mode: Mode
    name: str = ""


def function(tool: Mapping[str, Any]) -> Function | None:
    """Return the function that a tool defines, in OpenAI's form (nested or flat), Anthropic's or Gemini's.

    None for anything else, such as a tool that a provider runs itself: it goes to the provider unchanged.
    """
    nested = tool.get("function")
    definition: Mapping[str, Any] = nested if isinstance(nested, Mapping) else tool
    name = definition.get("name")
    schema = next((definition[key] for key in _SCHEMAS if isinstance(definition.get(key), Mapping)), None)
    is_providers_own = definition is tool and schema is None and tool.get("type") not in (None, "function")
    if not isinstance(name, str) or not name or is_providers_own:
        return None
    return Function(
        name=name,
        description=definition.get("description"),
        schema=schema,
        strict=definition.get("strict"),
        extra={key: value for key, value in tool.items() if key not in _FUNCTION_FIELDS},
    )


def choice(tool_choice: Any) -> Choice | None:
    """Return the meaning of a tool_choice in either of OpenAI's forms, in Anthropic's, or as a tool's name.

    None for any other form: it goes to the provider unchanged.
    """
    if isinstance(tool_choice, str):
        mode = _MODES.get(tool_choice)
        return Choice(mode) if mode else Choice("named", tool_choice)
    if not isinstance(tool_choice, Mapping):
        return None
    inner = tool_choice.get("function")
    name = (inner if isinstance(inner, Mapping) else tool_choice).get("name")
    if isinstance(name, str) and name and tool_choice.get("type") in (None, "function", "tool"):
        return Choice("named", name)
    mode = _MODES.get(str(tool_choice.get("type")))
    return Choice(mode) if mode else None
