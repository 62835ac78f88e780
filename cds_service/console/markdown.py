"""The detail of a card as an EHR would show it. Imports nothing of ours."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def to_html(text: str) -> Markup:
    """Markdown as HTML that holds nothing but markup of our own."""
    return Markup(_parser().render(text))  # noqa: S704  (the parser escapes all that came in)


@cache
def _parser() -> MarkdownIt:
    """HTML in the text stays text (RSP-12); links and pictures are not made, because cards have none."""
    from markdown_it import MarkdownIt  # not before a page is asked for: it costs the start a tenth of a second

    parser = MarkdownIt("commonmark", {"html": False})
    return parser.enable("table").disable(["link", "image", "autolink", "html_inline", "html_block"])
