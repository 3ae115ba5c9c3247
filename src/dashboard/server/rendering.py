"""Turn pages into HTML and JSON in which no text of a model is markup, and no invisible sign stays invisible."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import orjson
from markupsafe import Markup, escape

from src.dashboard.server.table_rows import rows_html
from src.dashboard.view.formats import RIGHT, shown
from src.observability.commands.counting import counted
from src.observability.commands.terminal import visible

FOLDER: Final = Path(__file__).resolve().parents[1]
_JSON_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        finalize=_visible_text,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # an update of the program while it runs must not mix two versions
    )
    environment.globals.update(shown=shown, counted=counted, rows_html=rows_html, is_right=RIGHT.__contains__)
    environment.filters["json_block"] = json_block
    environment.filters["marked"] = marked
    return environment


def _visible_text(value: object) -> object:
    """Show control characters and marks of direction of every text that a template prints; markup of ours stays."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def marked(text: str) -> Markup:
    """Return a sentence of ours as HTML: what stands between backticks is code; every text in it is escaped."""
    parts = [str(escape(visible(part))) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a backtick without another one
        return Markup("`".join(parts))  # noqa: S704 - each part is escaped
    return Markup("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))  # noqa: S704 - as above


def render(template: str, **values: Any) -> str:
    """Return a template with its values."""
    return _environment().get_template(template).render(**values)


def json_text(data: Any) -> bytes:
    """Return plain data as JSON, with the control characters of its texts made visible."""
    return orjson.dumps(cleaned(data), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def json_block(data: Any) -> Markup:
    """Return plain data for a block of JSON in HTML: it cannot end the block."""
    text = json_text(data).decode()
    for sign, escaped in _JSON_ESCAPES.items():
        text = text.replace(sign, escaped)
    return Markup(text)  # noqa: S704 - the signs that would be markup are escaped


def cleaned(data: Any) -> Any:
    """Return plain data whose texts are visible."""
    if isinstance(data, str):
        return visible(data)
    if isinstance(data, dict):
        return {cleaned(key): cleaned(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [cleaned(item) for item in data]
    return data
