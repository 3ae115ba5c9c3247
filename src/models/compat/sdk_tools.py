"""Describe a program's tools as the SDK does that it was written for, where that takes more than definitions."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.models.compat.sdks import Sdk


def as_written(sdk: Sdk, tools: Any) -> Any:
    """Return tools as the SDK sends them: Ollama's describes functions, and takes objects of its class `Tool`.

    What it makes of a function is not what the factory makes: a parameter with a default is required there. Tools are
    returned as they are where the SDK is not installed, and for SDKs that take definitions alone.

    Raises:
        Exception: what the SDK raises for a function that it cannot describe.
    """
    if sdk.name != "ollama" or not isinstance(tools, Sequence) or isinstance(tools, str | bytes):
        return tools
    if all(isinstance(tool, dict) for tool in tools):
        return tools
    try:
        describe = importlib.import_module(f"{sdk.module}._utils").convert_function_to_tool
    except (ImportError, AttributeError):
        return tools
    described = [describe(tool) if callable(tool) else tool for tool in tools]
    return [tool.model_dump(exclude_none=True) if hasattr(tool, "model_dump") else tool for tool in described]
