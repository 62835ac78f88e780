"""A hook of MkDocs: the site is made of the Markdown files where they stand in the repository; nothing is copied first.

Every page has the path in the site that it has in the repository, so a link that works on a code host works here too.
Files that a page links to come with it. A folder has no page in a site, so a link to one stays as words.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?![a-z]+:|#)([^)\s#]+)[^)\s]*\)")
_NAME_OF_BLOCK = re.compile(r"^(```\w+) .+$", re.MULTILINE)  # tests find the commands of a page by it
_TARGET = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """The pages that ``nav`` lists, what they link to, and what the theme brings."""
    pages = list(listed(config.nav or []))
    linked = {target for page in pages for target in targets(page) if (ROOT / target).is_file()}
    brought = [file for file in files if file.src_dir != config.docs_dir]
    chosen = sorted(
        {*pages, *(path for path in linked if not path.endswith(".md")), *config.extra_css, *scripts(config)}
    )
    own = [
        File(path, str(ROOT), config.site_dir, config.use_directory_urls, inclusion=InclusionLevel.INCLUDED)
        for path in chosen
    ]
    return Files([*brought, *own])


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page as MkDocs reads it, with words for links to folders."""

    def words(link: re.Match[str]) -> str:
        folder = ROOT / resolved(page.file.src_uri, link[2])
        return link[1] if folder.is_dir() else link[0]

    return named_blocks(_LINK.sub(words, markdown))


def named_blocks(markdown: str) -> str:
    """The text with blocks of code that have a language and no name, as MkDocs reads them."""
    return _NAME_OF_BLOCK.sub(r"\1", markdown)


def listed(nav: Iterable[Any]) -> Iterable[str]:
    """The paths in ``nav`` of mkdocs.yml, which holds paths and headings with lists below them."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, Mapping):
            for below in entry.values():
                yield from listed([below] if isinstance(below, str) else below)


def targets(page: str) -> Iterable[str]:
    """The paths from the repository's root that ``page`` links to."""
    return (resolved(page, target) for target in _TARGET.findall((ROOT / page).read_text(encoding="utf-8")))


def resolved(page: str, target: str) -> str:
    """``target`` as ``page`` names it, from the repository's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(target)))


def scripts(config: MkDocsConfig) -> Iterable[str]:
    """The scripts of ours that the theme is told to load."""
    return config.extra.get("polyfills", [])
