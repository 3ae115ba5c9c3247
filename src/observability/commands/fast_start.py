"""Start Typer commands without the libraries that they do not use.

Overrides are not marked here: for `@override` Python 3.11 would have to load typing_extensions.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_type_hints

from typer import BadParameter, Exit, Typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., Any])

# Typer's help imports these for markup and tracebacks that our commands do not have; they load markdown-it and
# Pygments, which is two thirds of the time that Typer's help takes to load.
_UNUSED_BY_HELP: Final = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}


class FastCommand(TyperCommand):
    """A command that imports neither pydantic for values that are defaults nor Markdown support for its help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters and the help option."""
        return _keep_defaults(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as Typer does."""
        _import_help()
        self.help = _unwrapped(self.help)
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C and a closed pipe end it as `terminal.run` ends any command."""
        return _invoke(super().invoke, ctx)


class FastGroup(TyperGroup):
    """A group of commands with the same savings."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters and the help option."""
        return _keep_defaults(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as Typer does."""
        _import_help()
        self.help = _unwrapped(self.help)
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the group, or one of its commands, as above."""
        return _invoke(super().invoke, ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that is called, with its parameters; `help COMMAND` is `COMMAND --help`."""
        if args[:1] == ["help"] and "help" not in self.commands:
            if len(args) == 1:
                ctx.get_help()  # prints it
                raise Exit
            args = [*args[1:], "--help"]
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.whole() if isinstance(command, _Deferred) else command, rest


class FastTyper(Typer):
    """An application that reads the parameters of the command that is called, and of no other.

    Typer evaluates each annotation of each command at every start, which takes longer than most commands do. What it
    registers here are names and help texts.
    """

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = FastCommand, **options: Any
    ) -> Callable[[_Function], _Function]:
        """Return a decorator that registers a function as a command."""

        def register(callback: _Function) -> _Function:
            def named() -> None:
                """Stand in for the function."""

            named.__name__, named.__doc__ = callback.__name__, callback.__doc__
            build = functools.partial(_whole_command, callback, cls, options)
            deferred = type("_DeferredCommand", (_Deferred,), {"build": staticmethod(build)})
            super(FastTyper, self).command(name, cls=deferred, **options)(named)
            return callback

        return register


class _Deferred(TyperCommand):
    """A command with its name and help, whose parameters are read once it is called."""

    build: Callable[[Any], Any]

    def whole(self) -> Any:
        """Return the command with its parameters."""
        return self.build(self)


def _whole_command(
    callback: Callable[..., Any], cls: type[TyperCommand] | None, options: dict[str, Any], deferred: _Deferred
) -> Any:
    from typer.main import get_command_from_info
    from typer.models import CommandInfo

    return get_command_from_info(
        CommandInfo(name=deferred.name, cls=cls, callback=_with_options(callback), **options),
        pretty_exceptions_short=True,
        rich_markup_mode=deferred.rich_markup_mode,
    )


def _with_options(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with each option of its `**options: Unpack[...]` as a parameter, which Typer reads."""
    signature = inspect.signature(callback, eval_str=True)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return callback
    (options,) = get_args(parameters.pop().annotation)
    for name, annotation in get_type_hints(options, include_extras=True).items():
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, default=None, annotation=annotation))
    whole = functools.wraps(callback)(functools.partial(callback))
    whole.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # what `inspect` reads
    return whole


def _invoke(invoke: Callable[[Any], Any], ctx: Any) -> Any:
    """Run a command; end it here, since Typer says nothing of Ctrl-C and counts a closed pipe as a failure."""
    from src.observability.commands import terminal

    try:
        return invoke(ctx)
    except KeyboardInterrupt as interrupt:
        raise Exit(terminal.stopped()) from interrupt
    except BrokenPipeError as error:
        raise Exit(terminal.BROKEN_PIPE) from error


def _keep_defaults(params: list[Any]) -> list[Any]:
    """Have parameters pass their defaults on: Typer would load pydantic to validate them. Return the parameters."""
    for param in params:
        if "process_value" not in vars(param):
            param.process_value = functools.partial(_process_value, param, param.process_value)
    return params


def _process_value(param: Any, process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    if param.required or value is not param.default or param.multiple or param.nargs != 1:
        try:
            processed = process(ctx, value)
            return _argument_text(processed) if type(processed) is str else processed
        except BadParameter as error:
            if isinstance(value, str | int | float) and repr(value) not in error.message:
                error.message = f"{error.message}, not {value!r}"
            raise
    return value if param.callback is None else param.callback(ctx, param, value)


def _argument_text(argument: str) -> str:
    if argument.isascii():
        return argument
    from src.observability.commands.terminal import argument_text

    return argument_text(argument)


def _unwrapped(text: str | None) -> str | None:
    """Return a help text with each paragraph as one line: Typer unwraps the first alone."""
    return text and re.sub(r"(?<=\S)\n(?=\w|`)", " ", inspect.cleandoc(text))


def _import_help() -> None:
    """Import Typer's help with stand-ins for the classes that it does not use here."""
    if "typer.rich_utils" in sys.modules:
        return
    stand_ins = {name: _stand_in(name) for name in _UNUSED_BY_HELP if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        importlib.import_module("typer.rich_utils")
    finally:
        for name in stand_ins:
            del sys.modules[name]


class _LoadedWhenUsed(type):
    """A stand-in that loads the real class when it is used."""

    module: str

    def _load(cls) -> Any:
        return getattr(importlib.import_module(cls.module), cls.__name__)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return cls._load()(*args, **options)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._load(), name)


def _stand_in(name: str) -> ModuleType:
    stand_in = ModuleType(name)
    of_class = _UNUSED_BY_HELP[name]
    setattr(stand_in, of_class, _LoadedWhenUsed(of_class, (), {"module": name}))
    return stand_in
