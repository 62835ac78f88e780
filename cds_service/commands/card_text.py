"""Cards as people read them on a terminal: the finding, the words under it, and what could be accepted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it.token import Token

_WIDTH = 100


def cards_as_text(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of all cards, an empty one between two; ``No card.`` if there are none.

    Of each card its ``indicator``, ``summary`` and ``detail`` are shown, and the labels of its ``suggestions``.
    """
    lines = [line for card in cards for line in ("", *_card(card))]
    return lines[1:] or ["No card."]


def _card(card: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrapped(f"{card['indicator'].upper()}: {card['summary']}")
    yield from (f"  {line}".rstrip() for line in plain_text(card.get("detail", "")))
    suggestions = card.get("suggestions", [])
    if suggestions:
        yield ""
        yield "  To accept:" if len(suggestions) == 1 else "  To accept one of:"
    for suggestion in suggestions:
        recommended = " (recommended)" if suggestion.get("isRecommended") else ""
        yield from _wrapped(f"{suggestion['label']}{recommended}", "  - ", "    ")


def plain_text(markdown: str) -> list[str]:
    """Markdown as wrapped lines of plain text, with an empty line before each paragraph and hyphens for lists."""
    from markdown_it import MarkdownIt  # only where cards are printed: it delays the start by a tenth of a second

    lines: list[str] = []
    depth = 0
    is_first_of_item = False
    for token in MarkdownIt("commonmark", {"html": False}).parse(markdown):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "list_item_open":
            is_first_of_item = True
        elif token.type == "inline":
            indent = "  " * depth
            first = f"{indent[2:]}- " if is_first_of_item else indent
            for text in _words(token).split("\n"):
                lines += [] if depth else [""]
                lines += _wrapped(text, first, indent)
                first = indent
            is_first_of_item = False
    return lines


def indented(text: str, indent: str = "") -> list[str]:
    """A sentence on as many lines as it needs, all but the first one set in."""
    return _wrapped(text, indent, f"{indent}  ")


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _words(token: Token) -> str:
    """The text of a paragraph without its marks; a break that is meant stays one."""
    return "".join(
        {"softbreak": " ", "hardbreak": "\n"}.get(child.type, child.content) for child in token.children or ()
    )
