"""Define the console that all commands print with. Loads Rich: import it when something is printed.

Overrides are not marked here: for `@override` Python 3.11 would have to load typing_extensions.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Final, cast

from rich.console import Console
from rich.segment import Segment

from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.text import Text

# Where the output is no terminal (a pipe, a file) and COLUMNS is not set, tables are this wide.
_WIDE: Final = 160


class SafeConsole(Console):
    """A console that shows control characters of texts as text, whatever is printed; its own styles stay.

    Args:
        stderr: Whether it prints on standard error.
        width: Columns; those of the terminal where not set.
    """

    def __init__(self, *, stderr: bool, width: int | None = None) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False, width=width)
        if width is None and not self.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
            self.width = _WIDE

    @property
    def file(self) -> IO[str]:
        """Return the stream itself: its wrappers (a live table's, ours) would show our own styles as text."""
        stream: Any = super().file
        while (inner := getattr(stream, "rich_proxied_file", None)) is not None:
            stream = inner
        return cast("IO[str]", stream)

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text with its markup as styles."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of anything that can be printed."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text is segment.text else Segment(text, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does; texts that go into a pipe or a file are not broken into lines."""
        if not self.is_terminal and all(isinstance(item, str) for item in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Hand the error on: what runs the command ends it."""
        self.quiet = True
        raise BrokenPipeError
