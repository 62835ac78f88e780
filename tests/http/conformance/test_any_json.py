"""Any JSON anywhere in a request: never a 500, and every answer with cards keeps to the schema (REQ-15, RSP-01)."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
FIXED = [None, True, -1, "", [], {}, [None], [{}], "0001-01-01"]


def paths(tree, at=()):
    yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from paths(value, (*at, key))


def replaced(tree, path, value):
    if not path:
        return value
    result = copy.deepcopy(tree)
    parent = result
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return result


def check(answer, cards_of, assert_outcome, said):
    assert answer.status_code in (200, 400, 412, 422), said
    if answer.status_code == 200:
        cards_of(answer)
    else:
        assert_outcome(answer, answer.status_code)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_REQ_15_a_random_node_replaced_is_never_500(post, request_for, cards_of, assert_outcome, data):
    patient, drafts = data.draw(st.sampled_from(BASES))
    body = request_for(patient, *drafts)
    part = data.draw(st.sampled_from(["all", "order", "prefetch"]))
    every = [
        p for p in paths(body) if part == "all" or (p[:1] == ("prefetch",) if part == "prefetch" else "resource" in p)
    ]
    path, value = data.draw(st.sampled_from(every)), data.draw(JSON)
    check(post(json.dumps(replaced(body, path, value)).encode()), cards_of, assert_outcome, (path, value))


@pytest.mark.parametrize(("patient", "drafts"), BASES[:3])
def test_REQ_15_every_node_replaced_by_every_type_is_never_500(
    post, request_for, cards_of, assert_outcome, patient, drafts
):
    body = request_for(patient, *drafts)
    for sent in body["prefetch"].values():  # like entries need not be tried again
        if isinstance(sent, dict) and "entry" in sent:
            del sent["entry"][1:]
    found = []
    for path in paths(body):
        for value in FIXED:
            try:
                check(post(replaced(body, path, value)), cards_of, assert_outcome, (path, value))
            except AssertionError as error:
                found.append(f"{'.'.join(map(str, path))} = {str(value)[:40]}: {str(error)[:300]}")
    assert not found, "\n".join(found[:20]) + f"\n{len(found)} in all"


@pytest.mark.parametrize(("patient", "drafts"), BASES[:3])
def test_REQ_15_every_member_left_out_is_never_500(post, request_for, cards_of, assert_outcome, patient, drafts):
    body = request_for(patient, *drafts)
    found = []
    for path in paths(body):
        if path and isinstance(path[-1], str):
            changed = copy.deepcopy(body)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            del parent[path[-1]]
            try:
                check(post(changed), cards_of, assert_outcome, path)
            except AssertionError as error:
                found.append(f"{'.'.join(map(str, path))}: {str(error)[:300]}")
    assert not found, "\n".join(found[:20]) + f"\n{len(found)} in all"
