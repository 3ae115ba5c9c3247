"""Judge what one call starts: a command line of a provider's program, or Python that is given as a text."""

from __future__ import annotations

import ast
import itertools
import re
from typing import TYPE_CHECKING

from src.migration.check.evaluate.texts import END, START
from src.migration.check.vocabulary.programs import COMMANDS, PACKAGES
from src.migration.check.vocabulary.words import Vocabulary, chain_kind, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.evaluate.folding import Folder
    from src.migration.check.evaluate.module import Place

OTHER_SERVER = "another server"
Hit = tuple[str, str, str]  # rule, provider, what

_RUN = frozenset({
    "run", "call", "Popen", "check_output", "check_call", "getoutput", "getstatusoutput", "system", "popen", "shell",
    "cmd", "create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell", "open_process",
    "run_process", "Command", "posix_spawn", "posix_spawnp",
})  # fmt: skip
_STARTERS = (
    "subprocess",
    "os.",
    "asyncio.",
    "pexpect",
    "pty.",
    "anyio.",
    "trio.",
    "plumbum",
    "invoke.",
    "sh.",
    "delegator.",
)
# Words of which the program itself is one, after an argument that is something else or the program's path.
_WORDS_ONLY = re.compile(r"^(?:create_)?subprocess_exec$|^execl|^spawnl|^spawn$")
_LIST_SECOND = re.compile(r"^execv|^spawnv|^posix_spawn")
_SHELL = re.compile(r"[|;&\n(`]+|\$\(")
# What starts another program, and the options that take a word of their own before it.
_PREFIXES = frozenset({
    "sudo", "env", "nohup", "time", "timeout", "npx", "uvx", "bunx", "exec", "nice", "xargs", "uv", "tool", "pipx",
    "run", "dlx", "pnpm", "wsl", "wsl.exe", "stdbuf", "script", "-y", "--yes", "-q", "-it", "-i", "-t", "--",
})  # fmt: skip
_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "cmd", "powershell", "pwsh"})
_FETCHERS = frozenset({"curl", "wget", "http", "https", "xh", "httpie", "curlie"})
_ELSEWHERE = frozenset(
    {"docker", "podman", "kubectl", "ssh", "docker-compose"}
)  # they run a program on another machine
_RUNS_MODULE = re.compile(r"python[\d.]*$|pypy[\d.]*$")
_LIBRARIES = re.compile(r"^(?:sh|plumbum\.cmd)\.(?P<name>[\w-]+)(?:\.bake)?$")
Word = tuple[str, ...]


class Lines:
    """Judge command lines with the help of one module's folder and a vocabulary."""

    def __init__(self, folder: Folder, vocabulary: Vocabulary) -> None:
        self.folder = folder
        self.words = vocabulary

    def commands(self, place: Place, node: ast.Call, names: tuple[str, ...], last: str) -> Iterator[Hit]:
        """Give what is wrong with the command line that a call may start."""
        yield from self._library(place, node, names)
        known = last in _RUN or last.startswith(("exec", "spawn"))
        if not (known or re.search(r"run|exec|popen|spawn|shell|command", last, re.IGNORECASE)):
            return
        surely = known and any(name.lstrip("?").startswith(_STARTERS) for name in names)
        surely = surely or last in {"subprocess_exec", "subprocess_shell"}
        if surely and _WORDS_ONLY.search(last):
            yield from self._several(place, node)
        arguments: list[ast.expr | None] = [argument(node, 0, "args", "cmd", "command", "program")]
        if surely and (_LIST_SECOND.search(last) or last == "subprocess_shell"):
            arguments = [*node.args[1:3]]
        for one in arguments:
            if one is not None:
                yield from self._given(place, one, surely)

    def _several(self, place: Place, node: ast.Call) -> Iterator[Hit]:
        """Judge a call whose arguments are the words."""
        words = [self.folder.fold(value, place.scope) for value in self._spread(node.args, place)]
        starts = {0, 1} if words and "subprocess" in "".join(names_of(node)) else {0, 1, 2}
        for at in sorted(starts):
            found = list(self._line(words[at:]))
            yield from found
            if found:
                return

    def _spread(self, arguments: list[ast.expr], place: Place) -> Iterator[ast.AST]:
        for one in arguments:
            containers = self.folder.containers(one, place.scope)
            inner = next(containers, None)
            yield from [one] if inner is None else [value for _, value in inner]

    def _given(self, place: Place, given: ast.expr, surely: bool) -> Iterator[Hit]:
        for container in self.folder.containers(given, place.scope):
            yield from self._line([self.folder.fold(value, place.scope) for _, value in container])
        if surely:
            for text in self.folder.fold(given, place.scope):
                yield from self._shell(text)

    def _shell(self, text: str) -> Iterator[Hit]:
        for part in _SHELL.split(text):
            yield from self._line([(word.strip("\"'"),) for word in part.split()])

    def _library(self, place: Place, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        """Judge what a library offers as a function for each program: `sh.ollama("run")`."""
        for name in names:
            found = _LIBRARIES.match(name)
            if found and found["name"] in COMMANDS:
                yield from self._line([(found["name"],), *(self.folder.fold(one, place.scope) for one in node.args)])

    def _line(self, words: list[Word]) -> Iterator[Hit]:
        """Judge one command line, each word of which may be one of several texts."""
        while words and any(_skippable(one) for one in words[0]):
            words = words[1:]
        rest = [text for word in words[1:] for text in word]
        for program in words[0] if words else ():
            name = re.split(r"[/\\]", program)[-1].removesuffix(".exe").removesuffix(".cmd")
            name = PACKAGES.get(re.sub(r"(?<=.)@[\w.]+$", "", program), name)
            if name in _FETCHERS:
                yield from self._fetched(name, rest)
            elif _RUNS_MODULE.match(name) or program.endswith("sys.executable" + END):
                yield from self._python(words[1:])
            elif name in _SHELLS:
                yield from self._inner(words[1:])
            elif name in _ELSEWHERE:
                yield from self._elsewhere(words[1:])
            elif name in COMMANDS and COMMANDS[name].is_call(rest):
                yield "provider-command", COMMANDS[name].provider, f"the {name} command is started"

    def _inner(self, words: list[Word]) -> Iterator[Hit]:
        """Judge what a shell is told with -c."""
        for flag, word in itertools.pairwise(words):
            if any(one.lower() in {"/c", "-command"} or re.fullmatch(r"-\w*c", one) for one in flag):
                for text in word:
                    yield from self._shell(text)

    def _elsewhere(self, words: list[Word]) -> Iterator[Hit]:
        """Judge what is run in a container or on another machine, which comes after words that may mean anything."""
        for at in range(len(words)):
            rest = [text for word in words[at + 1 :] for text in word]
            for text in words[at]:
                if text in COMMANDS and COMMANDS[text].is_asked(rest):
                    yield "provider-command", COMMANDS[text].provider, f"the {text} command is started"
                    return
                if " " in text:
                    yield from self._shell(text)

    def _fetched(self, program: str, rest: list[str]) -> Iterator[Hit]:
        for text in rest:
            address = text.removeprefix("--url=")
            provider = self.words.provider_of_url(address) or (OTHER_SERVER if is_model_server_path(address) else None)
            provider = provider or (
                self.words.provider_of_url(f"https://{address}") if re.match(r"[\w.-]+\.\w+/", address) else None
            )
            if provider:
                yield "provider-url", provider, f"{shown(address)} is called with {program}"

    def _python(self, words: list[Word]) -> Iterator[Hit]:
        for flag, word in itertools.pairwise(words):
            for text in word:
                if "-c" in flag:
                    yield from run_text([text], self.words)
                provider = self.words.provider_of_module(text) if "-m" in flag else None
                if provider:
                    yield "provider-command", provider, f"{text} is run as a module"


def run_text(texts: Iterable[str], words: Vocabulary) -> Iterator[Hit]:
    """Give what is wrong with Python that is run from a text."""
    for text in texts:
        if START in text or not any(word in text for word in ("import", "create", "generate")):
            continue
        try:
            tree = ast.parse(text.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for name in _imported(tree):
            provider = words.provider_of_module(name)
            if provider:
                yield "dynamic-import", provider, f"{name} is imported in a text that is run"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and chain_kind(f".{ast.unparse(node.func)}", frozenset({None})) == "sdk-call":
                yield "sdk-call", "a provider", f"{ast.unparse(node.func)[-60:]} is called in a text that is run"


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="__import__" | "import_module"),
                args=[ast.Constant(value=str(text)), *_],
            ):
                yield text


def names_of(node: ast.Call) -> tuple[str, ...]:
    """Return the last part of what is called."""
    return (str(getattr(node.func, "attr", None) or getattr(node.func, "id", "")),)


def _skippable(word: str) -> bool:
    return word in _PREFIXES or word.isdigit() or bool(re.fullmatch(r"\w+=\S*", word))


def argument(node: ast.Call, index: int, *keywords: str) -> ast.expr | None:
    """Return an argument of a call, by its name or its place."""
    for keyword in node.keywords:
        if keyword.arg in keywords:
            return keyword.value
    return node.args[index] if index < len(node.args) else None


def shown(text: str) -> str:
    """Return an address as a person reads it."""
    plain = re.sub(f"{START}([^{END}]*){END}", r"{\1}", text).replace("{@", "{")
    return (plain[:77] + "...") if len(plain) > 80 else plain
