"""Requests that would cost more than any real one are refused, and the answer names what is too much (Z94)."""

from __future__ import annotations

import copy
import gzip
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.encodings import decoded
from cds_service.protocol.faults import Fault
from cds_service.protocol.json_tokens import count_tokens, refuse_too_many_tokens
from cds_service.service.app import create_app
from cds_service.settings import Settings

PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"
SELECT = "/cds-services/vitamin-b12-order-select"
SIGN = "/cds-services/vitamin-b12-order-sign"
PLACE = "context.draftOrders.entry[0].resource"
CODING = {"system": "urn:elsewhere", "code": "x"}


@pytest.fixture
def body(request_for):
    return request_for(PATIENT, DRAFT)


@pytest.fixture
def draft(body):
    return body["context"]["draftOrders"]["entry"][0]["resource"]


@pytest.fixture
def refused(assert_outcome):
    def check(answer, path):
        assert assert_outcome(answer, 400, path)["issue"][0]["code"] == "too-costly"

    return check


def coding_of_the_drug(draft, times):
    codings = draft["medicationCodeableConcept"]["coding"]
    codings += [CODING] * (times - len(codings))


def coding_of_a_reason(draft, times):
    draft["reasonCode"] = [{}, {"coding": [CODING] * times}]


def coding_of_a_route(draft, times):
    route = draft["dosageInstruction"][0]["route"]["coding"]
    route += [CODING] * (times - len(route))


def coding_of_a_contained_drug(draft, times):
    concept = draft.pop("medicationCodeableConcept")
    concept["coding"] += [CODING] * (times - len(concept["coding"]))
    draft["contained"] = [{"resourceType": "Medication", "id": "m", "code": concept}]
    draft["medicationReference"] = {"reference": "#m"}


def dosages(draft, times):
    draft["dosageInstruction"] *= times


def extensions(draft, times):
    draft["extension"] = [{"url": "urn:x", "valueBoolean": True}] * times


def modifier_extensions(draft, times):
    draft["modifierExtension"] = [{"url": "urn:x"}] * times


def extensions_of_a_dosage(draft, times):
    draft["dosageInstruction"][0]["extension"] = [{"url": "urn:x"}] * times


def extensions_within_extensions(draft, times):
    draft["extension"] = [{"url": "urn:x", "extension": [{"url": "urn:y"}] * 15}] * (times // 16)
    draft["extension"] += [{"url": "urn:x"}] * (times % 16)


CAPS = [
    (coding_of_the_drug, 64, "medicationCodeableConcept.coding"),
    (coding_of_a_reason, 64, "reasonCode[1].coding"),
    (coding_of_a_route, 64, "dosageInstruction[0].route.coding"),
    (coding_of_a_contained_drug, 64, "contained[0].code.coding"),
    (dosages, 64, "dosageInstruction"),
    (extensions, 256, "extension"),
    (modifier_extensions, 256, "modifierExtension"),
    (extensions_of_a_dosage, 256, "dosageInstruction[0].extension"),
    (extensions_within_extensions, 256, "extension"),
]


@pytest.mark.parametrize(("grow", "most", "path"), CAPS)
def test_what_is_longer_in_a_draft_than_in_any_real_one_is_refused_with_its_path(
    post, refused, body, draft, grow, most, path
):
    plain = copy.deepcopy(draft)
    grow(draft, most)
    assert post(body).status_code == 200
    body["context"]["draftOrders"]["entry"][0]["resource"] = plain
    grow(plain, most + 1)
    refused(post(body), f"{PLACE}.{path}")


@pytest.mark.parametrize(("grow", "most", "path"), CAPS[:6])
def test_a_draft_that_is_not_selected_is_held_to_the_same(post, refused, request_for, grow, most, path):
    body = request_for(PATIENT, DRAFT, DRAFT)
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    grow(body["context"]["draftOrders"]["entry"][1]["resource"], most + 1)
    refused(post(body), f"context.draftOrders.entry[1].resource.{path}")


def test_a_path_names_no_member_that_is_not_of_fhir(post, refused, body, draft):
    """It could be called by the name of a patient."""
    draft["Jane Doe"] = {"555-123": [{"coding": [CODING] * 65}]}
    answer = post(body)
    refused(answer, PLACE)
    assert answer.json["issue"][0]["expression"] == [f"{PLACE}[...][...][0].coding"]


def test_all_that_is_allowed_at_once_is_answered_in_time(post, cards_of, request_for):
    """Ten orders, each with as many dosages as one may have."""
    body = request_for(PATIENT, *[DRAFT] * 10, hook="order-sign")
    for entry in body["context"]["draftOrders"]["entry"]:
        dosages(entry["resource"], 64)
    began = time.process_time()
    assert cards_of(post(body, path=SIGN))
    assert time.process_time() - began < 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of hypothesis' own look at garbage
def test_a_call_that_takes_more_processor_time_than_one_may_is_503_and_the_next_one_is_answered(
    tmp_path, cards_of, assert_outcome, body
):
    """Thousands of results, each of which has to be read."""
    settings = Settings(loopback=True, processor_ms=100, store=f"sqlite:///{tmp_path}/store.sqlite3")
    client = create_app(settings).test_client()
    assert cards_of(client.post(SELECT, json=body))
    (entry, *_) = body["prefetch"]["platelets"]["entry"]
    many = [{"resource": entry["resource"] | {"id": str(number)}} for number in range(10_000)]
    costly = copy.deepcopy(body)
    costly["prefetch"]["platelets"]["entry"] = many
    assert assert_outcome(client.post(SELECT, json=costly), 503)["issue"][0]["code"] == "too-costly"
    assert cards_of(client.post(SELECT, json=body))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda body, many: body["context"]["draftOrders"]["entry"][0]["resource"].update(note=many), "context"),
        (lambda body, many: body["prefetch"].update(conditions={"entry": many}), "prefetch"),
        (lambda body, many: body["prefetch"].update(unknown=many), "prefetch"),
        (lambda body, many: body.update(extension=many), None),
    ],
)
def test_two_million_tokens_are_refused_before_they_are_decoded(post, refused, body, change, path):
    change(body, "@")
    text = json.dumps(body).encode().replace(b'"@"', b"[" + b"{}," * 700_000 + b"{}]")
    began = time.process_time()
    answer = post(text)
    assert time.process_time() - began < 1
    refused(answer, path)


def test_fewer_tokens_are_answered(post, cards_of, body):
    body["prefetch"]["unknown"] = "@"
    text = json.dumps(body).encode().replace(b'"@"', b"[" + b"{}," * 600_000 + b"{}]")
    assert cards_of(post(text))


@pytest.mark.parametrize("words", [",", ":[{", '\\",', "\\\\,", '\\\\\\"{'])
def test_signs_within_a_text_are_no_tokens(post, cards_of, body, draft, words):
    draft["note"] = [{"text": "@"}]
    text = json.dumps(body).encode().replace(b"@", words.encode() * (4_000_000 // len(words)))
    assert cards_of(post(text))


TOKEN = re.compile(r'[{}\[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}\[\]:,"]+')
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(TREES, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")]), st.booleans())
def test_tokens_are_counted_as_they_are_read(tree, separators, ascii_only):
    text = json.dumps(tree, separators=separators, ensure_ascii=ascii_only)
    assert count_tokens(text.encode("utf-8", "surrogatepass")) == len(TOKEN.findall(text))


@given(st.text(alphabet='"\\{}[]:, a', max_size=200))
def test_signs_in_texts_change_no_count(words):
    assert count_tokens(json.dumps({"a": [words, {}]}).encode()) == 10


def test_the_count_is_the_same_where_texts_lie_across_its_pieces():
    rows = [{"system": "urn:x,y", "code": f'"{number}"', "display": "a:{b}[c] \\ d"} for number in range(40_000)]
    text = json.dumps(rows, separators=(",", ":"))
    assert len(text) > 2 * 1_048_576
    assert count_tokens(text.encode()) == len(TOKEN.findall(text))


def test_a_usual_body_is_not_looked_through():
    """What is too short to have two million tokens costs the comparison of its length."""
    began = time.process_time()
    for _ in range(10_000):
        refuse_too_many_tokens(b" " * 80_000)
    assert time.process_time() - began < 0.5  # half a second is 50 microseconds each, and mostly to make the body


def test_a_body_that_grows_two_hundredfold_is_refused_from_four_megabytes_on(post, refused, cards_of, body):
    plain = json.dumps(body).encode()

    def zipped(length):
        return post(gzip.compress(plain.ljust(length), 9), headers={"Content-Encoding": "gzip"})

    assert cards_of(zipped(4_000_000))
    refused(zipped(8_000_000), None)


def test_a_body_that_grows_as_records_do_is_answered(post, cards_of, body):
    """Results that differ in their ids only, which is as alike as records can be."""
    (entry, *_) = body["prefetch"]["platelets"]["entry"]
    body["prefetch"]["unknown"] = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": entry["resource"] | {"id": str(number * 2_654_435_761 % 2**32)}} for number in range(8_000)
        ],
    }
    plain = json.dumps(body).encode()
    sent = gzip.compress(plain, 9)
    assert len(plain) > 4_000_000
    assert len(plain) > 20 * len(sent)
    assert cards_of(post(sent, headers={"Content-Encoding": "gzip"}))


def test_no_more_of_a_bomb_is_inflated_than_may_be_kept():
    """Twenty-two kilobytes that would grow to twenty megabytes."""
    bomb = gzip.compress(b'{"a":[' + b"{}," * 6_500_000 + b"{}]}", 9)
    assert len(bomb) < 25_000
    began = time.process_time()
    with pytest.raises(Fault) as refusal:
        decoded(bomb, "gzip", 20_000_000)
    assert (refusal.value.status, refusal.value.code) == (400, "too-costly")
    assert time.process_time() - began < 0.2
