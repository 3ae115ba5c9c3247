"""Judge what one call starts: a command line of a provider's program, or Python that is passed as a text."""

from __future__ import annotations

import ast
import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.check.evaluate.shell_texts import shell_commands
from src.migration.check.evaluate.texts import END, START
from src.migration.check.records import Hit
from src.migration.check.vocabulary.programs import COMMANDS, PACKAGES
from src.migration.check.vocabulary.words import Vocabulary, chain_kind, is_model_server_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.check.evaluate.evaluator import Evaluator
    from src.migration.check.evaluate.module import Candidate

OTHER_SERVER = "another server"

_STARTING_NAMES = frozenset({
    "run", "call", "Popen", "check_output", "check_call", "getoutput", "getstatusoutput", "system", "popen", "shell",
    "cmd", "create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell", "open_process",
    "run_process", "Command", "posix_spawn", "posix_spawnp",
})  # fmt: skip
_STARTING_MODULES = (
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
_STARTING = re.compile(r"run|exec|popen|spawn|shell|command", re.IGNORECASE)
# These take the words of the command line as their arguments, some after another argument.
_WORDS_ONLY = re.compile(r"^(?:create_)?subprocess_exec$|^execl|^spawnl|^spawn$")
_LIST_SECOND = re.compile(r"^execv|^spawnv|^posix_spawn")
# These words come before the program that is started.
_PREFIXES = frozenset({
    "sudo", "env", "nohup", "time", "timeout", "npx", "uvx", "bunx", "exec", "nice", "xargs", "uv", "tool", "pipx",
    "run", "dlx", "pnpm", "wsl", "wsl.exe", "stdbuf", "script", "-y", "--yes", "-q", "-it", "-i", "-t", "--",
})  # fmt: skip
_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "cmd", "powershell", "pwsh"})
_FETCHERS = frozenset({"curl", "wget", "http", "https", "xh", "httpie", "curlie"})
_REMOTE_RUNNERS = frozenset({"docker", "podman", "kubectl", "ssh", "docker-compose"})
_RUNS_MODULE = re.compile(r"python[\d.]*$|pypy[\d.]*$")
_SHELL_LIBRARIES = re.compile(r"^(?:sh|plumbum\.cmd)\.(?P<name>[\w-]+)(?:\.bake)?$")
Word = tuple[str, ...]  # the texts that a word of a command line may have


class CommandLines:
    """Judges the command lines that the calls of one module start."""

    def __init__(self, evaluator: Evaluator, vocabulary: Vocabulary) -> None:
        self.evaluator = evaluator
        self.words = vocabulary
        scopes = (evaluator.module.top, *evaluator.module.scopes.values())
        self.uses_shell_library = any(
            isinstance(value, str) and (value == "sh" or value.startswith(("sh.", "plumbum")))
            for scope in scopes
            for values in scope.names.values()
            for value in values
        )

    def hits(self, candidate: Candidate, node: ast.Call, names: tuple[str, ...], last: str) -> Iterator[Hit]:
        """Yield what makes the command line that a call may start a direct call."""
        yield from self._library_call(candidate, node, names)
        if not may_start_command(last):
            return
        is_known = last in _STARTING_NAMES or last.startswith(("exec", "spawn"))
        surely = is_known and any(name.lstrip("?").startswith(_STARTING_MODULES) for name in names)
        surely = surely or last in {"subprocess_exec", "subprocess_shell"}
        if surely and _WORDS_ONLY.search(last):
            yield from self._words_as_arguments(candidate, node)
        commands: list[ast.expr | None] = [argument(node, 0, "args", "cmd", "command", "program")]
        if surely and (_LIST_SECOND.search(last) or last == "subprocess_shell"):
            commands = [*node.args[1:3]]
        for command in commands:
            if command is not None:
                yield from self._command(candidate, command, surely)

    def _words_as_arguments(self, candidate: Candidate, node: ast.Call) -> Iterator[Hit]:
        words = [self.evaluator.fold(value, candidate.scope) for value in self._spread(node.args, candidate)]
        starts = {0, 1} if words and "subprocess" in _called_name(node) else {0, 1, 2}
        for start in sorted(starts):
            hits = list(self._line(words[start:]))
            yield from hits
            if hits:
                return

    def _spread(self, arguments: list[ast.expr], candidate: Candidate) -> Iterator[ast.AST]:
        for value in arguments:
            elements = next(self.evaluator.containers(value, candidate.scope), None)
            yield from [value] if elements is None else [element for _, element in elements]

    def _command(self, candidate: Candidate, command: ast.expr, surely: bool) -> Iterator[Hit]:
        """Judge a list of words, and a text where the call surely starts a command."""
        for container in self.evaluator.containers(command, candidate.scope):
            yield from self._line([self.evaluator.fold(value, candidate.scope) for _, value in container])
        if surely:
            for text in self.evaluator.fold(command, candidate.scope):
                yield from self._shell(text)

    def _shell(self, text: str) -> Iterator[Hit]:
        for words in shell_commands(text):
            yield from self._line([(word,) for word in words])

    def _library_call(self, candidate: Candidate, node: ast.Call, names: tuple[str, ...]) -> Iterator[Hit]:
        """Judge a call of a library that has a function for each program: `sh.ollama("run")`."""
        for name in names:
            match = _SHELL_LIBRARIES.match(name)
            if match and match["name"] in COMMANDS:
                arguments = (self.evaluator.fold(value, candidate.scope) for value in node.args)
                yield from self._line([(match["name"],), *arguments])

    def _line(self, words: list[Word]) -> Iterator[Hit]:
        """Judge one command line, each word of which may have one of several texts."""
        while words and any(_skippable(text) for text in words[0]):
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
                yield from self._shell_argument(words[1:])
            elif name in _REMOTE_RUNNERS:
                yield from self._remote(words[1:])
            elif name in COMMANDS and rest[:1] != ["="] and COMMANDS[name].is_call(rest):  # no assignment of Python
                yield _started(name)

    def _shell_argument(self, words: list[Word]) -> Iterator[Hit]:
        """Judge the command line that a shell runs with -c."""
        for flag, word in itertools.pairwise(words):
            if any(text.lower() in {"/c", "-command"} or re.fullmatch(r"-\w*c", text) for text in flag):
                for text in word:
                    yield from self._shell(text)

    def _remote(self, words: list[Word]) -> Iterator[Hit]:
        """Judge the command that runs in a container or on another machine, after options of any kind."""
        for index, word in enumerate(words):
            rest = [text for later in words[index + 1 :] for text in later]
            for text in word:
                if text in COMMANDS and COMMANDS[text].surely_calls(rest):
                    yield _started(text)
                    return
                if " " in text:
                    yield from self._shell(text)

    def _fetched(self, program: str, rest: list[str]) -> Iterator[Hit]:
        for text in rest:
            address = text.removeprefix("--url=")
            provider = self.words.provider_of_url(address) or (OTHER_SERVER if is_model_server_path(address) else None)
            if not provider and re.match(r"[\w.-]+\.\w+/", address):
                provider = self.words.provider_of_url(f"https://{address}")
            if provider:
                what = f"{display_address(address)} is called with {program}"
                yield Hit(rule="provider-url", provider=provider, what=what)

    def _python(self, words: list[Word]) -> Iterator[Hit]:
        for flag, word in itertools.pairwise(words):
            for text in word:
                if "-c" in flag:
                    yield from executed_text([text], self.words)
                provider = self.words.provider_of_module(text) if "-m" in flag else None
                if provider:
                    yield Hit(rule="provider-command", provider=provider, what=f"{text} is run as a module")


@lru_cache(maxsize=4096)
def may_start_command(name: str) -> bool:
    """Tell whether a call of something with this last name may start a command."""
    is_known = name in _STARTING_NAMES or name.startswith(("exec", "spawn"))
    return is_known or _STARTING.search(name) is not None


def executed_text(texts: Iterable[str], words: Vocabulary) -> Iterator[Hit]:
    """Yield what makes Python that is run from a text a direct call."""
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
                what = f"{name} is imported in a text that is run"
                yield Hit(rule="dynamic-import", provider=provider, what=what)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and chain_kind(f".{ast.unparse(node.func)}", frozenset({None})) == "sdk-call":
                what = f"{ast.unparse(node.func)[-60:]} is called in a text that is run"
                yield Hit(rule="sdk-call", provider="a provider", what=what)


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


def _started(program: str) -> Hit:
    return Hit(rule="provider-command", provider=COMMANDS[program].provider, what=f"the {program} command is started")


def _called_name(node: ast.Call) -> str:
    return str(getattr(node.func, "attr", None) or getattr(node.func, "id", ""))


def _skippable(word: str) -> bool:
    return word in _PREFIXES or word.isdigit() or bool(re.fullmatch(r"\w+=\S*", word))


def argument(node: ast.Call, index: int, *keywords: str) -> ast.expr | None:
    """Return an argument of a call, by one of its names or by its position."""
    for keyword in node.keywords:
        if keyword.arg in keywords:
            return keyword.value
    return node.args[index] if index < len(node.args) else None


def display_address(text: str) -> str:
    """Return an address with its unknown parts in braces, cut to 80 characters."""
    plain = re.sub(f"{START}([^{END}]*){END}", r"{\1}", text).replace("{@", "{")
    return (plain[:77] + "...") if len(plain) > 80 else plain
