"""A call of an SDK in the factory's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import libcst as cst

from src.migration.rewrite.analysis.syntax import Star, code, expression
from src.migration.rewrite.translate.messages import Prompt

Pairs = list[tuple[str, cst.BaseExpression]]
_NONE = cst.Name("None")


class Argument(NamedTuple):
    """One argument of a call: `value`, `name=value` or `**value`."""

    name: str | None
    value: cst.BaseExpression
    star: Star = ""


@dataclass(slots=True)
class TranslatedCall:
    """The arguments of one call.

    Attributes:
        prompt: The system prompt and the user content, or the conversation.
        model: The model's name.
        options: The options by the factory's names.
        unpacked: The dictionaries that the call passes with `**`.
        raw_options: Options that go to the provider under its own names.
        stream: Whether the reply is streamed.
        streams_usage: Whether the stream reports its token usage at its end.
        settings: Arguments of `get_model` that the call itself carries.
    """

    prompt: Prompt = field(default_factory=Prompt)
    model: cst.BaseExpression | None = None
    options: Pairs = field(default_factory=list)
    unpacked: list[cst.BaseExpression] = field(default_factory=list)
    raw_options: Pairs = field(default_factory=list)
    stream: bool = False
    streams_usage: bool = False
    settings: Pairs = field(default_factory=list)

    def arguments(self, *, plain_max_tokens: bool) -> tuple[str, list[Argument]]:
        """Return the method's stem (`generate_response` or `chat`) and its arguments.

        Args:
            plain_max_tokens: Send `max_tokens` under just that name, for servers that know no other.
        """
        options, raw_options = self.options, list(self.raw_options)
        names = {name for name, _ in options}
        if plain_max_tokens:
            raw_options += [(name, value) for name, value in options if name == "max_tokens"]
            options = [(name, value) for name, value in options if name != "max_tokens"]
        is_single_prompt = self.prompt.user is not None
        needs_temperature = is_single_prompt and "temperature" not in names
        arguments = self._prompt_arguments()
        if needs_temperature and not self.unpacked:
            arguments.append(Argument("temperature", _NONE))
        arguments += [Argument(name, value) for name, value in options]
        if needs_temperature and self.unpacked:  # one of the dictionaries may hold it
            merged = "".join(f", **{code(value)}" for value in self.unpacked)
            arguments.append(Argument(name=None, value=expression(f'{{"temperature": None{merged}}}'), star="**"))
        else:
            arguments += [Argument(name=None, value=value, star="**") for value in self.unpacked]
        if raw_options:
            pairs = ", ".join(f'"{name}": {code(value)}' for name, value in raw_options)
            arguments.append(Argument("options", expression(f"{{{pairs}}}")))
        return ("generate_response" if is_single_prompt else "chat"), arguments

    def _prompt_arguments(self) -> list[Argument]:
        prompt = self.prompt
        if prompt.user is not None:
            return [Argument(None, prompt.system or _NONE), Argument(None, prompt.user)]
        return [Argument(None, prompt.messages)] if prompt.messages is not None else []
