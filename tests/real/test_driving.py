"""What ``make examples`` does with the packages of others, done with some patients of the fixtures."""

import json

import pytest

from cds_service.packaged import packaged
from tests.real.examples import drive, text
from tests.support.scenarios import by_name, request_of

STORIES = ("edith-mwangi", "hannah-goldberg", "denise-laurent")
# The patients of the fixtures have orders and doses given; what was dispensed or stated is in scenarios.
BESIDES = ("course-of-treatment/dispensed", "course-of-treatment/statedMaintenance")


@pytest.fixture(scope="module")
def driven(prepared):
    bundles = [json.loads((packaged("fixtures") / "patients" / f"{name}.json").read_text()) for name in STORIES]
    requests = [request_of(prepared, by_name(name)) for name in BESIDES]
    bundles += [sent for one in requests for sent in one["prefetch"].values() if sent["resourceType"] == "Bundle"]
    return drive(prepared, "fixtures", [entry["resource"] for bundle in bundles for entry in bundle.get("entry", [])])


def test_every_kind_of_resource_is_driven_and_every_call_is_answered(driven):
    assert all(driven.resources.values()), driven.resources
    assert driven.calls > 500
    assert driven.drafts
    assert driven.judged
    assert set(driven.statuses) <= {200, 412, 422}


def test_every_entry_is_accounted_for(driven):
    assert not driven.faults, text([driven])
    assert driven.read
    assert driven.elsewhere
    assert driven.set_aside
