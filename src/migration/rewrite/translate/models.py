"""The model of the factory that replaces an SDK's client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.check_facts import VOCABULARY
from src.migration.rewrite.analysis.folding import MARK, environment_variables, fold
from src.migration.rewrite.analysis.syntax import code, is_none, keyword, positional, walk
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate import evaluations, keys
from src.migration.rewrite.translate.constructions import Construction, arguments_of
from src.migration.rewrite.translate.google_config import google_options, literal_settings
from src.migration.rewrite.translate.model_spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.migration.rewrite.analysis.values import Evaluator

_NOT_TAKEN = ("default_headers", "default_query", "project")  # of what is set on the openai SDK's module
_SETTING_NAMES = {"api_base": "base_url"}  # on an SDK's module -> the factory's
_OLLAMA = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0):11434(?:/v1|/api)?/?$")
_OLLAMA_IN_OPENAIS_PROTOCOL = "http://localhost:11434/v1"  # where the factory asks Ollama with compat="openai"
_SETS_ENVIRONMENT = re.compile(
    r"dotenv\(|environ\[[^\]]*\]\s*=(?!=)|environ\s*\|=|environ\.(?:update|setdefault)|putenv"
)
_OLLAMA_ELSEWHERE = re.compile(r":11434(?:/v1|/api)?/?$")
_SDK_BY_STYLE = {style: name for name, style in sdk.STYLES.items()} | {"openai<1": "openai", "openai module": "openai"}
_BRANCHES = (cst.If, cst.For, cst.While, cst.ExceptHandler, cst.Match, cst.IfExp)


def of_client(call: cst.Call, sdk_name: str, values: Evaluator, settings: frozenset[str] = frozenset()) -> ModelSpec:
    """Return the model that replaces a client.

    Args:
        call: The client's construction.
        sdk_name: Its SDK.
        values: What the module's expressions can be.
        settings: What other files set on SDK modules.

    Raises:
        Unprovable: the client is constructed with an argument that the factory does not take.
    """
    construction = arguments_of(call, values)
    arguments = construction.arguments
    if sdk_name == "generativeai":
        return _generative_model(call, construction, values, settings)
    if positional(call):
        if sdk_name != "ollama" or len(positional(call)) > 1:
            raise Unprovable("the client is made with positional arguments", "name them")
        arguments["host"] = positional(call)[0]
    spec = ModelSpec(provider=sdk.PROVIDERS[sdk_name], compat=sdk.STYLES[sdk_name])
    address = arguments.pop("base_url", None) or arguments.pop("host", None)
    if address is not None and not is_none(address):
        _set_address(spec, address, values)
    key = arguments.pop("api_key", None)
    is_own = key is not None and spec.provider == sdk.PROVIDERS[sdk_name] and keys.is_own(key, sdk_name, values)
    is_own = is_own and key not in construction.reads  # the variable may be another by now
    if key is not None and not is_none(key) and not is_own:
        spec.settings.append(("api_key", key))
    spec.settings += [(name, arguments.pop(name)) for name in ("timeout", "max_retries") if name in arguments]
    headers = arguments.pop("default_headers", None)
    if headers in construction.reads:
        raise Unprovable("the client's headers are in a dictionary, which may change", "name them")
    if headers is not None:
        spec.options.append(("extra_headers", headers))
    if arguments:
        raise Unprovable(
            f"the client is made with {', '.join(sorted(arguments))}", "make the model with ModelFactory.get_model"
        )
    spec.settings = construction.as_read(spec.settings)
    return spec


def of_module(
    sdk_name: str, values: Evaluator, settings: frozenset[str] = frozenset(), *, is_legacy: bool = False
) -> ModelSpec:
    """Return the model for calls on an SDK's module itself, such as `openai.chat.completions.create(...)`.

    Args:
        sdk_name: The SDK.
        values: What the module's expressions can be.
        settings: What other files set on SDK modules.
        is_legacy: Whether the call is one of the openai SDK before version 1.

    Raises:
        Unprovable: the module is set up in a way that the factory does not support.
    """
    style = "openai<1" if is_legacy else "openai module" if sdk_name == "openai" else sdk.STYLES[sdk_name]
    spec = ModelSpec(provider=sdk.PROVIDERS[sdk_name], compat=style)
    settings_here = _settings_on_module(sdk_name, values)
    keys.take_from_others(spec, sdk_name, settings_here, settings, values)
    if "base_url" in settings_here and not is_none(settings_here["base_url"]):
        _set_address(spec, settings_here["base_url"], values)
    key = settings_here.get("api_key")
    if key is not None and not (spec.provider == sdk.PROVIDERS[sdk_name] and keys.is_own(key, sdk_name, values)):
        is_set = _where_set("api_key", sdk_name, values)
        variable = keys.variable_of(key, values) if is_set and not keys.has_default(key, values) else None
        if variable is not None:  # wherever, and however often, it is set
            key = keys.read_variable(variable, spec, values)
            if is_legacy and is_set == "guarded":  # to the old SDK a key that is set to None is none
                key = keys.else_of_environment(key, spec, values)
        spec.settings.append(("api_key", key))
    if not is_legacy:  # the versions before 1 have none of these
        spec.settings += [(name, settings_here[name]) for name in ("timeout", "max_retries") if name in settings_here]
    for setting in (value for name, value in settings_here.items() if (name, value) in spec.settings):
        if any(isinstance(ancestor, _BRANCHES) for ancestor in _ancestors_in_function(setting, values)):
            raise Unprovable(f"{sdk_name} is set up under a condition", "make the model with ModelFactory.get_model")
    return spec


def _where_set(name: str, sdk_name: str, values: Evaluator) -> Literal["always", "guarded", ""]:
    """Tell whether a setting on an SDK's module is made in any case, or where its own variable has a value.

    All its values mean the same, as `_settings_on_module` has checked.
    """
    is_guarded = False
    sides: set[tuple[cst.CSTNode, bool]] = set()  # the only condition of a write, and whether it is its else
    for write in values.tree.attribute_writes:
        if write.name != name or write.value is None or _sdk_written_to(write.node, values) != sdk_name:
            continue
        ancestors = list(_ancestors_in_function(write.node, values))
        branches = [ancestor for ancestor in ancestors if isinstance(ancestor, _BRANCHES)]
        if not branches:
            return "always"
        is_guarded |= _test_only(branches, keys.variable_of(write.value, values), values)
        if len(branches) == 1:
            sides.add((branches[0], any(isinstance(ancestor, cst.Else) for ancestor in ancestors)))
    if any((branch, not is_else) in sides for branch, is_else in sides):
        return "always"
    return "guarded" if is_guarded else ""


def _test_only(branches: Sequence[cst.CSTNode], variable: str | None, values: Evaluator) -> bool:
    """Tell whether branches do nothing but test a variable of the environment for truth."""
    return variable is not None and all(
        isinstance(branch, cst.If) and branch.orelse is None and keys.variable_of(branch.test, values) == variable
        for branch in branches
    )


def _settings_on_module(sdk_name: str, values: Evaluator) -> dict[str, cst.BaseExpression]:
    """Return what this module sets on an SDK's module, by the factory's names.

    Raises:
        Unprovable: a setting is not supported, or set to different values.
    """
    settings: dict[str, cst.BaseExpression] = {}
    for write in values.tree.attribute_writes:
        if _sdk_written_to(write.node, values) != sdk_name:
            continue
        name = _SETTING_NAMES.get(write.name, write.name)
        if write.value is None or name in (
            "api_type",
            "api_version",
            "proxy",
            "organization",
            "http_client",
            *_NOT_TAKEN,
        ):
            raise Unprovable(f"{sdk_name}.{write.name} is set", "make the model with ModelFactory.get_model")
        previous = settings.get(name)
        if previous is not None and _setting_identity(previous, values) != _setting_identity(write.value, values):
            raise Unprovable(f"{sdk_name}.{write.name} is set more than once", "make a model for each")
        settings[name] = write.value
    return settings


def _setting_identity(value: cst.BaseExpression, values: Evaluator) -> object:
    """Return a value that is equal for settings that mean the same: the environment variables, or else the code."""
    return environment_variables(value, values) or code(value)


def _ancestors_in_function(node: cst.CSTNode, values: Evaluator) -> Iterator[cst.CSTNode]:
    for ancestor in values.tree.ancestors(node):
        if isinstance(ancestor, cst.FunctionDef):
            return
        yield ancestor


def stands_beside(part: cst.CSTNode, call: cst.Call, values: Evaluator) -> bool:
    """Tell whether an expression has the same value at a later call in the same function."""
    tree = values.tree
    function = tree.enclosing_function(call)
    if not isinstance(function, cst.FunctionDef) or tree.enclosing_function(part) is not function:
        return False
    if tree.line(part) > tree.line(call):
        return False
    own = tree.bound.get(function, {})
    for node in walk(part):
        if isinstance(node, cst.Call | cst.Await | cst.Yield | cst.Lambda | cst.NamedExpr):
            return False
        if isinstance(node, cst.Name) and tree.is_load(node) and len(own.get(node.value, [node])) != 1:
            return False
    return True


def _sdk_written_to(node: cst.CSTNode, values: Evaluator) -> str | None:
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else []
    for target in targets:
        if isinstance(target, cst.Attribute):
            name = values.module(target.value)
            if name in sdk.MODULES:
                return sdk.MODULES[name]
    return None


def _set_address(spec: ModelSpec, address: cst.BaseExpression, values: Evaluator) -> None:
    """Set the provider and, where it is not the provider's own, the address that a client is constructed with."""
    texts = fold(address, values)
    has_variable_part = MARK in texts and len(texts) > 1  # an environment variable with this address as its default
    constants = texts - {MARK}
    text = next(iter(constants)) if len(constants) == 1 else MARK
    provider = VOCABULARY.provider_of_url(text.replace(MARK, "x")) if text != MARK else None
    if spec.provider == "openai" and provider in sdk.FACTORY and provider not in ("claude", "gemini"):
        spec.provider = provider
    is_moved = spec.provider != sdk.PROVIDERS[_SDK_BY_STYLE[spec.compat]]
    if has_variable_part:
        if spec.provider == "ollama" and is_moved and "/v1" in text:
            spec.provider = "openai"  # wherever the server is, it is called in OpenAI's protocol
    elif _OLLAMA.match(text) and spec.compat in ("openai", "openai module"):
        spec.provider = "ollama"
        if text.rstrip("/") == _OLLAMA_IN_OPENAIS_PROTOCOL:
            return
    elif is_moved:
        if spec.provider == "ollama" and _OLLAMA_ELSEWHERE.search(text) and text.endswith(("/v1", "/v1/")):
            spec.provider = "openai"  # an Ollama server elsewhere, called in OpenAI's protocol
        if text.rstrip("/") in sdk.FACTORY[spec.provider].addresses:
            return
    spec.settings.append(("base_url", address))
    spec.foreign_address = spec.provider == "openai" and text.rstrip("/") not in sdk.FACTORY["openai"].addresses


def _apply_configure_calls(spec: ModelSpec, call: cst.Call, values: Evaluator, settings: frozenset[str]) -> None:
    """Set the key that the calls of `genai.configure(...)` set up.

    Raises:
        Unprovable: they set up more than one key, or one that is not known where the model is requested.
    """
    calls = [
        node
        for node in values.tree.nodes
        if isinstance(node, cst.Call) and values.module(node.func) == "google.generativeai.configure"
    ]
    key_by_code: dict[str, cst.BaseExpression] = {}
    for node in calls:
        names = {arg.keyword.value if arg.keyword is not None else "api_key" for arg in node.args}
        key = keyword(node, "api_key") or next(iter(positional(node)), None)
        if names - {"api_key", "transport"} or any(arg.star for arg in node.args):
            raise Unprovable("genai.configure sets more than a key", "say it to get_model")
        if key is not None and not is_none(key):
            key_by_code[code(key)] = key
    if len(key_by_code) > 1:
        raise Unprovable("genai.configure is called with several keys", "say each to get_model as api_key")
    if not calls:
        keys.take_from_others(spec, "generativeai", {}, settings, values)
    for key in key_by_code.values():
        if keys.is_own(key, "generativeai", values):
            continue
        _refuse_later_key(key, call, calls, values)
        spec.settings.append(("api_key", key))
        portable, parts = keys.made_portable(
            spec, values, lambda part: stands_alone(part, values) or stands_beside(part, call, values)
        )
        is_repeated = values.tree.enclosing_function(call) is not None and any(
            True for part in parts for _ in evaluations.of(part, values)
        )
        if is_repeated or any(not (stands_alone(part, values) or stands_beside(part, call, values)) for part in parts):
            raise Unprovable("the key is known only where genai.configure is called", "say it to get_model as api_key")
        spec.settings, spec.imports = portable.settings, portable.imports


def _refuse_later_key(
    key: cst.BaseExpression, call: cst.Call, configure_calls: Sequence[cst.Call], values: Evaluator
) -> None:
    """Refuse a key of the environment that the program itself may set only after it has made the model.

    Raises:
        Unprovable: the environment is written after that, and genai.configure is called no sooner.
    """
    tree, line = values.tree, values.tree.line(call)
    is_global = tree.enclosing_function(call) is None
    is_before = [
        tree.line(node) < line
        if tree.enclosing_function(node) is tree.enclosing_function(call)
        else not is_global or tree.enclosing_function(node) is None
        for node in configure_calls
    ]
    later = "\n".join(tree.code.splitlines()[line:])
    if not any(is_before) and environment_variables(key, values) and _SETS_ENVIRONMENT.search(later):
        raise Unprovable("genai.configure reads the key after the model is made", "say it to get_model as api_key")


def _generative_model(
    call: cst.Call, construction: Construction, values: Evaluator, project_settings: frozenset[str]
) -> ModelSpec:
    if construction.reads:
        raise Unprovable("the model is made with a dictionary of options", "name them")
    arguments = construction.arguments
    spec = ModelSpec(provider="gemini", compat="google.generativeai")
    _apply_configure_calls(spec, call, values, project_settings)
    if positional(call):
        arguments = {"model_name": positional(call)[0], **arguments}
    spec.model = arguments.pop("model_name", None)
    spec.system = arguments.pop("system_instruction", None)
    config = arguments.pop("generation_config", None)
    if config is not None and not is_none(config):
        spec.options = google_options(config, values)
    settings = arguments.pop("safety_settings", None)
    if settings is not None:
        spec.options = [*spec.options, ("safety_settings", literal_settings(settings))]
    if arguments:
        raise Unprovable(f"the model is made with {', '.join(sorted(arguments))}", "pass these options to the call")
    return spec


def stands_alone(node: cst.CSTNode | None, values: Evaluator) -> bool:
    """Tell whether an expression has the same value anywhere in the module: literals and names bound once globally."""
    for part in walk(node) if node is not None else ():
        if isinstance(part, cst.Lambda | cst.Await | cst.Yield | cst.NamedExpr):
            return False
        if not isinstance(part, cst.Name) or not values.tree.is_load(part):
            continue
        scope = values.tree.binding_scope(part.value, values.tree.scope(part))
        if scope is None:
            if part.value not in ("None", "True", "False", "str", "int", "float", "dict"):
                return False
            continue
        if scope is not values.tree.module or len(values.tree.bound[scope][part.value]) != 1:
            return False
        if sum(part.value in names for names in values.tree.bound.values()) > 1:
            return False  # another scope has a name of its own, which may hide it where the expression goes
    return True
