"""Reports as pages and as Markdown: what models write is text; a table has a name and is reached by the keyboard."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from src.judging.documents import markdown_cell
from src.judging.html_pages import list_html, page_of, table_html

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)> \u202eback \x1b[2J [a](http://evil.example)"


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_page_has_one_main_named_tables_and_no_markup_of_texts() -> None:
    page = page_of(HOSTILE, [table_html(HOSTILE, ["", HOSTILE], [[HOSTILE, "1"]]), list_html([HOSTILE])])
    tags = Tags(page).tags
    names = [name for name, _ in tags]
    assert names.count("main") == 1
    assert not {"script", "img", "link", "a"} & set(names)
    (scroll,) = (attributes for name, attributes in tags if attributes.get("class") == "scroll")
    assert (scroll["tabindex"], scroll["role"]) == ("0", "group")
    assert scroll["aria-label"]
    assert names.count("th") == 1  # a heading without a text is none
    assert not re.search("[\u202e\x1b]", page)
    assert "\\u202e" in page


def test_markdown_of_a_report_has_no_links_of_models() -> None:
    assert markdown_cell("[a](http://evil.example)") == "\\[a\\](http://evil.example)"
    assert "&lt;script>" in markdown_cell(HOSTILE)
