"""Say each call's arguments as the factory's models take them, or why that cannot be done."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import (
    Star,
    code,
    entries,
    expression,
    is_literal,
    is_none,
    positional,
    text_of,
)
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.messages import Prompt, read, refuse_foreign, with_system

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site

Pairs = list[tuple[str, cst.BaseExpression]]
NONE = cst.Name("None")


@dataclass(slots=True)
class Asked:
    """Hold what one call asks, in the factory's words."""

    prompt: Prompt = field(default_factory=Prompt)
    model: cst.BaseExpression | None = None
    options: Pairs = field(default_factory=list)
    passed: list[cst.BaseExpression] = field(default_factory=list)  # of `**passed`
    raw_options: Pairs = field(default_factory=list)  # that go to the provider under their own names
    stream: bool = False
    counted: bool = False  # the stream is asked to tell its usage
    settings: Pairs = field(default_factory=list)  # of get_model

    def take(self, pairs: Pairs) -> None:
        """Add options."""
        self.options += pairs


def ask(site: Site, values: Evaluator) -> Asked:
    """Return what a call asks.

    Raises:
        Unprovable: it asks in a way that cannot be carried over for certain.
    """
    if any(arg.star == "*" for arg in site.call.args):
        raise Unprovable("arguments are passed on with *", "name the arguments")
    given = {arg.keyword.value: arg.value for arg in site.call.args if arg.keyword is not None}
    given = {name: value for name, value in given.items() if not _not_given(value, values)}
    asked = Asked(passed=[arg.value for arg in site.call.args if arg.star == "**"])
    asked.stream = _stream(given, asked, values)
    _READERS[site.sdk if site.kind not in ("responses", "legacy") else site.kind](site, given, asked, values)
    return asked


def _not_given(value: cst.BaseExpression, values: Evaluator) -> bool:
    return (values.module(value) or "").rpartition(".")[2] in ("NOT_GIVEN", "NotGiven", "omit")


def _stream(given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> bool:
    stream = given.pop("stream", None)
    for passed in asked.passed:
        _refuse_unknown(passed, values)
    if stream is None or (isinstance(stream, cst.Name) and stream.value in ("False", "None")):
        return False
    if isinstance(stream, cst.Name) and stream.value == "True":
        told = given.pop("stream_options", None)
        asked.counted = told is not None and re.search(r"[\"']include_usage[\"']: True", code(told)) is not None
        return True
    raise Unprovable(
        "whether it streams is decided when it runs", "branch: generate_response, or stream_response where it streams"
    )


def _refuse_unknown(passed: cst.BaseExpression, values: Evaluator) -> None:
    """Raise Unprovable unless all that `**passed` can hold is known, and harmless."""
    names = keys_of(passed, values)
    if names is None:
        raise Unprovable(f"what **{code(passed)} holds is not known", "pass the options by name")
    harmful = names & {"stream", "response_format", "system", "input", "instructions", "prompt", "contents", "config"}
    if harmful:
        raise Unprovable(f"**{code(passed)} holds {', '.join(sorted(harmful))}", "pass the options by name")


def keys_of(node: cst.BaseExpression, values: Evaluator) -> set[str] | None:
    """Return the keys that a dictionary has, None where they are not all known."""
    if isinstance(node, cst.Dict):
        held = entries(node)
        return set(held) if held is not None else None
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "dict":
        if any(arg.keyword is None for arg in node.args):
            return None
        return {arg.keyword.value for arg in node.args if arg.keyword is not None}
    if not isinstance(node, cst.Name):
        return None
    bindings = values.tree.bindings(node)
    found: set[str] = set()
    known: set[str] | None
    for binding in bindings:
        param = binding.node
        if isinstance(param, cst.Param) and param.star == "**":
            known = _passed_by_callers(binding.scope, values)
        else:
            known = keys_of(binding.value, values) if binding.kind == "assign" and binding.value is not None else None
        if known is None:
            return None
        found |= known
    added = _added(node, values)
    return found | added if bindings and added is not None else None


def _passed_by_callers(function: cst.CSTNode | None, values: Evaluator) -> set[str] | None:
    if not isinstance(function, cst.FunctionDef):
        return None
    calls = values.calls_of(function)
    if not calls or values._passed_on(function) or any(arg.star for call in calls for arg in call.args):
        return None
    params = {param.name.value for param in (*function.params.params, *function.params.kwonly_params)}
    return {arg.keyword.value for call in calls for arg in call.args if arg.keyword is not None} - params


def _added(node: cst.Name, values: Evaluator) -> set[str] | None:
    """Return the keys that are stored or set later; None where the dictionary is changed in another way."""
    found: set[str] = set()
    tree = values.tree
    home = tree.home(node.value, tree.scope(node))
    for load in tree.loads(node.value, home) if home is not None else []:
        parent = tree.parent(load)
        if isinstance(parent, cst.Subscript) and tree.is_target(parent):
            index = parent.slice[0].slice
            key = text_of(index.value) if isinstance(index, cst.Index) else None
            if key is None:
                return None
            found.add(key)
        elif (
            isinstance(parent, cst.Attribute) and parent.attr.value not in ("get", "keys", "items", "values", "copy")
        ) or (isinstance(parent, cst.Arg) and not parent.star and not _harmless(tree.parent(parent))):
            return None
    return found


def _harmless(call: cst.CSTNode | None) -> bool:
    if not isinstance(call, cst.Call):
        return False
    return code(call.func) in ("print", "len", "json.dumps", "cprint", "str", "repr", "logger.info", "logger.debug",
                               "requests.post", "httpx.post")  # fmt: skip


# OpenAI and what speaks its protocol.


def _chat(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    if positional(site.call):
        raise Unprovable("the call has positional arguments", "name the arguments")
    asked.model = given.pop("model", None)
    messages = given.pop("messages", None)
    if messages is not None:
        asked.prompt = read(messages, values)
    elif not asked.passed:
        raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
    else:
        refuse_foreign(asked.passed[0], values)
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    wanted = given.pop("response_format", None)
    if wanted is not None and not is_none(wanted):
        asked.raw_options.append(("response_format", wanted))
    asked.take(list(given.items()))


def _legacy(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    if "engine" in given:
        given["model"] = given.pop("engine")
    if "request_timeout" in given:
        given["timeout"] = given.pop("request_timeout")
    for name in ("api_key", "api_base"):
        if name in given:
            asked.settings.append((name.replace("api_base", "base_url"), given.pop(name)))
    if {"api_type", "api_version", "deployment_id", "headers"} & set(given):
        raise Unprovable("the call goes to Azure or sets headers", "add a provider of your own to the factory")
    _chat(site, given, asked, values)


# Anthropic.


def _messages(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    if positional(site.call):
        raise Unprovable("the call has positional arguments", "name the arguments")
    asked.stream = asked.stream or site.names[-1] == "stream"
    asked.model = given.pop("model", None)
    system = given.pop("system", None)
    messages = given.pop("messages", None)
    if messages is None and not asked.passed:
        raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
    if messages is not None:
        asked.prompt = read(messages, values)
    else:
        refuse_foreign(asked.passed[0], values)
    if system is not None and not is_none(system):
        _refuse_blocks(system, values)
        if asked.prompt.user is not None:
            asked.prompt = Prompt(system, asked.prompt.user)
        elif messages is not None:
            asked.prompt = Prompt(messages=with_system(system, messages))
        else:
            asked.raw_options.append(("system", system))
    if "stop_sequences" in given:
        given["stop"] = given.pop("stop_sequences")
    asked.take(list(given.items()))


def _refuse_blocks(system: cst.BaseExpression, values: Evaluator) -> None:
    if any(value.kind in ("container", "none") for value in values.of(system)):
        raise Unprovable("the system prompt can be a list of blocks, or None", "give the system prompt as one text")


# OpenAI's Responses.


def _responses(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    if positional(site.call) or asked.passed:
        raise Unprovable("the call has positional arguments, or passes options on", "name the arguments")
    kept = {"previous_response_id", "conversation", "background", "include", "prompt", "store"} & set(given)
    if kept:
        raise Unprovable(
            f"{', '.join(sorted(kept))} works with what OpenAI stores, and the factory stores nothing there",
            "keep the messages in a list and use chat(messages)",
        )
    asked.model = given.pop("model", None)
    asked.settings.append(("api", expression('"responses"')))
    system, wanted = given.pop("instructions", None), given.pop("input", None)
    if wanted is None or given.keys() & {"text", "reasoning", "text_format"}:
        raise Unprovable("it has options of the Responses API alone", "say them as response_format, reasoning_effort")
    if isinstance(wanted, cst.List):
        prompt = read(wanted, values)
        messages = prompt.messages
        if messages is None:
            asked.prompt = prompt if system is None else Prompt(messages=with_system(system, wanted))
        else:
            asked.prompt = Prompt(messages=messages if system is None else with_system(system, messages))
    elif _may_be_list(wanted, values):
        raise Unprovable("the input can be a list", "use chat(messages)")
    else:
        asked.prompt = Prompt(system, wanted)
    if "max_output_tokens" in given:
        given["max_tokens"] = given.pop("max_output_tokens")
    asked.take(list(given.items()))


def _may_be_list(node: cst.BaseExpression, values: Evaluator) -> bool:
    if isinstance(node, cst.List | cst.ListComp | cst.Tuple | cst.Dict):
        return True
    return any(value.kind == "container" for value in values.of(node))


# Ollama.

_OLLAMA = {"num_predict": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop", "seed": "seed"}


def _ollama(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    names = ("model", "messages") if site.kind == "chat" else ("model", "prompt")
    given = {**dict(zip(names, positional(site.call), strict=False)), **given}
    if len(positional(site.call)) > 2 or asked.passed:
        raise Unprovable("the call has positional arguments, or passes options on", "name the arguments")
    asked.model = given.pop("model", None)
    if site.kind == "chat":
        messages = given.pop("messages", None)
        if messages is None:
            raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
        if '"images"' in code(messages) or "'images'" in values.tree.module.code:
            raise Unprovable("a message has images in Ollama's own form", "give them as parts of the content")
        asked.prompt = read(messages, values)
    else:
        system, prompt = given.pop("system", None), given.pop("prompt", None)
        if prompt is None or given.keys() & {"images", "suffix", "template", "context", "raw"}:
            raise Unprovable("it asks with more than a prompt", "use generate_response(system_prompt, user_content)")
        asked.prompt = Prompt(system, prompt)
    options = given.pop("options", None)
    if options is not None:
        held = entries(options) if isinstance(options, cst.Dict) else None
        if held is None:
            raise Unprovable("what its options hold is not known", "pass the options by name")
        asked.take([(_OLLAMA.get(name, name), value) for name, value in held.items()])
    form = given.pop("format", None)
    if form is not None and text_of(form) != "":
        asked.raw_options.append(("format", form))
    asked.take(list(given.items()))


# Google.

_GOOGLE = {"temperature": "temperature", "max_output_tokens": "max_tokens", "top_p": "top_p",
           "stop_sequences": "stop", "seed": "seed", "top_k": "top_k"}  # fmt: skip
# These go as they are, where they are literals: what an SDK's own types say would be lost with its import.
_GOOGLE_PLAIN = frozenset(
    {"response_mime_type", "candidate_count", "presence_penalty", "frequency_penalty", "safety_settings"}
)


def literal(settings: cst.BaseExpression) -> cst.BaseExpression:
    """Return settings that are literals.

    Raises:
        Unprovable: they are not.
    """
    if not isinstance(settings, cst.List) or not is_literal(settings):
        raise Unprovable("its safety settings are not a literal list", "pass safety_settings as a list of dictionaries")
    return settings


def google_options(config: cst.BaseExpression, values: Evaluator) -> Pairs:
    """Return a generation config's settings by our names.

    Raises:
        Unprovable: it is no literal, or has what is not known.
    """
    if isinstance(config, cst.Dict):
        held = entries(config)
    elif isinstance(config, cst.Call) and (values.module(config.func) or "").rpartition(".")[2] in (
        "GenerationConfig",
        "GenerateContentConfig",
    ):
        held = {arg.keyword.value: arg.value for arg in config.args if arg.keyword is not None}
        held = held if len(held) == len(config.args) else None
    elif isinstance(config, cst.Name):
        sources = [one.value for one in values.tree.bindings(config) if one.kind == "assign"]
        if len(sources) == 1 and len(values.tree.bindings(config)) == 1 and isinstance(sources[0], cst.Dict | cst.Call):
            return google_options(sources[0], values)
        held = None
    else:
        held = None
    plain = {name for name, value in (held or {}).items() if name in _GOOGLE_PLAIN and is_literal(value)}
    if held is None or set(held) - set(_GOOGLE) - {"system_instruction"} - plain:
        raise Unprovable("its configuration holds what cannot be carried over for certain", "pass the options by name")
    return [(_GOOGLE.get(name, name), value) for name, value in held.items()]


def _google(site: Site, given: dict[str, cst.BaseExpression], asked: Asked, values: Evaluator) -> None:
    if asked.passed:
        raise Unprovable("options are passed on", "name the arguments")
    if positional(site.call):
        given = {"contents": positional(site.call)[0], **given}
    contents = given.pop("contents", None)
    if len(positional(site.call)) > 1 or contents is None or _may_be_list(contents, values):
        raise Unprovable("the contents can be a list of parts", "use chat(messages), or parts of a user content")
    asked.model = given.pop("model", None)
    config = given.pop("generation_config", None) or given.pop("config", None)
    pairs = google_options(config, values) if config is not None and not is_none(config) else []
    settings = given.pop("safety_settings", None)
    if settings is not None:
        pairs = [*pairs, ("safety_settings", literal(settings))]
    asked.prompt = Prompt(dict(pairs).get("system_instruction"), contents)
    asked.take([(name, value) for name, value in pairs if name != "system_instruction"])
    if site.names[-1] == "generate_content_stream":
        asked.stream = True
    if given:
        raise Unprovable(f"{', '.join(sorted(given))} cannot be carried over for certain", "pass the options by name")


_READERS = {
    "openai": _chat,
    "groq": _chat,
    "anthropic": _messages,
    "responses": _responses,
    "legacy": _legacy,
    "ollama": _ollama,
    "generativeai": _google,
    "genai": _google,
}


def arguments(asked: Asked, *, plain_max_tokens: bool) -> tuple[str, list[tuple[str | None, cst.BaseExpression, Star]]]:
    """Return the method's stem (`generate_response` or `chat`) and its arguments: name, value, star.

    `plain_max_tokens` sends `max_tokens` under just that name, for servers that know no other.
    """
    made: list[tuple[str | None, cst.BaseExpression, Star]] = []
    options = list(asked.options)
    raw = list(asked.raw_options)
    names = {name for name, _ in options}
    if plain_max_tokens and "max_tokens" in names:
        raw += [(name, value) for name, value in options if name == "max_tokens"]
        options = [(name, value) for name, value in options if name != "max_tokens"]
    single = asked.prompt.user is not None
    if single:
        made.append((None, asked.prompt.system or NONE, ""))
        made.append((None, asked.prompt.user or NONE, ""))
        if "temperature" not in names and not asked.passed:
            made.append(("temperature", NONE, ""))
    elif asked.prompt.messages is not None:
        made.append((None, asked.prompt.messages, ""))
    made += [(name, value, "") for name, value in options]
    if single and "temperature" not in names and asked.passed:  # one of them may hold it
        held = "".join(f", **{code(value)}" for value in asked.passed)
        made.append((None, expression(f'{{"temperature": None{held}}}'), "**"))
    else:
        made += [(None, value, "**") for value in asked.passed]
    if raw:
        pairs = ", ".join(f'"{name}": {code(value)}' for name, value in raw)
        made.append(("options", expression(f"{{{pairs}}}"), ""))
    return ("generate_response" if single else "chat"), made
