"""Texts that name statements of the source by their ids, as people read them: by their titles."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from cds_service.content.model import Pack, Statement

_PAGE = re.compile(r"\s*\((?:docs|cards)/[\w/.-]+(?:#[\w-]+)?\)")  # where it is written up, for who has the files


def cited(pack: Pack, text: str, page: str = "") -> Markup:
    """``text`` as HTML, with the title of each statement of ``pack`` in quotation marks in place of its id.

    Each title leads to its statement on the ``page`` of the content, where an address of one is given.
    """
    titled = {name: statement for name, statement in pack.statements.items() if statement.title}
    if not titled:
        return escape(text)
    names = "|".join(sorted(map(re.escape, titled), key=len, reverse=True))
    parts = re.split(rf"(?<![\w.-])({names})(?![\w-]|\.\d)", _PAGE.sub("", text))
    return Markup().join(_named(titled[part], page) if part in titled else escape(part) for part in parts)


def _named(statement: Statement, page: str) -> Markup:
    said = Markup("“{}”").format(statement.title)
    if not page:
        return said
    return Markup('<a href="{}#{}" title="{}">{}</a>').format(page, statement.id, statement.in_full, said)
