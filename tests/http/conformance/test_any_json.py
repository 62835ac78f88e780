"""Any JSON anywhere in a request: never a 500, and every answer with cards keeps to the schema (REQ-15, RSP-01).

``make test`` takes one node in three.
"""

from __future__ import annotations

import json
from functools import reduce

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.faults import assert_none
from tests.support.sample import sampled

BASES = [
    ("kwame-mensah", ("hydroxocobalamin-im-monthly",)),
    ("yusuf-demir", ("cyanocobalamin-100-monthly", "folic-acid-5mg-oral")),
    ("priya-raman", ("hydroxocobalamin-medication-reference", "cyanocobalamin-iv")),
    ("hannah-goldberg", ("cyanocobalamin-im-pa-course",)),
    ("esi-boateng", ("cyanocobalamin-oral-1000-daily",)),
]
WORDS = st.sampled_from(
    [
        "",
        "x",
        "draft",
        "Bundle",
        "OperationOutcome",
        "Patient/x",
        "#",
        "#med",
        "2026-02-30",
        "0001-01-01",
        "9999-12-31T23:59:59+14:00",
        "2026",
        "2026-11-23T12:00:00",
        "0000",
        "wk",
        "mo",
        "<",
        "mg",
        "1e5",
        "\ud7ff",
        "\x00",
    ]
)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0, -1, 10**30]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=8))
NAMES = st.one_of(
    st.sampled_from(["resourceType", "id", "reference", "coding", "value", "entry", "x"]), st.text(max_size=4)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
FIXED = [b"null", b"true", b"-1", b'""', b"[]", b"{}", b"[null]", b"[{}]", b'"0001-01-01"']
MARK = "@ what is replaced @"


def paths(tree, at=()):
    yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from paths(value, (*at, key))


def with_instead(tree, path, instead):
    """The bytes of the tree with each of the given JSON texts at the path, in turn."""
    if not path:
        yield from instead
        return
    *above, last = path
    parent = reduce(lambda inner, key: inner[key], above, tree)
    before, parent[last] = parent[last], MARK
    text = json.dumps(tree).encode()
    parent[last] = before
    quoted = json.dumps(MARK).encode()
    assert text.count(quoted) == 1
    for value in instead:
        yield text.replace(quoted, value)


def without(tree, path):
    """The bytes of the tree with the member at the path left out."""
    *above, last = path
    parent = reduce(lambda inner, key: inner[key], above, tree)
    before = dict(parent)
    del parent[last]
    text = json.dumps(tree).encode()
    parent.clear()
    parent.update(before)
    return text


@pytest.fixture(scope="module")
def check(cards_of, assert_outcome):
    """Fails for an answer that is no cards and no error that is right; each different answer is looked at once."""
    looked_at = set()

    def check(answer):
        if (answer.status_code, answer.mimetype, answer.data) in looked_at:
            return
        assert answer.status_code in (200, 400, 412, 422), answer.text
        if answer.status_code == 200:
            cards_of(answer)
        else:
            assert_outcome(answer, answer.status_code)
        looked_at.add((answer.status_code, answer.mimetype, answer.data))

    return check


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_REQ_15_a_random_node_replaced_is_never_500(post, request_for, check, data):
    patient, drafts = data.draw(st.sampled_from(BASES))
    body = request_for(patient, *drafts)
    part = data.draw(st.sampled_from(["all", "order", "prefetch"]))
    every = [
        p for p in paths(body) if part == "all" or (p[:1] == ("prefetch",) if part == "prefetch" else "resource" in p)
    ]
    path, value = data.draw(st.sampled_from(every)), data.draw(JSON)
    (text,) = with_instead(body, path, [json.dumps(value).encode()])
    check(post(text))


@pytest.fixture(scope="module")
def bases(request_for):
    """Each base with the paths to try in it: all of its drafts, and of the rest what no base before it has."""
    tried, found = set(), []
    for patient, drafts in BASES:
        body = request_for(patient, *drafts)
        for sent in body["prefetch"].values():  # like entries need not be tried again
            if isinstance(sent, dict) and "entry" in sent:
                del sent["entry"][1:]
        there = list(paths(body))
        found.append((body, [path for path in there if "draftOrders" in path or path not in tried]))
        tried |= set(there)
    return found


@pytest.mark.parametrize("number", range(len(BASES)), ids=[patient for patient, _ in BASES])
def test_REQ_15_every_node_replaced_by_every_type_is_never_500(post, bases, check, number):
    body, every = bases[number]
    every = sampled(every, 6)
    faults = {}
    for path in every:
        for value, text in zip(FIXED, with_instead(body, path, FIXED), strict=True):
            try:
                check(post(text))
            except AssertionError as error:
                faults[f"{'.'.join(map(str, path))} = {value.decode()}"] = [str(error)[:300]]
    assert_none(faults, len(every) * len(FIXED))


@pytest.mark.parametrize("number", range(len(BASES)), ids=[patient for patient, _ in BASES])
def test_REQ_15_every_member_left_out_is_never_500(post, bases, check, number):
    body, every = bases[number]
    faults = {}
    members = [path for path in every if path and isinstance(path[-1], str)]
    for path in members:
        try:
            check(post(without(body, path)))
        except AssertionError as error:
            faults[".".join(map(str, path))] = [str(error)[:300]]
    assert_none(faults, len(members))
