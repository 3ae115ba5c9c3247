"""Define a prompt: its name, its texts with variables, and the version that follows from what it says."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from src.observability.redaction import redact_text
from src.prompts.templates import filled, misspelled, variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Source = Literal["file", "langfuse", "built in", "kept"]
ROLES: Final = ("system", "developer", "user", "assistant")
PRODUCTION: Final = "production"
LATEST: Final = "latest"
SHOWN_DIGITS: Final = 8  # of a digest; enough to tell the versions of one prompt apart


class PromptError(ValueError):
    """A prompt, a version of it, or what it is filled with cannot be used; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(redact_text(message))


class PromptMissing(PromptError):
    """There is no prompt, or no version, of this name."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat prompt; `content` is a template."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt.

    Attributes:
        name: Its name.
        kind: `text`, or `chat` for messages.
        turns: Its messages; a text is one message of the role `system`.
        digest: The SHA-256 of what it says, in hex digits: another text or another config is another version.
        number: The number that its file or Langfuse has for it; None for a file without one.
        config: Parameters that belong to it, such as a temperature.
        labels: The labels that stand on this version.
        source: Where it comes from; `kept` for an earlier text of a file.
        langfuse_version: Its version in Langfuse's prompt management, where it is known to say exactly this.
        place: The file, or the address of the server.
    """

    name: str
    kind: Literal["text", "chat"]
    turns: tuple[Turn, ...]
    digest: str
    number: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    source: Source = "file"
    langfuse_version: int | None = None
    place: str = ""

    @property
    def version(self) -> str:
        """Return the version as it is recorded: Langfuse's number, or digits of the digest after a file's number."""
        if self.source == "langfuse":
            return str(self.langfuse_version)
        digits = self.digest[:SHOWN_DIGITS]
        return digits if self.number is None else f"{self.number}-{digits}"

    @property
    def text(self) -> str:
        """Return the template of a text prompt; of a chat prompt all its messages below one another."""
        if self.kind == "text":
            return self.turns[0].content
        return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in self.turns)

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names of its variables, in their order."""
        return variables_of("\n".join(turn.content for turn in self.turns))

    def compile(self, **values: object) -> Any:
        """Return the text, or the messages of a chat prompt as dictionaries, with its variables filled in.

        As `compile` of Langfuse's client, but nothing is left open: `bind` says what is refused.
        """
        bound = self.bind(**values)
        return bound.text if self.kind == "text" else bound.messages

    def bind(self, **values: object) -> BoundPrompt:
        """Return the prompt with its variables filled in, which `langfuse_prompt=` records with their values.

        Raises:
            PromptError: a variable is missing or None, or a value belongs to none.
        """
        return bound_prompt(self, values)


@dataclass(frozen=True, slots=True)
class BoundPrompt:
    """A prompt whose variables are filled in. A model call takes it as `langfuse_prompt=`, which links the two."""

    prompt: Prompt
    variables: Mapping[str, str]

    @property
    def text(self) -> str:
        """Return the text of a text prompt.

        Raises:
            PromptError: it is a chat prompt.
        """
        if self.prompt.kind != "text":
            raise PromptError(f"The prompt {self.prompt.name!r} has messages, not one text: take `.messages`.")
        return filled(self.prompt.turns[0].content, self.variables)

    @property
    def messages(self) -> list[dict[str, str]]:
        """Return the messages, as `model.chat` takes them; a text prompt is one message of the role system."""
        return [{"role": turn.role, "content": filled(turn.content, self.variables)} for turn in self.prompt.turns]


def bound_prompt(prompt: Prompt, values: Mapping[str, object]) -> BoundPrompt:
    """Fill in a prompt's variables; see `Prompt.bind`."""
    wanted = prompt.variables
    missing = [name for name in wanted if values.get(name) is None]
    if missing:
        raise PromptError(
            f"The prompt {prompt.name!r}, version {prompt.version}, needs {_listed(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} {'missing' if missing[0] not in values else 'None'}: "
            f"give it as compile({missing[0]}=...)."
        )
    unused = [name for name in values if name not in wanted]
    if unused:
        has = f"it has {_listed(wanted)}" if wanted else "it has none"
        raise PromptError(
            f"The prompt {prompt.name!r}, version {prompt.version}, has no variable {_listed(unused)} ({has}): leave "
            f"it out, or write {{{{{unused[0]}}}}} into the prompt."
        )
    return BoundPrompt(prompt=prompt, variables={name: str(values[name]) for name in wanted})


def _listed(names: Any) -> str:
    return ", ".join(names)


def text_prompt(name: str, text: str, *, source: Source = "built in", place: str = "") -> Prompt:
    """Return a text prompt.

    Raises:
        PromptError: its name or its text cannot be used.
    """
    return make_prompt(name, text, source=source, place=place)


def make_prompt(
    name: str,
    content: Any,
    *,
    config: object = None,
    number: int | None = None,
    labels: tuple[str, ...] = (),
    source: Source = "file",
    langfuse_version: int | None = None,
    place: str = "",
) -> Prompt:
    """Return a prompt from a text or from messages with `role` and `content`.

    Raises:
        PromptError: something of it cannot be used; the message begins with its place.
    """
    if source != "langfuse":  # whose names may be any
        check_name(name)
    where = place or f"the prompt {name!r}"
    kind: Literal["text", "chat"] = "text" if isinstance(content, str) else "chat"
    turns = (Turn("system", _text(content, where)),) if kind == "text" else _turns(content, where)
    for turn in turns:
        words = misspelled(turn.content)
        if words is not None:
            raise PromptError(
                f"{where}: {{{{{words}}}}} is no variable: its name has letters, digits and _, and begins with no "
                "digit. For braces that are text, put something else than words between them."
            )
    settings = _config(config, where)
    return Prompt(
        name=name,
        kind=kind,
        turns=turns,
        digest=digest_of(kind, turns, settings),
        number=number,
        config=settings,
        labels=labels,
        source=source,
        langfuse_version=langfuse_version,
        place=place,
    )


def digest_of(kind: str, turns: tuple[Turn, ...], config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a prompt says. That of a text without a config is the text's own."""
    if kind == "text" and not config:
        content = turns[0].content
    else:
        parts = [kind, [[turn.role, turn.content] for turn in turns], config]
        content = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def body_of(prompt: Prompt) -> Any:
    """Return what a prompt says as `make_prompt` takes it: a text, or messages with role and content."""
    if prompt.kind == "text":
        return prompt.turns[0].content
    return [{"role": turn.role, "content": turn.content} for turn in prompt.turns]


def check_name(name: object) -> str:
    """Return a prompt's name.

    Raises:
        PromptError: it is none that a file can have.
    """
    parts = name.split("/") if isinstance(name, str) else [""]
    is_usable = all(
        part and part[0] not in ".-" and all(sign.isalnum() or sign in "_.- " for sign in part) for part in parts
    )
    if not isinstance(name, str) or not is_usable or len(name) > 200 or parts[-1].isdecimal():
        raise PromptError(
            f"{name!r:.60} is no name of a prompt: use letters, digits, spaces, _, - and ., and / between folders; "
            "the last part is no number."
        )
    return name


def _text(content: object, where: str) -> str:
    if not isinstance(content, str) or not content.strip():
        raise PromptError(f"{where}: a text is {'empty' if isinstance(content, str) else 'no text'}: write one.")
    return content


def _turns(content: object, where: str) -> tuple[Turn, ...]:
    if not isinstance(content, list | tuple) or not content:
        raise PromptError(f"{where}: it has neither a text nor messages: give one of them.")
    turns = []
    for place, message in enumerate(content, start=1):
        if not isinstance(message, dict) or message.get("type") == "placeholder" or "content" not in message:
            raise PromptError(
                f"{where}: message {place} is no role with a content (a placeholder for messages is not supported): "
                "give role and content."
            )
        role = message.get("role")
        if role not in ROLES:
            raise PromptError(f"{where}: message {place} has the role {role!r:.40}: give {', '.join(ROLES)}.")
        turns.append(Turn(role, _text(message["content"], f"{where}: message {place}")))
    return tuple(turns)


def _config(config: object, where: str) -> dict[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        raise PromptError(f"{where}: its config is no table of names and values.")
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PromptError(
            f"{where}: its config holds what JSON does not have ({error}): give texts, finite numbers, true or false."
        ) from error
    return dict(config)


def config_temperature(prompt: Prompt, default: float | None) -> float | None:
    """Return the temperature that a prompt's config sets, for callers that take nothing else from it.

    Raises:
        PromptError: it is no temperature, or the config sets something else too.
    """
    others = sorted(prompt.config.keys() - {"temperature"})
    if others:
        raise PromptError(
            f"The prompt {prompt.name!r}, version {prompt.version}, has {_listed(others)} in its config, which this "
            "agent would not use: leave it out, or set it where the agent is made."
        )
    value: float | None = prompt.config.get("temperature", default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if value is not None and not (is_number and 0 <= value <= 2):
        raise PromptError(
            f"The prompt {prompt.name!r}, version {prompt.version}, sets the temperature to {value!r:.40}: give 0 to 2."
        )
    return value
