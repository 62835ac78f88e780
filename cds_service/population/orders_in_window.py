"""Which lines of an export are orders of drugs that were signed in the window of a run."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from cds_service.chart.statuses import NOT_ORDERED
from cds_service.fhir.dates import read_date
from cds_service.fhir.treatments import MedicationRequest
from cds_service.population.order_sessions import SIGNED


class OrdersInWindow(NamedTuple):
    """Orders that were written from ``since`` on and before ``until``; dates without an offset are of ``zone``."""

    since: datetime
    until: datetime
    zone: tzinfo

    def has(self, resource: Any) -> bool:
        """Whether a decoded line is such an order, by the same rules as the orders that are judged."""
        if not isinstance(resource, MedicationRequest) or not resource.authoredOn:
            return False
        if not resource.status or resource.status in NOT_ORDERED or (resource.intent or "") not in SIGNED:
            return False
        written = read_date(resource.authoredOn, self.zone)
        is_in_time = written is not None and self.since <= written.start < self.until
        return is_in_time and not resource.is_reported and resource.doNotPerform is not True
