"""JSON and HTTP basics (docs/conformance.md#json-and-http)."""

from __future__ import annotations

import copy
import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.envelope import read_hook
from cds_service.protocol.faults import Fault

PATIENT, DRAFT = "amara-okafor", "hydroxocobalamin-100-im"


@pytest.fixture
def body(request_for):
    return request_for(PATIENT, DRAFT)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"a":1,}',
        b"[1,]",
        b"{'a':1}",
        b'{"a":1} x',
        b'{"a":1}{"a":1}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":+1}',
        b'{"a":"\t"}',
        b'{"a":"\\q"}',
        b'{"a":/* c */1}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        '{"hook":"order-select"}'.encode("utf-16"),
        b"\x00",
        b"[]",
        b"[{}]",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"NaN",
        b"-Infinity",
        b"{}",
    ],
)
def test_J_04_J_05_what_is_no_json_object_is_refused(post, assert_outcome, text):
    assert_outcome(post(text), 400)


def said(answer):
    (issue,) = answer.json["issue"]
    return issue["details"]["text"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"", "line 1, column 1: "),
        (b'{\n  "hook": "order-select",\n  "context": {,}\n}', "line 3, column 15: "),
        (b'{"hook": "order-select"', "line 1, column 24: "),
        (b'{"hook": "order-select"}\n}', "line 2, column 1: "),
        ('{"ä": "ü", "hook" 1}'.encode(), "line 1, column 19: "),
        (b'{"hook":\r\n tru}', "line 2, column 2: "),
        (b'{"a": "x",\n "b": "\\ud800"}', "line 2, column 8: half of a surrogate pair"),
        (b"\xef\xbb\xbf{\n@}", "line 2, column 1: "),
    ],
)
def test_what_is_no_json_is_told_with_line_and_column(post, text, place):
    """In words of ours, without a letter of the body, which may be of a patient."""
    assert said(post(text)).startswith(f"The body is not JSON: {place}")


def test_what_is_not_utf_8_is_told_with_line_and_column(post):
    assert said(post(b'{"hook":\n  "\xe4"}')) == "The body is not UTF-8: line 2, column 4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expecting property name enclosed in double quotes"),
        ('{"a": 1 2}', "expecting ',' delimiter"),
        ('{"a": "b', "unterminated string"),
        ("nul", "expecting value"),
        ("{} {}", "extra data"),
    ],
)
def test_what_is_wrong_with_a_body_that_is_no_json_is_told_in_these_words(post, text, words):
    assert said(post(text.encode())).endswith(f": {words}")


@given(st.data())
def test_wherever_a_body_breaks_that_place_is_told(data):
    """An @ stands in no JSON outside of a string."""
    tree = {"hook": "order-select", "ü": [1, {"x": 'ä " {'}, None], "y": {}}
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    outside, places = True, []
    for at, sign in enumerate(text):
        if sign == '"' and text[at - 1] != "\\":
            outside = not outside
        elif outside and text[at] in " \n" and text[at - 1] in "{[,: \n":
            places.append(at)
    at = data.draw(st.sampled_from(places))
    before = text[:at].split("\n")
    with pytest.raises(Fault) as broken:
        read_hook(f"{text[:at]}@{text[at:]}".encode())
    assert broken.value.text.startswith(f"the body is not JSON: line {len(before)}, column {len(before[-1]) + 1}: ")


def test_every_error_is_a_sentence(post, body):
    for wrong in (b"", b"{}", b"[]", json.dumps(body | {"hookInstance": ""}).encode()):
        for issue in post(wrong).json["issue"]:
            assert issue["details"]["text"][0].isupper()


BAD_VALUES = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e",
    b"01",
    b"tru",
    b'"\xff"',
    b'"\xc3\x28"',
    b'"\xed\xa0\x80"',
    b'"\\q"',
    b'"\\u12"',
    b'"\x01"',
    b'"open',
    b"[1,]",
    b'{"a":1,}',
    b"{1:2}",
    b"[1 2]",
    b"// c\n1",
]
PLACES = {
    "top": lambda b: b.update(extra="@"),
    "context": lambda b: b["context"].update(extra="@"),
    "draft": lambda b: b["context"]["draftOrders"]["entry"][0]["resource"].update(extra="@"),
    "prefetch-unknown-key": lambda b: b["prefetch"].update(extra="@"),
    "prefetch-known-key": lambda b: b["prefetch"].update(platelets="@"),
    "prefetch-in-resource": lambda b: b["prefetch"]["platelets"]["entry"][0]["resource"].update(extra="@"),
    "prefetch-value": lambda b: b["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"].update(value="@"),
    "prefetch-status": lambda b: b["prefetch"]["conditions"]["entry"][0]["resource"].update(id="@"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", BAD_VALUES)
def test_J_05_bad_json_at_any_depth_is_400(post, assert_outcome, body, place, value):
    PLACES[place](body)
    text = json.dumps(body).encode()
    assert text.count(b'"@"') == 1
    assert_outcome(post(text.replace(b'"@"', value)), 400)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [rb'"\ud800"', rb'"\udc00\ud800"', b'"\\u0000"', b"9" * 5000, b"1e400", b"-1e-400"])
def test_J_05_odd_but_well_formed_json_is_never_500(post, cards_of, body, place, value):
    PLACES[place](body)
    answer = post(json.dumps(body).encode().replace(b'"@"', value))
    assert answer.status_code in (200, 400, 412), answer.text
    if answer.status_code == 200:
        cards_of(answer)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("depth", [50, 300, 600, 990, 2_000, 100_000])
@pytest.mark.parametrize("shape", ["array", "object", "open"])
def test_J_05_deep_nesting_is_never_500(post, assert_outcome, body, place, depth, shape):
    PLACES[place](body)
    first, last = {"array": (b"[", b"]"), "object": (b'{"a":', b"}"), "open": (b"[", b"")}[shape]
    nested = first * depth + (b"1" if shape == "object" else b"") + last * depth
    answer = post(json.dumps(body).encode().replace(b'"@"', nested))
    assert answer.status_code in (200, 400, 412), answer.text
    if shape == "open" or (depth == 100_000 and answer.status_code != 200):
        assert_outcome(answer, 400)


@pytest.mark.parametrize("bracket", [b"[", b"{", b'{"a":', b'{"hook":', b'{"context":{"draftOrders":{"entry":'])
def test_J_05_100000_brackets_alone_are_400(post, assert_outcome, bracket):
    assert_outcome(post(bracket * 100_000), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'Application/Json; charset="utf-8"; x=1',
        "application/fhir+json",
        "application/fhir+json; fhirVersion=4.0",
    ],
)
def test_J_06_json_content_types_are_accepted(post, cards_of, body, content_type):
    cards_of(post(body, content_type=content_type))


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "json", "a/b/c;;"],
)
def test_J_06_other_content_types_are_415(post, assert_outcome, body, content_type):
    assert_outcome(post(body, content_type=content_type), 415)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/fhir+json", "text/html", None])
def test_J_07_no_accept_is_refused(post, cards_of, body, accept):
    cards_of(post(body, headers={"Accept": accept} if accept else {}))


def _with_unknown_members(tree):
    if isinstance(tree, dict):
        return {key: _with_unknown_members(value) for key, value in tree.items()} | {
            "x": 1,
            "org.example": {"x": [None]},
        }
    return [_with_unknown_members(item) for item in tree] if isinstance(tree, list) else tree


def test_J_08_unknown_members_are_ignored_everywhere(post, cards_of, body):
    plain = cards_of(post(body))
    changed = copy.deepcopy(body)
    drafts = changed["context"].pop("draftOrders")
    changed = _with_unknown_members(changed)
    changed["context"]["draftOrders"] = drafts | {"x": 1, "link": "x"}
    changed["extension"] = {"org.example.x": 1}
    assert plain
    assert cards_of(post(changed)) == plain


@pytest.mark.parametrize("place", ["top", "context", "fhirAuthorization"])
@pytest.mark.parametrize(
    "extension", [{"org.example.thing": {"a": [1]}}, {"davinci-crd.configuration": {"max-cards": 1}}, {}, None, [1], 7]
)
def test_EXT_01_EXT_04_unknown_extensions_of_any_shape_change_nothing(post, cards_of, body, place, extension):
    plain = cards_of(post(body))
    changed = copy.deepcopy(body)
    changed |= {"fhirServer": "https://fhir.example/r4", "fhirAuthorization": {"access_token": "t"}}
    (changed if place == "top" else changed[place])["extension"] = extension
    assert plain
    assert cards_of(post(changed)) == plain


def test_J_08_unknown_members_of_the_draft_do_not_change_what_is_found(post, cards_of, body):
    plain = cards_of(post(body))
    changed = _with_unknown_members(body)
    assert [card["summary"] for card in cards_of(post(changed))] == [card["summary"] for card in plain]


def test_J_09_several_megabytes_are_answered(post, cards_of, body):
    entries = body["prefetch"]["platelets"]["entry"]
    for entry in entries:
        entry["resource"]["note"] = [{"text": "A remark as long as some are. " * 300}]
    entries *= 1 + 5_000_000 // len(json.dumps(entries))
    text = json.dumps(body).encode()
    assert 4_000_000 < len(text) < 20_000_000
    cards_of(post(text))


def test_J_09_the_largest_body_is_answered_and_one_byte_more_is_413(post, cards_of, assert_outcome, body):
    text = json.dumps(body).encode()
    cards_of(post(text.ljust(20_000_000)))
    assert_outcome(post(text.ljust(20_000_001)), 413)


def test_J_09_a_body_of_unknown_length_is_limited_too(client, assert_outcome, body):
    text = json.dumps(body).encode().ljust(20_000_001)
    answer = client.post(
        "/cds-services/vitamin-b12-order-select",
        input_stream=BytesIO(text),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert_outcome(answer, 413)
