"""Words of the chart on a card: they say the same, and no reader of Markdown or HTML makes anything of them."""

import pytest

from cds_service.content.render import escaped, fill, harmless

LINKS = ["http://a", "HTTPS://a", "www.a", "WwW.a", "a@b", "mailto:a", "MailTo:a", "xmpp:a"]
UNSEEN = "\u200b"
NOTHING_ACTS = ["22 ×10⁹/L (28 Nov)", "1.5 mg/mL", "a - b = c", "<60", "A & B", "to: a", "http: //a", "wwwa", "5 mg."]


@pytest.mark.parametrize("text", NOTHING_ACTS)
def test_a_text_in_which_nothing_acts_stays_as_it_is(text):
    assert escaped(text) == text
    assert harmless(text) == text


@pytest.mark.parametrize("sign", "\\`*_[]~")
def test_each_sign_of_markdown_is_escaped_wherever_it_stands(sign):
    assert escaped(f"{sign}a{sign} b{sign}") == f"\\{sign}a\\{sign} b\\{sign}"


@pytest.mark.parametrize(
    ("text", "said"), [("a <b>", "a &lt;b>"), ("a &lt; b", "a &amp;lt; b"), ("&#60;", "&amp;#60;")]
)
def test_neither_a_tag_nor_an_entity_is_one_in_markdown(text, said):
    assert escaped(text) == said


@pytest.mark.parametrize("sign", ["-", "+", "#", "=", ">", "|"])
def test_a_sign_that_would_begin_a_list_a_heading_or_a_rule_is_escaped_there_alone(sign):
    assert escaped(f"{sign} a {sign} b") == f"\\{sign} a {sign} b"


def test_a_number_that_would_begin_a_list_is_escaped_and_a_decimal_is_not():
    assert escaped("1. a 2. b") == "1\\. a 2. b"
    assert escaped("1.5 a") == "1.5 a"


@pytest.mark.parametrize("say", [escaped, harmless])
@pytest.mark.parametrize("link", LINKS)
def test_what_readers_make_a_link_of_is_broken_unseen(say, link):
    said = say(f"see {link} there")
    assert said != f"see {link} there"
    assert said.replace(UNSEEN, "") == f"see {link} there"


@pytest.mark.parametrize(
    ("text", "said"),
    [("a <b>", f"a <{UNSEEN}b>"), ("[a](b)", f"[a]{UNSEEN}(b)"), ("[a]: b", f"[a]{UNSEEN}: b"), ("`a`", "'a'")],
)
def test_a_text_that_is_no_markdown_holds_no_markup(text, said):
    assert harmless(text) == said


def test_what_fills_a_placeholder_is_not_filled_again():
    assert fill("{a}, {b.c}", {"a": "{b.c}", "b.c": " d  e "}) == "{b.c}, d e"
