"""Every link of a page to a file or to a heading in this repository leads somewhere."""

import re

from tests.support.places import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "cards", "deploy", "fixtures", ".github") for path in (ROOT / folder).rglob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")


def anchors(page):
    """What a page can be linked at: its headings, as GitHub spells them, and the anchors it sets itself."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    spelled = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return spelled | set(re.findall(r'<a id="([^"]+)">', text))


def dead_links(page):
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield f"{page.relative_to(ROOT)}: {path}{'#' + anchor if anchor else ''}"


def test_every_link_leads_somewhere():
    assert len(PAGES) > 8
    assert [link for page in PAGES for link in dead_links(page)] == []
