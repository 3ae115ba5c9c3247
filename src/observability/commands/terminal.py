r"""Let no control character of a foreign text reach a terminal, and no sign stop a command that the terminal lacks.

Replies of models, names, errors, file names and log messages may hold escape sequences, which set a terminal's title,
fill its clipboard or clear its screen, and marks that reverse what a line seems to say. They are shown as text: `\x1b`.
The standard library is all that this module needs: the checks run where nothing else is installed.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

# C0 and C1 but for the line feed, delete, marks of direction, invisible signs, line and paragraph separators, half
# characters, and tags that spell text that nobody sees. The joiners that scripts and emoji need are left out.
_CONTROLS: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_TAB: Final = "    "

# Characters that terminals may lack, and similar ones of the same width.
_LOOK_ALIKES: Final = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2500\u2501", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u2039\u203a", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2026\u00b7", "."),
    **dict.fromkeys("\u2022\u25cf\u25e6\u00d7", "*"),
    **dict.fromkeys("\u2192\u21d2\u27f6", ">"),
    **dict.fromkeys("\u2190\u21d0", "<"),
    **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "),
}
INTERRUPTED: Final = 130  # as shells count: 128 + SIGINT
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
_REPLACING: Final = "moondev.replace"  # the name of the error handler


def visible(text: str) -> str:
    """Return a text in which each control character but the line feed is shown as text; a tab is four spaces."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(_shown, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return a text as `visible` does, in one line: a name with line feeds must not look like several rows."""
    return visible(re.sub(r"\s*[\r\n\v\f\x85\u2028\u2029]+\s*", " ", text))


def argument_text(argument: str) -> str:
    """Return an argument of the command line as the text that it is, where Python could not read it in the locale.

    In a C locale every letter that is not ASCII arrives as half characters, which no server, file or database takes.
    """
    if argument.isascii():
        return argument
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _shown(match: re.Match[str]) -> str:
    sign = match.group()
    code = ord(sign)
    if sign == "\t":
        return _TAB
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no text (os.fsdecode)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class VisibleStream:
    """A text stream that shows control characters as text; anything but writing is the work of the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # Rich writes its styles past this; our console has made the text visible

    def write(self, text: str) -> int:
        """Write a text without control characters."""
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def protect() -> None:
    """Have standard output and standard error show control characters as text, and replace what they cannot encode."""
    codecs.register_error(_REPLACING, _replaced)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this process
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - it lives as long as the process
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACING)
        if not isinstance(stream, VisibleStream):
            setattr(sys, name, cast("TextIO", VisibleStream(stream)))


def run(command: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code: 130 where the user stops it, 141 where its output has no reader left."""
    protect()
    try:
        code = command()
    except KeyboardInterrupt:
        code = stopped()
    except BrokenPipeError:  # the reader, such as `head`, has enough
        code = BROKEN_PIPE
    sys.exit(_flushed(code))


def stopped() -> int:
    """Say that the user has stopped the command; return its exit code. A second Ctrl-C ends the process at once."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        sys.stderr.write("Stopped.\n")
    return INTERRUPTED


def _flushed(code: int) -> int:
    """Write what is still buffered; return the exit code, which is another one where that fails."""
    try:
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        code = code or BROKEN_PIPE
    except OSError as error:
        if code != 2:  # with which a command has said what is wrong, this too where it met it
            with contextlib.suppress(OSError):
                sys.stderr.write(f"error: the output cannot be written: {error.strerror}.\n")
        code = code or 1
    with contextlib.suppress(OSError, ValueError, AttributeError):  # Python would flush it again, and say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Return a substitute for characters that an encoding lacks: a similar one, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_LOOK_ALIKES.get(sign, "?") for sign in signs), error.end
