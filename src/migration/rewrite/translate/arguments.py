"""The translation of each SDK's arguments into the factory's terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, entries, expression, is_none, positional, text_of
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.google_config import google_options, literal_settings
from src.migration.rewrite.translate.messages import (
    Prompt,
    has_roles_of_turns,
    read_messages,
    refuse_untranslatable,
    with_system,
)
from src.migration.rewrite.translate.texts import is_text
from src.migration.rewrite.translate.translated_call import TranslatedCall
from src.migration.rewrite.translate.unpacked_options import expanded, refuse_unknown_keys

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site

Arguments = dict[str, cst.BaseExpression]


def translate_call(site: Site, values: Evaluator) -> TranslatedCall:
    """Return a call in the factory's terms.

    Raises:
        Unprovable: an argument cannot be translated for certain.
    """
    if any(arg.star == "*" for arg in site.call.args):
        raise Unprovable("arguments are passed on with *", "name the arguments")
    arguments = {arg.keyword.value: arg.value for arg in site.call.args if arg.keyword is not None}
    arguments = {name: value for name, value in arguments.items() if not _is_omitted(value, values)}
    call = TranslatedCall()
    for options in (arg.value for arg in site.call.args if arg.star == "**"):
        more = expanded(options, values) if (site.sdk, site.kind) in _EXPANDED else None
        if more is None or more.keys() & arguments.keys():
            call.unpacked.append(options)
        else:
            arguments |= more
    call.stream = _pop_stream(arguments, call, values)
    translate = _TRANSLATORS[site.sdk if site.kind not in ("responses", "legacy") else site.kind]
    _refuse_missing(site, arguments, call)
    translate(site, arguments, call, values)
    return call


def _refuse_missing(site: Site, arguments: Arguments, call: TranslatedCall) -> None:
    """Refuse a call without what its SDK requires, which raises TypeError there: the factory has a default for it."""
    required = _REQUIRED.get(site.sdk if site.kind not in ("responses", "legacy") else site.kind, ())
    named = arguments.keys() | ({"model"} if site.kind == "legacy" and "engine" in arguments else set())
    missing = [name for name in required if name not in named]
    if missing and not call.unpacked and not positional(site.call):
        raise Unprovable(f"the call names no {' and no '.join(missing)}, which its SDK requires", "name it")


def _is_omitted(value: cst.BaseExpression, values: Evaluator) -> bool:
    """Tell whether a value is an SDK's marker for an argument that is not given."""
    return (values.module(value) or "").rpartition(".")[2] in ("NOT_GIVEN", "NotGiven", "omit")


def _pop_stream(arguments: Arguments, call: TranslatedCall, values: Evaluator) -> bool:
    """Take the stream's arguments out; return whether the reply is streamed."""
    stream = arguments.pop("stream", None)
    for options in call.unpacked:
        refuse_unknown_keys(options, values)
    if stream is None or (isinstance(stream, cst.Name) and stream.value in ("False", "None")):
        return False
    if isinstance(stream, cst.Name) and stream.value == "True":
        stream_options = arguments.get("stream_options")
        if stream_options is not None:
            call.streams_usage = re.search(r"[\"']include_usage[\"']: True", code(stream_options)) is not None
        return True
    raise Unprovable(
        "whether it streams is decided when it runs", "branch: generate_response, or stream_response where it streams"
    )


# Chat Completions: OpenAI, Groq and others with the same protocol.


def _translate_chat(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    if positional(site.call):
        raise Unprovable("the call has positional arguments", "name the arguments")
    call.model = arguments.pop("model", None)
    messages = arguments.pop("messages", None)
    if messages is not None:
        call.prompt = _read_chat(messages, values)
    elif not call.unpacked:
        raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
    response_format = arguments.pop("response_format", None)
    if response_format is not None and not is_none(response_format):
        call.raw_options.append(("response_format", response_format))
    call.options += arguments.items()


def _read_chat(messages: cst.BaseExpression, values: Evaluator) -> Prompt:
    prompt = read_messages(messages)
    is_text = prompt.system is None or not _may_be_none(prompt.system, values)
    return prompt if is_text else Prompt(messages=messages)


def _translate_legacy(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    if "engine" in arguments:
        arguments["model"] = arguments.pop("engine")
    if "request_timeout" in arguments:
        arguments["timeout"] = arguments.pop("request_timeout")
    for name in ("api_key", "api_base"):
        if name in arguments:
            call.settings.append((name.replace("api_base", "base_url"), arguments.pop(name)))
    if {"api_type", "api_version", "deployment_id", "headers"} & set(arguments):
        raise Unprovable("the call goes to Azure or sets headers", "add a provider of your own to the factory")
    _translate_chat(site, arguments, call, values)


# Anthropic.


def _translate_messages(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    if positional(site.call):
        raise Unprovable("the call has positional arguments", "name the arguments")
    call.stream = call.stream or site.names[-1] == "stream"
    call.model = arguments.pop("model", None)
    system = arguments.pop("system", None)
    messages = arguments.pop("messages", None)
    if messages is None and not call.unpacked:
        raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
    if messages is not None:
        call.prompt = read_messages(messages)
        if call.prompt.system is not None:  # which this API refuses among the messages
            call.prompt = Prompt(messages=messages)
    if system is not None:
        if call.prompt.user is not None and not _may_be_none(system, values):
            call.prompt = Prompt(system=system, user=call.prompt.user)
        else:
            call.options.append(("system", system))
    elif call.prompt.user is None and not has_roles_of_turns(call.prompt.messages):
        call.options.append(("system", cst.Name("None")))  # without it, a first system message would be moved there
    if "stop_sequences" in arguments:
        arguments["stop"] = arguments.pop("stop_sequences")
    call.options += arguments.items()


def _may_be_none(system: cst.BaseExpression, values: Evaluator) -> bool:
    """Tell whether a system prompt is seen to be None at times, which SDKs send and `generate_response` leaves out."""
    return is_none(system) or any(value.kind == "none" for value in values.of(system))


# OpenAI's Responses.

_STORED_STATE = {"previous_response_id", "conversation", "background", "include", "prompt", "store"}


def _translate_responses(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    if positional(site.call) or call.unpacked:
        raise Unprovable("the call has positional arguments, or passes options on", "name the arguments")
    stored_state = _STORED_STATE & set(arguments)
    if stored_state:
        raise Unprovable(
            f"{', '.join(sorted(stored_state))} works with what OpenAI stores, and the factory stores nothing there",
            "keep the messages in a list and use chat(messages)",
        )
    call.model = arguments.pop("model", None)
    call.settings.append(("api", expression('"responses"')))
    system, prompt_input = arguments.pop("instructions", None), arguments.pop("input", None)
    if prompt_input is None or arguments.keys() & {"text", "reasoning", "text_format"}:
        raise Unprovable("it has options of the Responses API alone", "say them as response_format, reasoning_effort")
    if isinstance(prompt_input, cst.List):
        refuse_untranslatable(prompt_input, values)
        prompt = read_messages(prompt_input)
        messages = prompt.messages
        if messages is None:
            call.prompt = prompt if system is None else Prompt(messages=with_system(system, prompt_input))
        else:
            call.prompt = Prompt(messages=messages if system is None else with_system(system, messages))
    elif not is_text(prompt_input, values):
        raise Unprovable("the input can be a list of messages", "use chat(messages), or generate_response for a text")
    else:
        call.prompt = Prompt(system=system, user=prompt_input)
    if "max_output_tokens" in arguments:
        arguments["max_tokens"] = arguments.pop("max_output_tokens")
    call.options += arguments.items()


def _may_be_list(node: cst.BaseExpression, values: Evaluator) -> bool:
    """Tell whether an expression can be a list of messages or parts and not one text."""
    if isinstance(node, cst.List | cst.ListComp | cst.Tuple | cst.Dict):
        return True
    return any(value.kind == "container" for value in values.of(node))


# Ollama.

_OLLAMA = ("temperature", "top_p", "stop", "seed")  # options that the factory has under the same names


def _translate_ollama(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    names = ("model", "messages") if site.kind == "chat" else ("model", "prompt")
    arguments = {**dict(zip(names, positional(site.call), strict=False)), **arguments}
    if len(positional(site.call)) > 2 or call.unpacked:
        raise Unprovable("the call has positional arguments, or passes options on", "name the arguments")
    call.model = arguments.pop("model", None)
    if site.kind == "chat":
        messages = arguments.pop("messages", None)
        if messages is None:
            raise Unprovable("the call has no messages", "use generate_response(system_prompt, user_content)")
        call.prompt = _read_chat(messages, values)
    else:
        system, prompt = arguments.pop("system", None), arguments.pop("prompt", None)
        if prompt is None or arguments.keys() & {"images", "suffix", "template", "context", "raw"}:
            raise Unprovable("it asks with more than a prompt", "use generate_response(system_prompt, user_content)")
        call.prompt = Prompt(system=system, user=prompt)
    options = arguments.pop("options", None)
    if options is not None:
        ollama_options = entries(options) if isinstance(options, cst.Dict) else None
        if ollama_options is None:
            raise Unprovable("what its options hold is not known", "pass the options by name")
        for name, value in ollama_options.items():
            _add_ollama_option(name, value, call)
    reply_format = arguments.pop("format", None)
    if reply_format is not None and text_of(reply_format) != "":
        call.raw_options.append(("format", reply_format))
    call.options += arguments.items()


def _add_ollama_option(name: str, value: cst.BaseExpression, call: TranslatedCall) -> None:
    """Add an option of Ollama's: by the factory's name where that sends the same, else under its own."""
    if name == "num_predict" and isinstance(value, cst.Integer) and value.value != "0":
        call.options.append(("max_tokens", value))
    elif name in _OLLAMA:
        call.options.append((name, value))
    else:  # `max_tokens` too, which is none of Ollama's and which it ignores
        call.raw_options.append((name, value))


# Google.


def _translate_google(site: Site, arguments: Arguments, call: TranslatedCall, values: Evaluator) -> None:
    if call.unpacked:
        raise Unprovable("options are passed on", "name the arguments")
    if positional(site.call):
        arguments = {"contents": positional(site.call)[0], **arguments}
    contents = arguments.pop("contents", None)
    if isinstance(contents, cst.List) and len(contents.elements) == 1 and is_text(contents.elements[0].value, values):
        contents = contents.elements[0].value  # which the SDK sends as it does the list
    if len(positional(site.call)) > 1 or contents is None or _may_be_list(contents, values):
        raise Unprovable("the contents can be a list of parts", "use chat(messages), or parts of a user content")
    call.model = arguments.pop("model", None)
    config = arguments.pop("generation_config", None) or arguments.pop("config", None)
    pairs = google_options(config, values) if config is not None and not is_none(config) else []
    settings = arguments.pop("safety_settings", None)
    if settings is not None:
        pairs = [*pairs, ("safety_settings", literal_settings(settings))]
    call.prompt = Prompt(system=dict(pairs).get("system_instruction"), user=contents)
    call.options += [(name, value) for name, value in pairs if name != "system_instruction"]
    if site.names[-1] == "generate_content_stream":
        call.stream = True
    if arguments:
        raise Unprovable(
            f"{', '.join(sorted(arguments))} cannot be carried over for certain", "pass the options by name"
        )


_EXPANDED = (("openai", "chat"), ("groq", "chat"), ("openai", "legacy"), ("anthropic", "messages"))
_REQUIRED = {
    "openai": ("model",), "groq": ("model",), "anthropic": ("model", "max_tokens"), "responses": ("model",),
    "legacy": ("model",), "genai": ("model",), "ollama": ("model",),
}  # fmt: skip
_TRANSLATORS = {
    "openai": _translate_chat,
    "groq": _translate_chat,
    "anthropic": _translate_messages,
    "responses": _translate_responses,
    "legacy": _translate_legacy,
    "ollama": _translate_ollama,
    "generativeai": _translate_google,
    "genai": _translate_google,
}
