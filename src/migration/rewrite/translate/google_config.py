"""Google's generation configuration in the factory's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import entries, is_literal
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.translate.translated_call import Pairs

_OPTIONS = {"temperature": "temperature", "max_output_tokens": "max_tokens", "top_p": "top_p",
            "stop_sequences": "stop", "seed": "seed", "top_k": "top_k"}  # fmt: skip
# Passed on under their own names, where they are literals: values of the SDK's own types would need its import.
_LITERAL_OPTIONS = frozenset(
    {"response_mime_type", "candidate_count", "presence_penalty", "frequency_penalty", "safety_settings"}
)
_CONFIG_TYPES = ("GenerationConfig", "GenerateContentConfig")


def literal_settings(settings: cst.BaseExpression) -> cst.BaseExpression:
    """Return safety settings that are a literal list.

    Raises:
        Unprovable: they are not.
    """
    if not isinstance(settings, cst.List) or not is_literal(settings):
        raise Unprovable("its safety settings are not a literal list", "pass safety_settings as a list of dictionaries")
    return settings


def google_options(config: cst.BaseExpression, values: Evaluator) -> Pairs:
    """Return a generation configuration's settings by the factory's names.

    Raises:
        Unprovable: it is not a literal, or has a setting without a counterpart.
    """
    if isinstance(config, cst.Name):
        bindings = values.tree.bindings(config)
        if len(bindings) == 1 and bindings[0].kind == "assign" and isinstance(bindings[0].value, cst.Dict | cst.Call):
            return google_options(bindings[0].value, values)
    settings = _literal_entries(config, values)
    literal = {name for name, value in (settings or {}).items() if name in _LITERAL_OPTIONS and is_literal(value)}
    if settings is None or set(settings) - set(_OPTIONS) - {"system_instruction"} - literal:
        raise Unprovable("its configuration holds what cannot be carried over for certain", "pass the options by name")
    return [(_OPTIONS.get(name, name), value) for name, value in settings.items()]


def _literal_entries(config: cst.BaseExpression, values: Evaluator) -> dict[str, cst.BaseExpression] | None:
    """Return the settings of a dictionary or of a call of the SDK's configuration type, None where unknown."""
    if isinstance(config, cst.Dict):
        return entries(config)
    if isinstance(config, cst.Call) and (values.module(config.func) or "").rpartition(".")[2] in _CONFIG_TYPES:
        settings = {arg.keyword.value: arg.value for arg in config.args if arg.keyword is not None}
        return settings if len(settings) == len(config.args) else None
    return None
