"""Find the providers that a command line calls, by the addresses and the programs in it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from src.models.guard import hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The interpreter's audit events that start a command, each with the position of its words among the event's arguments:
# a list, or a line for a shell.
# https://docs.python.org/3/library/audit_events.html
EVENTS: Final = {"subprocess.Popen": 1, "os.system": 0, "os.exec": 1, "os.posix_spawn": 1, "pty.spawn": 0}
# Each provider's program, the words with which it calls a model, and the host that it calls.
_PROGRAMS: dict[str, tuple[frozenset[str], str]] = {
    "ollama": (frozenset({"run"}), "localhost:11434"),
    "claude": (frozenset({"-p", "--print"}), "api.anthropic.com"),
    "gemini": (frozenset({"-p", "--prompt"}), "generativelanguage.googleapis.com"),
    "codex": (frozenset({"exec", "e"}), "api.openai.com"),
    "openai": (frozenset({"api"}), "api.openai.com"),
    "llm": (frozenset({"-m", "--model", "prompt", "chat"}), "api.openai.com"),
}
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "cmd", "cmd.exe", "powershell", "pwsh"})
# A first word behind which the program may come: another that starts it, a variable, a word of the shell's own.
_BEFORE_PROGRAM = re.compile(
    r"(?:\S*/)?(?:sudo|env|nice|nohup|time|timeout|stdbuf|exec|xargs|command|setsid|ionice|npx|uvx|pipx|script)"
    r"|\w+=.*|[{!]|then|else|do|if|while",
    re.DOTALL,
)
_MOST_BEFORE = 10  # words
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s\"'<>|;)]+")
_HOST = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)+(?=[/:\s\"']|$)")
_SUBSTITUTION = re.compile(r"\$\([^()]+\)|`[^`]+`")
_ENDS = frozenset(";|&()\n")
_ENDING = re.compile(r"[;|&()\n]+")
_ESCAPED_END = re.compile(r"\\[;|&()]")


def targets(event: str, args: tuple[Any, ...]) -> Iterator[tuple[str, int | None]]:
    """Yield the hosts and ports that a command calls, from an audit event's name and arguments."""
    command = args[EVENTS[event]]
    words = [_text(word) for word in (command if isinstance(command, list | tuple) else [command])]
    line = " ".join(words)
    yield from _addresses(line)
    for program_words in _commands(words):
        yield from _program_targets(program_words)


def _addresses(line: str) -> Iterator[tuple[str, int | None]]:
    for address in _ADDRESS.findall(line):
        try:
            parts = urlsplit(address)
            if parts.hostname:
                yield parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        except ValueError:  # not an address, such as one with a shell variable in it
            continue
    for host in _HOST.findall(line):
        if host.lower() in hosts.HOSTS:
            yield host, None


def _commands(words: list[str]) -> Iterator[Sequence[str]]:
    """Yield the words of each command: those of the line itself, and those in a text that a shell runs."""
    yield words
    is_shell = len(words) == 1 or re.split(r"[/\\]", words[0])[-1] in _SHELLS
    for word in words if is_shell else ():
        if " " in word:
            yield from _shell_commands(word)


def _shell_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line for a shell; what separates commands inside quotes is text."""
    for inner in _SUBSTITUTION.findall(line):
        yield from _shell_commands(inner.strip("$()`"))
    reader = shlex.shlex(_ESCAPED_END.sub("_", line), posix=True, punctuation_chars=";|&()\n")
    reader.whitespace = " \t\r"
    reader.commenters = ""
    command: list[str] = []
    try:
        for token in reader:
            if set(token) <= _ENDS:
                yield command
                command = []
            else:
                command.append(token)
        yield command
    except ValueError:  # a quotation that nothing closes
        yield from (part.split() for part in _ENDING.split(line))


def _program_targets(words: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    starts = (
        range(min(len(words), _MOST_BEFORE)) if words and _BEFORE_PROGRAM.fullmatch(words[0]) else range(len(words[:1]))
    )
    for start in starts:
        program = re.split(r"[/\\]", words[start])[-1].removesuffix(".exe")
        calling_words, host = _PROGRAMS.get(program, (frozenset(), ""))
        if any(argument.partition("=")[0] in calling_words for argument in words[start + 1 :]):
            name, _, port = host.partition(":")
            yield name, int(port) if port else None
            return


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
