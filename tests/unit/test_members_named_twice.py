"""A resource whose JSON names a member twice says two things, and is told from one that does not (Z45)."""

from datetime import UTC, datetime

import msgspec
import pytest

from cds_service.chart.record import Chart, repeats_a_member

ONCE = {
    "compact": '{"resourceType":"Observation","id":"o","code":{"text":"a"},"valueQuantity":{"value":22}}',
    "with blanks": '{ "resourceType": "Observation",\n "id": "o", "valueQuantity": { "value": 22 } }',
    "one name in two objects": '{"id":"o","code":{"coding":[{"code":"a"},{"code":"b"}]}}',
    "a number that is written in another way": '{"id":"o","valueQuantity":{"value":22.50}}',
    "escaped letters": '{"id":"o","code":{"text":"caf\\u00e9"}}',
    "half a letter": '{"id":"o","code":{"text":"\\ud800"}}',
}
TWICE = {
    "at the top": '{"id":"o","status":"final","status":"final"}',
    "within": '{"id":"o","valueQuantity":{"value":22,"value":220}}',
    "within a list": '{"id":"o","code":{"coding":[{"code":"a","code":"b"}]}}',
    "with blanks": '{ "id": "o", "status": "final", "status": "amended" }',
    "a number that becomes longer when it is written again": '{"id":"o","a":1,"a":1,"valueQuantity":{"value":1e15}}',
    "escaped letters": '{"id":"o","status":"caf\\u00e9","status":"b"}',
}


def repeats(pack, resource):
    search = next(search for search in pack.searches.values() if search.resource == "Observation")
    bundle = f'{{"resourceType":"Bundle","entry":[{{"resource":{resource}}}]}}'
    chart = Chart("p", {search.key: msgspec.Raw(bundle.encode())}, datetime(2026, 11, 23, tzinfo=UTC), UTC)
    return repeats_a_member(chart, search, "o")


@pytest.mark.parametrize("shape", ONCE)
def test_a_resource_that_names_each_member_once_repeats_none(pack, shape):
    assert not repeats(pack, ONCE[shape])


@pytest.mark.parametrize("shape", TWICE)
def test_a_member_that_is_named_twice_is_seen(pack, shape):
    assert repeats(pack, TWICE[shape])
