"""Which lines are counted as orders of drugs of the window: those by whose rules orders are judged."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cds_service.chart.sent_entries import decoder_of
from cds_service.population.orders_in_window import OrdersInWindow

WINDOW = OrdersInWindow(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
ORDER = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "authoredOn": "2026-01-01T00:00:00Z",
}


def is_counted(kind="MedicationRequest", **changed):
    line = {name: value for name, value in (ORDER | {"resourceType": kind} | changed).items() if value is not None}
    return WINDOW.has(decoder_of(kind).decode(json.dumps(line).encode()))


@pytest.mark.parametrize(
    "changed",
    [{}, {"status": "completed"}, {"intent": None}, {"authoredOn": "2026-02-01"}],  # a day begins earlier in Berlin
)
def test_an_order_that_was_signed_in_the_window_is_counted(changed):
    assert is_counted(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "cancelled"},
        {"status": None},
        {"intent": "plan"},
        {"doNotPerform": True},
        {"reportedBoolean": True},
        {"authoredOn": None},
        {"authoredOn": "soon"},
        {"authoredOn": "2026-01-01"},
        {"authoredOn": "2026-02-01T00:00:00Z"},
        {"kind": "MedicationStatement"},
    ],
)
def test_what_was_not_signed_or_not_in_the_window_is_not(changed):
    assert not is_counted(**changed)
