"""What is read of anything that may stand under a prefetch key, for every type of resource that is asked for."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import Results, Sent
from tests.support.prefetch_shapes import FAILED, MALFORMED, NOTHING_FOUND, ODD_ENTRIES


@pytest.fixture(scope="module")
def searches(pack):
    """One search for each type of resource."""
    return {search.resource: search for search in pack.searches.values()}


def read(search, value):
    sent = {search.key: msgspec.Raw(json.dumps(value).encode())}
    return Chart("p", sent, datetime(2026, 11, 23, tzinfo=UTC), UTC).results(search)


def test_every_type_of_resource_is_asked_for(searches):
    assert set(searches) >= {"Patient", "Condition", "Observation", "MedicationRequest", "AllergyIntolerance"}


@pytest.mark.parametrize("shape", NOTHING_FOUND)
def test_nothing_found_is_read_like_null(searches, shape):
    for search in searches.values():
        assert replace(read(search, NOTHING_FOUND[shape]), elsewhere=0) == read(search, None) == Results(Sent.READ)


@pytest.mark.parametrize("shape", FAILED)
def test_an_error_of_the_clients_own_query_is_a_failure(searches, shape):
    for search in searches.values():
        assert read(search, FAILED[shape]) == Results(Sent.FAILED, complete=False, why="queryFailed")


@pytest.mark.parametrize("shape", MALFORMED)
def test_what_is_neither_a_resource_nor_a_bundle_is_malformed(searches, shape):
    for search in searches.values():
        results = read(search, MALFORMED[shape])
        assert replace(results, why="") == Results(Sent.MALFORMED, complete=False, why="")
        value = MALFORMED[shape]
        shapes = {list: "sentArray", str: "sentText"}
        assert results.why == shapes.get(type(value), "sentOther")


@pytest.mark.parametrize("shape", ODD_ENTRIES)
def test_odd_entries_bring_no_resource_and_never_raise(searches, shape):
    for search in searches.values():
        results = read(search, ODD_ENTRIES[shape])
        assert results.resources == ()
        assert results.sent is not Sent.MISSING


def test_what_is_not_there_was_not_sent(searches):
    for search in searches.values():
        results = Chart("p", {}, datetime(2026, 11, 23, tzinfo=UTC), UTC).results(search)
        assert results == Results(Sent.MISSING, complete=False)
