"""Say which model of the factory stands for a client: its provider, and the settings that it keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.check_facts import VOCABULARY
from src.migration.rewrite.analysis.folding import MARK, fold, variable
from src.migration.rewrite.analysis.syntax import code, expression, is_none, keyword, positional, text_of, walk
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.arguments import google_options, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.rewrite.analysis.values import Evaluator

_OLLAMA = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0):11434(?:/v1|/api)?/?$")
_OLLAMA_ELSEWHERE = re.compile(r":11434(?:/v1|/api)?/?$")


@dataclass(slots=True)
class Made:
    """Hold how a client is asked for at the factory."""

    provider: str
    settings: list[tuple[str, cst.BaseExpression]] = field(default_factory=list)
    model: cst.BaseExpression | None = None
    system: cst.BaseExpression | None = None
    options: list[tuple[str, cst.BaseExpression]] = field(default_factory=list)  # of each call
    imports: set[tuple[str, str]] = field(default_factory=set)
    foreign_address: bool = False
    gone: list[cst.BaseExpression] = field(default_factory=list)

    def get_model(
        self, factory: str, model: cst.BaseExpression | None, more: list[tuple[str, cst.BaseExpression]] | None = None
    ) -> str:
        """Return the text of the call that gets the model."""
        named = model if model is not None else self.model
        parts = [f'"{self.provider}"']
        if named is not None:
            parts.append(code(named))
        parts += [f"{name}={code(value)}" for name, value in [*self.settings, *(more or [])]]
        return f"{factory}.get_model({', '.join(parts)})"


def of_client(call: cst.Call, kit: str, values: Evaluator, settings: frozenset[str] = frozenset()) -> Made:
    """Return how a client's construction is said at the factory.

    Raises:
        Unprovable: it is made with something that the factory does not take.
    """
    if any(arg.star for arg in call.args):
        raise Unprovable("what the client is made with is not known", "make the model with ModelFactory.get_model")
    given = {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    if kit == "generativeai":
        return _generative_model(call, given, values, settings)
    if positional(call):
        names = {"ollama": "host"}.get(kit)
        if names is None or len(positional(call)) > 1:
            raise Unprovable("the client is made with positional arguments", "name them")
        given[names] = positional(call)[0]
    made = Made(sdk.PROVIDERS[kit])
    address = given.pop("base_url", None) or given.pop("host", None)
    if address is not None and not is_none(address):
        _address(made, address, values)
    key = given.pop("api_key", None)
    if key is not None and not is_none(key):
        _key(made, key, values)
    _limits(made, given)
    headers = given.pop("default_headers", None)
    if headers is not None:
        made.options.append(("extra_headers", headers))
    if given:
        raise Unprovable(
            f"the client is made with {', '.join(sorted(given))}", "make the model with ModelFactory.get_model"
        )
    return made


def of_module(kit: str, values: Evaluator, settings: frozenset[str] = frozenset()) -> Made:
    """Return how calls on an SDK's module itself are said at the factory: `openai.chat.completions.create(...)`.

    `settings` are those that other files make.

    Raises:
        Unprovable: the module is set up in a way that the factory does not take.
    """
    made = Made(sdk.PROVIDERS[kit])
    said: dict[str, cst.BaseExpression] = {}
    for stored in values.tree.stored:
        target = _stored_on(stored.node, values)
        if target != kit:
            continue
        name = {"api_base": "base_url"}.get(stored.name, stored.name)
        if stored.value is None or name in ("api_type", "api_version", "proxy", "organization", "http_client"):
            raise Unprovable(f"{kit}.{stored.name} is set", "make the model with ModelFactory.get_model")
        if name in said and _same(said[name], values) != _same(stored.value, values):
            raise Unprovable(f"{kit}.{stored.name} is set more than once", "make a model for each")
        said[name] = stored.value
    _refuse_others(kit, said, settings)
    if "base_url" in said and not is_none(said["base_url"]):
        _address(made, said["base_url"], values)
    if "api_key" in said:
        _key(made, said["api_key"], values)
    for setting in (value for name, value in said.items() if (name, value) in made.settings):
        if any(isinstance(one, _BRANCHES) for one in _above_in_function(setting, values)):
            raise Unprovable(f"{kit} is set up under a condition", "make the model with ModelFactory.get_model")
    return made


def _same(value: cst.BaseExpression, values: Evaluator) -> object:
    """Return something that is equal for settings that mean the same: a variable, or else the words."""
    return variable(value, values) or code(value)


def _refuse_others(kit: str, said: dict[str, cst.BaseExpression], settings: frozenset[str]) -> None:
    """Raise Unprovable where another file sets on an SDK's module what this one does not set itself."""
    for one in sorted(settings):
        name = one.rpartition(".")[2]
        if one.startswith(f"{kit}.") and {"api_base": "base_url"}.get(name, name) not in said:
            raise Unprovable(f"another file sets {one}", "say the key and the address to get_model here")


_BRANCHES = (cst.If, cst.For, cst.While, cst.ExceptHandler, cst.Match, cst.IfExp)


def _above_in_function(node: cst.CSTNode, values: Evaluator) -> Iterator[cst.CSTNode]:
    for one in values.tree.above(node):
        if isinstance(one, cst.FunctionDef):
            return
        yield one


def stands_beside(part: cst.CSTNode, call: cst.Call, values: Evaluator) -> bool:
    """Tell whether a setting that is assigned in the function of a call means the same where the call stands."""
    tree = values.tree
    function = tree.function(call)
    if not isinstance(function, cst.FunctionDef) or tree.function(part) is not function:
        return False
    if tree.line(part) > tree.line(call):
        return False
    own = tree.bound.get(function, {})
    for one in walk(part):
        if isinstance(one, cst.Call | cst.Await | cst.Yield | cst.Lambda | cst.NamedExpr):
            return False
        if isinstance(one, cst.Name) and tree.is_load(one) and len(own.get(one.value, [one])) != 1:
            return False
    return True


def _stored_on(node: cst.CSTNode, values: Evaluator) -> str | None:
    targets = [one.target for one in node.targets] if isinstance(node, cst.Assign) else []
    for target in targets:
        if isinstance(target, cst.Attribute):
            name = values.module(target.value)
            if name in sdk.MODULES:
                return sdk.MODULES[name]
    return None


def _address(made: Made, address: cst.BaseExpression, values: Evaluator) -> None:
    texts = fold(address, values)
    moved = MARK in texts and len(texts) > 1  # by a variable, from an address that stands here
    said = texts - {MARK}
    text = next(iter(said)) if len(said) == 1 else MARK
    provider = VOCABULARY.provider_of_url(text.replace(MARK, "x")) if text != MARK else None
    if made.provider == "openai" and provider in sdk.FACTORY and provider not in ("claude", "gemini"):
        made.provider = provider
    if moved:
        if made.provider == "ollama" and "/v1" in text:
            made.provider = "openai"  # wherever it is, it is asked as OpenAI's protocol has it
        made.settings.append(("base_url", address))
        made.foreign_address = made.provider == "openai"
        return
    made.gone.append(address)
    if _OLLAMA.match(text):
        made.provider = "ollama"
        return
    if made.provider == "ollama" and _OLLAMA_ELSEWHERE.search(text) and text.endswith(("/v1", "/v1/")):
        made.provider = "openai"  # an Ollama elsewhere, asked as OpenAI's protocol has it
    known = sdk.FACTORY[made.provider].addresses
    if text.rstrip("/") in known:
        return
    made.gone.remove(address)
    made.settings.append(("base_url", address))
    made.foreign_address = made.provider == "openai"


def _key(made: Made, key: cst.BaseExpression, values: Evaluator) -> None:
    names = variable(key, values)
    if names and names <= set(sdk.FACTORY[made.provider].keys):
        made.gone.append(key)
        return
    if made.provider == "ollama" and text_of(key) is not None:
        made.gone.append(key)  # Ollama takes any
        return
    made.settings.append(("api_key", key))


def _limits(made: Made, given: dict[str, cst.BaseExpression]) -> None:
    retries, timeout = given.pop("max_retries", None), given.pop("timeout", None)
    attempts = 3
    if retries is not None:
        if not isinstance(retries, cst.Integer):
            raise Unprovable("the client's retries are not a literal number", "use retry_policy=RetryPolicy(...)")
        attempts = int(retries.value) + 1
        made.settings.append(("retry_policy", expression(f"RetryPolicy(max_attempts={attempts})")))
        made.imports.add(("src.models.retry", "RetryPolicy"))
    if timeout is not None and not is_none(timeout):
        if not isinstance(timeout, cst.Integer | cst.Float):
            raise Unprovable("the client's timeout is not a literal number", "use timeouts=Timeouts(...)")
        total = float(timeout.value) * attempts
        seconds = f"{total:g}" if total != int(total) else str(int(total))
        bounds = f"Timeouts(connect={timeout.value}, read={timeout.value}, total={seconds})"
        made.settings.append(("timeouts", expression(bounds)))
        made.imports.add(("src.models.types", "Timeouts"))


def _configured(made: Made, call: cst.Call, values: Evaluator, settings: frozenset[str]) -> None:
    """Take over what `genai.configure(...)` sets up."""
    found = [
        node
        for node in values.tree.nodes
        if isinstance(node, cst.Call) and values.module(node.func) == "google.generativeai.configure"
    ]
    keys: dict[str, cst.BaseExpression] = {}
    for node in found:
        names = {arg.keyword.value if arg.keyword is not None else "api_key" for arg in node.args}
        key = keyword(node, "api_key") or next(iter(positional(node)), None)
        if names - {"api_key", "transport"} or any(arg.star for arg in node.args):
            raise Unprovable("genai.configure sets more than a key", "say it to get_model")
        if key is not None and not is_none(key):
            keys[code(key)] = key
    if len(keys) > 1:
        raise Unprovable("genai.configure is called with several keys", "say each to get_model as api_key")
    if not found and "google.generativeai.api_key" in settings:
        raise Unprovable("another file calls genai.configure", "say the key to get_model as api_key")
    for key in keys.values():
        _key(made, key, values)
        if made.settings and not (stands_alone(key, values) or stands_beside(key, call, values)):
            raise Unprovable("the key is known only where genai.configure is called", "say it to get_model as api_key")


def _generative_model(
    call: cst.Call, given: dict[str, cst.BaseExpression], values: Evaluator, elsewhere: frozenset[str]
) -> Made:
    made = Made("gemini")
    _configured(made, call, values, elsewhere)
    if positional(call):
        given = {"model_name": positional(call)[0], **given}
    made.model = given.pop("model_name", None)
    made.system = given.pop("system_instruction", None)
    config = given.pop("generation_config", None)
    if config is not None and not is_none(config):
        made.options = google_options(config, values)
    settings = given.pop("safety_settings", None)
    if settings is not None:
        made.options = [*made.options, ("safety_settings", literal(settings))]
    if given:
        raise Unprovable(f"the model is made with {', '.join(sorted(given))}", "pass these options to the call")
    return made


def stands_alone(node: cst.CSTNode | None, values: Evaluator) -> bool:
    """Tell whether an expression means the same anywhere in the module: literals and names bound once at its top."""
    for part in walk(node) if node is not None else ():
        if isinstance(part, cst.Lambda | cst.Await | cst.Yield | cst.NamedExpr):
            return False
        if not isinstance(part, cst.Name) or not values.tree.is_load(part):
            continue
        home = values.tree.home(part.value, values.tree.scope(part))
        if home is None:
            if part.value not in ("None", "True", "False", "str", "int", "float", "dict"):
                return False
            continue
        if home is not values.tree.module or len(values.tree.bound[home][part.value]) != 1:
            return False
        if sum(part.value in names for names in values.tree.bound.values()) > 1:
            return False  # where it is wanted, it may be another's
    return True
