"""Find what a checkout imports from the installed packages and will not find there, module and name."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.migration.check.scan import SKIPPED
from src.migration.install.module_names import absolute, parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from src.migration.install.module_names import Modules

_PACKAGES = ("models", "observability", "migration")
_FOLDERS = tuple(f"src/{package}/" for package in _PACKAGES)
_WORD = re.compile(rb"\b(?:models|observability|migration)\b")
_DOTTED = re.compile(r"\bsrc\.(?:models|observability|migration)(?:\.[A-Za-z_]\w*)*\b(?![\w.]*/)")
_PATH = re.compile(r"(?<![\w.-]/)\bsrc/(?:models|observability|migration)/[\w./-]*\.py\b")
_IMPORT_LINE = re.compile(r"^\s*(?:from\s+(src(?:\.\w+)+)\s+import\s+([\w, ]+)|import\s+(src(?:\.\w+)+))", re.MULTILINE)
_TEXTS = (".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd", ".yml", ".yaml", ".toml", ".cfg", ".ini", ".json",
          ".service", ".mk")  # fmt: skip
_TEXT_NAMES = ("Dockerfile", "Makefile", "makefile", "Procfile", "justfile", "crontab")
_LARGEST_TEXT = 200_000
_LARGEST_SOURCE = 5_000_000
OURS_NOW = "which was yours and is ours now"
# What `BaseModel` defines for good; a subclass that overrides one fails when it is defined.
FINAL = frozenset(
    {"generate_response", "agenerate_response", "chat", "achat", "stream_response", "astream_response", "stream_chat",
     "astream_chat"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """A place that will not work.

    Attributes:
        path: The file, from the checkout's root.
        line: The line, 0 where that is not known.
        what: What is there, as `imports src.models.x`.
        package: Which of the packages it is about.
        why: Why it does not work.
    """

    path: str
    line: int
    what: str
    package: str
    why: str


def broken_places(root: Path, modules: Modules, written: Collection[str]) -> list[Broken]:
    """Return every place of a checkout that needs of the packages what they will not have.

    Args:
        root: The checkout.
        modules: The modules of the packages after the installation.
        written: The files that are written or removed, which are skipped.
    """
    broken: set[Broken] = set()
    has_own_src = functools.cache(lambda folder: (folder / "src").is_dir())
    for file in _files(root):
        path = file.relative_to(root).as_posix()
        if path in written:
            continue
        source = _read(file)
        if not _WORD.search(source) and not path.startswith(_FOLDERS):
            continue
        if next(folder for folder in file.parents if folder == root or has_own_src(folder)) != root:
            continue  # of a project inside the checkout, with packages of its own
        if path.endswith((".py", ".pyw")):
            broken.update(_in_python(root, path, source, modules))
        elif path.endswith(".ipynb"):
            broken.update(_in_notebook(root, path, source, modules))
        else:
            broken.update(_in_text(path, source.decode("utf-8", "replace"), modules))
    return sorted(broken)


def python_files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the Python files of a checkout: each one's path from its root, and its source."""
    for file in _files(root):
        if file.suffix in (".py", ".pyw"):
            yield file.relative_to(root).as_posix(), _read(file)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED and not (here / name / "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            if name.endswith((".py", ".pyw", ".ipynb", *_TEXTS)) or name.startswith(_TEXT_NAMES):
                yield here / name


def _read(file: Path) -> bytes:
    largest = _LARGEST_SOURCE if file.suffix in (".py", ".pyw", ".ipynb") else _LARGEST_TEXT
    try:
        return file.read_bytes() if file.is_file() and file.stat().st_size <= largest else b""
    except OSError:
        return b""


def _in_python(root: Path, path: str, source: bytes, modules: Modules) -> Iterator[Broken]:
    tree = parsed(source)
    if tree is None:
        yield from _in_import_lines(path, source.decode("utf-8", "replace"), modules)
        return
    bare = _bare_packages(root, path, source)
    for name in bare if b"sys.path" not in source else ():
        why = f"whose modules import src.{name}, so that the root must be on sys.path"
        yield Broken(path=path, line=0, what=f"imports {name} without src", package=name, why=why)
    yield from _Reader(path, modules, bare).read(tree)


def _in_notebook(root: Path, path: str, source: bytes, modules: Modules) -> Iterator[Broken]:
    try:
        cells = json.loads(source)["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError):
        return
    for text in texts:
        plain = re.sub(r"^(\s*)[%!?].*$", r"\1pass", text, flags=re.MULTILINE)  # commands of the notebook itself
        yield from (
            Broken(path=path, line=0, what=item.what, package=item.package, why=item.why)
            for item in _in_python(root, path, plain.encode(), modules)
        )


def _in_import_lines(path: str, text: str, modules: Modules) -> Iterator[Broken]:
    """Read the import statements of a file that this Python cannot parse."""
    for match in _IMPORT_LINE.finditer(text):
        line = text.count("\n", 0, match.start(1 if match[1] else 3)) + 1
        names = (
            [f"{match[1]}.{words[0]}" for part in match[2].split(",") if (words := part.split())] if match[1] else []
        )
        for dotted in names or [match[3]]:
            yield from _of_dotted(path, line, dotted, "imports", modules)


def _in_text(path: str, text: str, modules: Modules) -> Iterator[Broken]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in _DOTTED.finditer(line):
            yield from _of_dotted(path, number, match[0], "names", modules)
            if re.search(r"-m[\s\"',=]+$", line[: match.start()]):
                yield from _of_program(path, number, match[0], modules)
        for match in _PATH.finditer(line):
            yield from _of_path(path, number, match[0], modules)


def _of_dotted(path: str, line: int, dotted: str, verb: str, modules: Modules) -> Iterator[Broken]:
    package = dotted.split(".")[1]
    missing = modules.unresolved(dotted) if package in _PACKAGES else None
    if missing is not None:
        why = "which is not there" if missing == dotted else f"and there is no {missing}"
        yield Broken(path=path, line=line, what=f"{verb} {dotted}", package=package, why=why)
    elif modules.was_own(dotted):
        yield Broken(path=path, line=line, what=f"{verb} {dotted}", package=package, why=OURS_NOW)


def _of_program(path: str, line: int, module: str, modules: Modules) -> Iterator[Broken]:
    """Yield a package that `python -m` cannot run; `_of_dotted` yields modules that do not exist."""
    file = modules.path(module)
    if module in modules and (file is None or file.endswith("/__init__.py")) and f"{module}.__main__" not in modules:
        yield Broken(
            path=path, line=line, what=f"runs {module}", package=module.split(".")[1], why="which is no program"
        )


def _of_path(path: str, line: int, file: str, modules: Modules) -> Iterator[Broken]:
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if modules.path(name) != file:
        package = file.split("/")[1]
        yield Broken(path=path, line=line, what=f"names {file}", package=package, why="which is not there")


def _bare_packages(root: Path, path: str, source: bytes) -> frozenset[str]:
    """Return which of the packages a file imports without `src` before them, because `src` is on its path.

    A module of the same name beside the file, or at the checkout's root, is another one.
    """
    if not path.startswith("src/") and b"sys.path" not in source:
        return frozenset()
    near = {(root / path).parent, root}
    return frozenset(
        name
        for name in _PACKAGES
        if re.search(rb"^\s*(?:from|import)\s+%s\b" % name.encode(), source, re.MULTILINE)
        and not any((place / name).is_dir() or (place / f"{name}.py").is_file() for place in near - {root / "src"})
    )


class _Reader:
    """Reads the imports of one file, and the attributes that it takes of the modules that it imports."""

    def __init__(self, path: str, modules: Modules, bare: frozenset[str]) -> None:
        self._path = path
        self._modules = modules
        self._bare = bare
        self._aliases: dict[str, str] = {}  # names of the file that are modules of the packages

    def read(self, tree: ast.Module) -> Iterator[Broken]:
        """Yield what does not work."""
        nodes = list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from self._import(node)
            elif isinstance(node, ast.ImportFrom):
                yield from self._import_from(node)
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                yield from self._attribute(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._text(node.value, node.lineno)
            elif isinstance(node, ast.ClassDef):
                yield from self._class(node)

    def _full(self, module: str) -> str:
        return f"src.{module}" if module.partition(".")[0] in self._bare else module

    def _import(self, node: ast.Import) -> Iterator[Broken]:
        for alias in node.names:
            module = self._full(alias.name)
            if _is_ours(module):
                yield from _of_dotted(self._path, node.lineno, module, "imports", self._modules)
                self._aliases[alias.asname or alias.name] = module

    def _import_from(self, node: ast.ImportFrom) -> Iterator[Broken]:
        module = absolute(
            self._path, node.level, self._full(node.module or "") if not node.level else node.module or ""
        )
        for alias in node.names:
            dotted = module if alias.name == "*" else f"{module}.{alias.name}"
            if not _is_ours(dotted):
                continue
            yield from _of_dotted(self._path, node.lineno, dotted, "imports", self._modules)
            if dotted in self._modules and not self._modules.defines(module, alias.name):
                self._aliases[alias.asname or alias.name] = dotted

    def _attribute(self, node: ast.Attribute) -> Iterator[Broken]:
        owner = self._aliases.get(ast.unparse(node.value)) if self._aliases else None
        if owner is not None and owner in self._modules and not self._modules.has(owner, node.attr):
            yield from _of_dotted(self._path, node.lineno, f"{owner}.{node.attr}", "uses", self._modules)

    def _text(self, text: str, line: int) -> Iterator[Broken]:
        if _DOTTED.fullmatch(text):
            yield from _of_dotted(self._path, line, text, "names", self._modules)
        elif _PATH.fullmatch(text):
            yield from _of_path(self._path, line, text, self._modules)

    def _class(self, node: ast.ClassDef) -> Iterator[Broken]:
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        if "BaseModel" not in bases or not self._path.startswith("src/models/"):
            return
        for item in node.body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name in FINAL:
                yield Broken(
                    path=self._path, line=item.lineno, what=f"overrides {item.name} of BaseModel", package="models",
                    why="which is final, so that each call is traced",
                )  # fmt: skip


def _is_ours(dotted: str) -> bool:
    words = dotted.split(".")
    return len(words) > 1 and words[0] == "src" and words[1] in _PACKAGES
