"""No text of a request acts in a text of an answer, wherever in the request it stands (RSP-12)."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support.changed_value import with_value
from tests.support.faults import assert_none
from tests.support.sample import sampled

PAIRS = [
    ("kwame-mensah", "hydroxocobalamin-im-three-weekly"),
    ("amara-okafor", "hydroxocobalamin-100-im"),
    ("amara-okafor", "cyanocobalamin-iv"),
]
HOSTILE = [
    "<img src=//ab.cd>",
    "www.evil.com",
    "http://evil.io",
    "HTTPS://evil.io",
    "ftp://evil.io/x",
    "mailto:a@evil.io",
    "a@evil.io",
    "xmpp:a@evil.io",
    "<http://evil.io>",
    "<script>alert(1)</script>",
    "</p><!-- x --><b>",
    "[x](//evil.io)",
    "![x](//evil.io)",
    "[x][y] [y]: //evil.io",
    "`code` ```x```",
    "\n\n# Title\n\n[y]: http://evil.io\n",
    "10*9/L{<img src=//ab.cd>}",
    "22 \u202e\x1b]0;x\x07",
]
# What GitHub's Markdown and the usual programs make a link of without brackets.
ADDRESS = re.compile(r"www\.|[a-z][a-z0-9+.-]*://|(mailto|xmpp):|\w@\w", re.IGNORECASE)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = ("paragraph", "bullet_list", "list_item", "strong", "inline", "text", "softbreak")


class Tags(HTMLParser):
    """What a browser finds in a text that somebody takes for HTML."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)

    handle_endtag = handle_startendtag = handle_comment = handle_decl = handle_pi = unknown_decl = (
        lambda self, said, *_: self.found.append(said)
    )


def acts_as_markdown(text):
    """What a reader of Markdown finds beside the paragraphs, lists and bold words that cards have."""
    tokens = [t for token in MARKDOWN.parse(text) for t in (token, *(token.children or ()))]
    kinds = {re.sub("_(open|close)$", "", token.type) for token in tokens} - set(OURS)
    shown = "".join(token.content for token in tokens if token.type == "text")
    return [*kinds, *(match[0] for match in ADDRESS.finditer(text)), *(match[0] for match in ADDRESS.finditer(shown))]


def acts_as_text(text):
    links = re.findall(r"\]\(|\]\[|\]:|`", text)
    return [*Tags(text).found, *links, *(match[0] for match in ADDRESS.finditer(text))]


def texts_of(answer):
    """Every text that is shown: those in Markdown, and the others."""
    if "issue" in answer:
        return [], [t for i in answer["issue"] for t in (i["details"]["text"], i.get("diagnostics", ""))]
    markdown = [card["detail"] for card in answer["cards"]]
    plain = []
    for card in answer["cards"]:
        plain += [card["summary"], card["source"]["label"], card["source"]["topic"]["display"]]
        plain += [reason["display"] for reason in card.get("overrideReasons", [])]
        for suggestion in card.get("suggestions", []):
            plain += [suggestion["label"], *(action["description"] for action in suggestion["actions"])]
    return markdown, plain


def acts(response):
    """What acts in the texts of an answer."""
    assert response.status_code < 500
    markdown, plain = texts_of(json.loads(response.data))
    found = [f"{act!r} in {text!r}" for text in markdown for act in acts_as_markdown(text)]
    found += [f"{act!r} in {text!r}" for text in plain for act in acts_as_text(text)]
    return found + [f"{match!r} in {text!r}" for text in (*markdown, *plain) for match in CONTROLS.findall(text)]


def places(tree, path=()):
    """Where every string of a request stands."""
    if isinstance(tree, str):
        yield path
    elif isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


@pytest.fixture(scope="module")
def bodies(request_for):
    return [request_for(*pair) for pair in PAIRS]


def test_RSP_12_what_is_looked_for_is_found():
    """The check itself, on texts as they would be if nothing were done."""
    for text in HOSTILE:
        assert acts_as_markdown(f"said {text} here") or acts_as_text(f"said {text} here") or CONTROLS.search(text), text
    assert not acts_as_markdown("Platelets 22 10\\*9/L (&lt;60)\n\n**Read**\n- one") and not acts_as_text(
        "22 10*9/L <60"
    )


def test_RSP_12_the_unit_of_a_critical_count_is_spelled_by_the_content(post, cards_of, bodies):
    body = copy.deepcopy(bodies[0])
    for entry in body["prefetch"]["platelets"]["entry"]:
        entry["resource"]["valueQuantity"]["unit"] = "<img src=//ab.cd>"
    summaries = [card["summary"] for card in cards_of(post(body))]
    assert summaries[0].startswith("Platelets 22 ×10⁹/L ")


@pytest.mark.parametrize("pair", range(len(PAIRS)), ids=lambda pair: "-".join(PAIRS[pair]))
def test_RSP_12_no_string_of_a_request_acts_wherever_it_stands(post, bodies, pair):
    """Every string of the request in its turn, with each hostile text in its turn; ``make test`` takes one in three."""
    body, faults = bodies[pair], {}
    every = sampled(sorted(places(body), key=str), 6)
    assert len(every) > 40
    for number, path in enumerate(every):
        for text in (HOSTILE[number % len(HOSTILE)], HOSTILE[(number * 7 + 3) % len(HOSTILE)]):
            faults[f"{path} {text!r}"] = acts(post(with_value(body, path, text)))
    assert_none(faults, len(faults))


@pytest.mark.parametrize("text", HOSTILE)
def test_RSP_12_hostile_words_everywhere_at_once_do_not_act(post, bodies, text):
    @cache
    def shown(key):
        return key in (
            "text",
            "display",
            "unit",
            "div",
            "name",
            "family",
            "value",
            "valueString",
            "title",
            "description",
        )

    for body in bodies:
        changed = body
        for path in places(body):
            if shown(path[-1] if isinstance(path[-1], str) else path[-2]):
                changed = with_value(changed, path, text)
        assert acts(post(changed)) == []


@settings(max_examples=150)
@given(data=st.data())
def test_RSP_12_what_is_put_together_of_hostile_parts_does_not_act(post, bodies, data):
    parts = [
        "<",
        ">",
        "img src=",
        "//",
        "http",
        ":",
        "www",
        ".",
        "evil",
        "@",
        "[",
        "]",
        "(",
        ")",
        "!",
        "`",
        "\\",
        "&lt;",
    ]
    parts += [
        "mailto",
        "\n",
        "*",
        "_",
        "|",
        "~",
        "#",
        "-",
        "1.",
        " ",
        "\t",
        "\u200b",
        "\x1b[31m",
        "\u202e",
        "10*9/L",
        "&#60;",
    ]
    body = bodies[data.draw(st.integers(0, len(bodies) - 1))]
    words = [path for path in places(body) if path[-1] in ("text", "display", "unit", "code", "status", "reference")]
    for path in data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=4)):
        body = with_value(body, path, "".join(data.draw(st.lists(st.sampled_from(parts), min_size=2, max_size=10))))
    assert acts(post(body)) == []
