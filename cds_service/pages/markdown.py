"""The detail of a card as an EHR would show it. Imports nothing of ours."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markupsafe import Markup

# HTML in the text stays text (RSP-12); links and pictures are not made, because cards have none.
_parser = MarkdownIt("commonmark", {"html": False})
_parser.enable("table").disable(["link", "image", "autolink", "html_inline", "html_block"])


def to_html(text: str) -> Markup:
    """Markdown as HTML that holds nothing but markup of our own."""
    return Markup(_parser.render(text))  # noqa: S704  (the parser escapes all that came in)
