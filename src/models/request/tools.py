"""Read tools, and the choice among them, in whichever provider's form a caller gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Mode: TypeAlias = Literal["auto", "none", "any", "named"]

_MODES: dict[str, Mode] = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
_SCHEMAS = ("parameters", "input_schema", "parameters_json_schema", "parametersJsonSchema")
_NAMED = ("type", "function", "name", "description", "strict", *_SCHEMAS)


@dataclass(frozen=True, slots=True)
class Function:
    """Hold a function that a model may call; `extra` holds the other fields of its definition."""

    name: str
    description: str | None
    schema: Mapping[str, Any] | None
    strict: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def common_fields(self) -> dict[str, Any]:
        """Return the fields that most providers name alike, but for the schema."""
        told = {"name": self.name, "description": self.description, "strict": self.strict}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Choice:
    """Hold whether tools may or must be called, and which one where it is `named`."""

    mode: Mode
    name: str = ""


def function(tool: Mapping[str, Any]) -> Function | None:
    """Return the function that a tool is, from OpenAI's form (nested or flat), Anthropic's or Gemini's.

    None for anything else, such as a tool that a provider runs itself: it goes there as it is.
    """
    nested = tool.get("function")
    told: Mapping[str, Any] = nested if isinstance(nested, Mapping) else tool
    name = told.get("name")
    schema = next((told[key] for key in _SCHEMAS if isinstance(told.get(key), Mapping)), None)
    of_its_own = told is tool and schema is None and tool.get("type") not in (None, "function")
    if not isinstance(name, str) or not name or of_its_own:
        return None
    extra = {key: value for key, value in tool.items() if key not in _NAMED}
    return Function(name, told.get("description"), schema, told.get("strict"), extra)


def choice(given: Any) -> Choice | None:
    """Return what a tool_choice means, said in either of OpenAI's forms, in Anthropic's, or as a tool's name.

    None for a form that is none of these: it goes to the provider as it is.
    """
    if isinstance(given, str):
        mode = _MODES.get(given)
        return Choice(mode) if mode else Choice("named", given)
    if not isinstance(given, Mapping):
        return None
    inner = given.get("function")
    name = (inner if isinstance(inner, Mapping) else given).get("name")
    if isinstance(name, str) and name and given.get("type") in (None, "function", "tool"):
        return Choice("named", name)
    mode = _MODES.get(str(given.get("type")))
    return Choice(mode) if mode else None
