"""Tell which provider a command line asks: by an address among its words, or by a program that is a provider's own."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from src.models.guard import hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The interpreter's audit events, each with the place of the words among its arguments: a list, or a line for a shell.
# https://docs.python.org/3/library/audit_events.html
EVENTS: Final = {"subprocess.Popen": 1, "os.system": 0, "os.exec": 1, "os.posix_spawn": 1, "pty.spawn": 0}
# A program, the words that make it ask (none: any but those that look after it), and the host that answers.
_PROGRAMS: dict[str, tuple[frozenset[str], str]] = {
    "ollama": (frozenset({"run"}), "localhost:11434"),
    "claude": (frozenset({"-p", "--print"}), "api.anthropic.com"),
    "gemini": (frozenset({"-p", "--prompt"}), "generativelanguage.googleapis.com"),
    "codex": (frozenset({"exec", "e"}), "api.openai.com"),
    "openai": (frozenset({"api"}), "api.openai.com"),
    "llm": (frozenset({"-m", "--model", "prompt", "chat"}), "api.openai.com"),
}
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "cmd", "cmd.exe", "powershell", "pwsh"})
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s\"'<>|;)]+")
_HOST = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)+(?=[/:\s\"']|$)")
_ENDS = re.compile(r"[|;&\n(`]+")


def targets(event: str, args: tuple[Any, ...]) -> Iterator[tuple[str, int | None]]:
    """Yield the hosts and ports that a command asks, as an audit event tells its words."""
    given = args[EVENTS[event]]
    words = [_text(word) for word in (given if isinstance(given, list | tuple) else [given])]
    line = " ".join(words)
    yield from _addresses(line)
    for command in _commands(words):
        yield from _of_program(command)


def _addresses(line: str) -> Iterator[tuple[str, int | None]]:
    for address in _ADDRESS.findall(line):
        try:
            parts = urlsplit(address)
            if parts.hostname:
                yield parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        except ValueError:  # no address after all, such as one with a shell's variable in it
            continue
    for host in _HOST.findall(line):
        if host.lower() in hosts.HOSTS:
            yield host, None


def _commands(words: list[str]) -> Iterator[Sequence[str]]:
    """Yield each command of a line: the words themselves, and those of a text that a shell is given."""
    yield words
    is_shell = len(words) == 1 or re.split(r"[/\\]", words[0])[-1] in _SHELLS
    for word in words if is_shell else ():
        for part in _ENDS.split(word) if " " in word else ():
            try:
                yield shlex.split(part)
            except ValueError:  # a quotation that does not end within this part
                yield part.split()


def _of_program(words: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    for at, word in enumerate(words[:3]):  # `env`, `sudo` and the like may come before it
        asks, host = _PROGRAMS.get(re.split(r"[/\\]", word)[-1].removesuffix(".exe"), (frozenset(), ""))
        if any(one.partition("=")[0] in asks for one in words[at + 1 :]):
            name, _, port = host.partition(":")
            yield name, int(port) if port else None
            return


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
