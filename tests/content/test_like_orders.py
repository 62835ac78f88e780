"""What was decided on one order spares another of the same patient the tables for which the two are alike."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest

from cds_service.content.decide import Values, decide
from cds_service.content.needs import reads
from cds_service.judge.evaluate import evaluate
from cds_service.vocabulary.json_text import encode
from tests.support.scenarios import by_name, fire, request_of

DRAFTS = [
    "b12-no-dose",
    "cyanocobalamin-im-daily-week",
    "cyanocobalamin-im-pa-course",
    "cyanocobalamin-iv",
    "cyanocobalamin-nasal-weekly",
    "cyanocobalamin-oral-1000-daily",
    "folic-acid-5mg-oral",
    "hydroxocobalamin-im-three-weekly",
    "hydroxocobalamin-im-two-monthly",
    "vitamin-b12-weekly-no-route",
]
DRAFT = "cyanocobalamin-im-daily-week"


@pytest.fixture
def service(pack):
    return pack.service_for("order-select")


@pytest.fixture
def judged_of(prepared, service, request_for):
    """The drafts of one call for a patient, each judged by itself."""

    def judged(patient, *drafts):
        return evaluate(prepared, service, encode(request_for(patient, *drafts)), datetime.now(UTC)).judged

    return judged


@pytest.fixture
def asked(monkeypatch):
    """The ids of the tables that are asked from now on."""
    ids, real = [], Values.leaf

    def leaf(values, decision, facts):
        ids.append(decision.id)
        return real(values, decision, facts)

    monkeypatch.setattr(Values, "leaf", leaf)
    return ids


def told(pack, decided):
    """All that anybody asks of what was decided on an order."""
    tables = [name for name, decision in pack.decisions.items() if decision.kind == "definition" and decision.is_live]
    return {
        "cards": [(finding.topic, finding.used) for finding in decided.cards],
        "notes": [(finding.topic, finding.used) for finding in decided.notes],
        "values": {name: decided.values[name] for name in tables},
        "behind": {name: decided.values.behind(name) for name in tables},
        "fired": {name: decided.values.fired()[name] for name in tables},
    }


def assert_told_alike(pack, service, judged):
    for one, other in permutations(judged, 2):
        again = decide(pack, service, one.facts, other.decided)
        assert told(pack, again) == told(pack, one.decided), f"{one.order.name} like {other.order.name}"


@pytest.mark.parametrize("patient", ["amara-okafor", "marcus-bell", "edith-mwangi", "viktor-kovacs"])
def test_it_comes_to_what_it_comes_to_by_itself(pack, service, judged_of, patient):
    judged = judged_of(patient, *DRAFTS)
    assert len(judged) == len(DRAFTS)
    assert_told_alike(pack, service, judged)


def test_so_do_the_drafts_of_one_regimen_and_each_of_them_alone(prepared, service):
    story = by_name("several-drafts/courseInThreeOrders")
    request = request_of(prepared, story)
    together = fire(prepared, request, story.now).answer.judged
    alone = []
    for entry in request["context"]["draftOrders"]["entry"]:
        single = copy.deepcopy(request)
        single["context"]["draftOrders"]["entry"] = [entry]
        single["context"]["selections"] = [f"MedicationRequest/{entry['resource']['id']}"]
        alone += fire(prepared, single, story.now).answer.judged
    assert [len(one.siblings) for one in [*together, *alone]] == [2, 2, 2, 0, 0, 0]
    assert_told_alike(prepared.pack, service, [*together, *alone])


def test_one_with_the_same_facts_asks_no_table(pack, service, judged_of, asked):
    (one,) = judged_of("amara-okafor", DRAFT)
    assert asked
    asked.clear()
    decide(pack, service, one.facts, one.decided)
    assert asked == []


def test_one_with_another_interval_asks_only_what_reads_the_dosage(pack, service, judged_of, request_for, asked):
    (draft,) = (entry["resource"] for entry in request_for("amara-okafor", DRAFT)["context"]["draftOrders"]["entry"])
    other = copy.deepcopy(draft) | {"id": "draft-2"}
    other["dosageInstruction"][0]["timing"]["repeat"]["period"] = 3
    one, changed = judged_of("amara-okafor", draft, other)
    asked.clear()
    decide(pack, service, changed.facts, one.decided)
    of_dosage = {name for name in pack.decisions for read in reads(pack, [name]) if read.startswith("dosage.")}
    assert asked
    assert set(asked) < of_dosage


def test_nothing_is_taken_over_from_where_a_decision_failed(pack, service, prepared):
    """A card that failed took no other away: what gave way to it spoke, and would speak again (ERR-06)."""
    story = by_name("nasal/neurologicalAtStart")
    (one,) = fire(prepared, request_of(prepared, story), story.now).answer.judged
    spoken = replace(pack.decisions["neurologicalLoading"])
    object.__setattr__(spoken, "tree", None)
    broken = replace(pack, decisions={**pack.decisions, spoken.id: spoken})
    failed = decide(broken, service, one.facts)
    assert [defect.name for defect in failed.defects] == [spoken.id]
    assert told(pack, decide(pack, service, one.facts, failed)) == told(pack, one.decided)
