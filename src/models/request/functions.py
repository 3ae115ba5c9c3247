"""Describe a Python function as a tool: its signature, type hints and docstring become the definition."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    import pydantic

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every provider takes
_REFUSED_KINDS: Final = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_ARGUMENTS_TITLE: Final = re.compile(r"^[ \t]*(Args|Arguments|Parameters|Params)[ \t]*:?[ \t]*$", re.MULTILINE)
_NEXT_TITLE: Final = re.compile(r"^[A-Z][A-Za-z ]*:[ \t]*$|^-{3,}$", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<name>\w+)[ \t]*(\([^)]*\))?[ \t]*:[ \t]*(?P<text>.*)$")


def definition(tool: object) -> Mapping[str, Any]:
    """Return a tool's definition: a mapping as it is, a function or a Pydantic model by its hints and docstring.

    Raises:
        InvalidRequest: it is neither, or a parameter cannot be described; the message names it.
    """
    if isinstance(tool, Mapping):
        return tool
    if is_model(tool):
        return _of_model(tool)
    if not callable(tool) or isinstance(tool, type):
        raise _refusal(f"tools holds {tool!r:.60}: give functions, Pydantic models, or tool definitions.")
    try:
        return _of_function(tool)
    except TypeError:  # a callable that cannot be hashed
        return _of_function.__wrapped__(tool)


def is_model(tool: object) -> bool:
    """Tell whether a tool is a Pydantic model, whose fields are the parameters."""
    return isinstance(tool, type) and hasattr(tool, "model_json_schema")


def name_of(tool: object) -> str:
    """Return the name of a function or model; a method's and a partial function's is that of the function inside."""
    while isinstance(tool, functools.partial):
        tool = tool.func
    return str(getattr(tool, "__name__", type(tool).__name__))


def _of_model(model: Any) -> Mapping[str, Any]:
    schema = {key: value for key, value in model.model_json_schema().items() if key not in ("title", "description")}
    return _definition(name_of(model), inspect.cleandoc(model.__doc__ or "") or None, schema)


@functools.lru_cache(maxsize=256)
def _of_function(function: Callable[..., object]) -> Mapping[str, Any]:
    schema = _without_titles(arguments_model(function).model_json_schema())
    text, _ = _docstring(function)
    return _definition(name_of(function), text or None, schema)


def _definition(name: str, description: str | None, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _NAME.fullmatch(name):
        raise _refusal(f"A tool cannot be named {name!r}: letters, digits, _ and - are allowed, at most 64. Use def.")
    described = {"name": name, "description": description, "parameters": dict(schema)}
    return {"type": "function", "function": {key: value for key, value in described.items() if value is not None}}


@functools.lru_cache(maxsize=256)
def arguments_model(function: Callable[..., object]) -> type[pydantic.BaseModel]:
    """Return a model of a function's arguments: its fields have their names as aliases, in their order.

    Raises:
        InvalidRequest: a parameter has no type hint, or one that no JSON Schema describes; the message names it.
    """
    import pydantic

    _, texts = _docstring(function)
    hints = _hints(function)
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        name = parameter.name
        hint = _hint(function, parameter, hints)
        options: dict[str, Any] = {"alias": name}
        description = _annotated_text(hint) or texts.get(name)
        if description:
            options["description"] = description
        if parameter.default is not inspect.Parameter.empty:
            options["default"] = parameter.default
        _require_schema(function, name, hint)
        fields[f"p{index}"] = (hint, pydantic.Field(**options))
    config = pydantic.ConfigDict(extra="forbid", use_enum_values=False)
    return pydantic.create_model(name_of(function), __config__=config, **fields)


def _hint(function: Callable[..., object], parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    name = parameter.name
    if parameter.kind in _REFUSED_KINDS:
        raise _parameter_refusal(function, _REFUSED_KINDS[parameter.kind] + name, "a model must know what it may give")
    if name not in hints:
        raise _parameter_refusal(function, name, "it has no type hint")
    return hints[name]


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    """Return the type hints of a function's parameters, with those resolved that are written as texts."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner):
        inner = type(inner).__call__
    try:
        return typing.get_type_hints(inner, include_extras=True)
    except (NameError, TypeError, SyntaxError, AttributeError):
        return {name: _resolved(function, name, hint) for name, hint in inner.__annotations__.items()}


def _resolved(function: Callable[..., object], name: str, hint: Any) -> Any:
    """Return a hint, which may name what is local to the place where the function was defined."""
    if not isinstance(hint, str):
        return hint
    inner = inspect.unwrap(function)
    inner = getattr(inner, "__func__", inner)
    nonlocal_values = inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
    try:
        return eval(hint, getattr(inner, "__globals__", {}), dict(nonlocal_values))  # noqa: S307 - the program's own hint
    except Exception as error:
        if name == "return":
            return None
        raise _parameter_refusal(function, name, f"its hint {hint!r} cannot be resolved ({error})") from error


def _require_schema(function: Callable[..., object], name: str, hint: Any) -> None:
    import pydantic

    try:
        pydantic.TypeAdapter(hint).json_schema()
    except pydantic.errors.PydanticUserError as error:
        described = hint.__name__ if isinstance(hint, type) else hint
        reason = f"no JSON Schema describes its type {described} ({str(error).splitlines()[0].rstrip('.')})"
        raise _parameter_refusal(function, name, reason) from error


def _annotated_text(hint: Any) -> str | None:
    """Return the text in `Annotated[type, "text"]`; Pydantic itself reads `Field(description=...)`."""
    if typing.get_origin(hint) is not Annotated:
        return None
    return next((item for item in hint.__metadata__ if isinstance(item, str)), None)


def _docstring(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """Return a docstring's text before its list of arguments, and what that says of each argument."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    text = inspect.getdoc(inner) or ""
    title = _ARGUMENTS_TITLE.search(text)
    if title is None:
        end = _NEXT_TITLE.search(text)
        return (text[: end.start()] if end else text).strip(), {}
    return text[: title.start()].strip(), _arguments(text[title.end() :].lstrip("\n"))


def _arguments(text: str) -> dict[str, str]:
    """Return what the list of arguments in Google's style says of each."""
    arguments: dict[str, str] = {}
    current, indent = "", None
    for line in text.splitlines():
        match = _ARGUMENT.match(line)
        if not line.strip() or (indent is None and match is None):
            break
        if match is not None and indent is not None and len(match["indent"]) < indent:
            break
        if match is not None and (indent is None or len(match["indent"]) == indent):
            current, indent = match["name"], len(match["indent"])
            arguments[current] = match["text"].strip()
        elif current:
            arguments[current] = f"{arguments[current]} {line.strip()}".strip()
    return arguments


def _without_titles(schema: Any) -> Any:
    """Return a schema without the titles that Pydantic makes of names; properties named `title` stay."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(item) for name, item in value.items()}
        if key in ("properties", "$defs") and isinstance(value, dict)
        else value
        if key in ("default", "enum", "const", "examples")
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _parameter_refusal(function: Callable[..., object], name: str, reason: str) -> InvalidRequest:
    return _refusal(
        f"The function {name_of(function)} cannot be a tool because of its parameter {name}: {reason}. "
        "Give it a type hint such as str, float, Literal, list[str] or a Pydantic model, or pass a tool definition."
    )


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, parameter="tools")
