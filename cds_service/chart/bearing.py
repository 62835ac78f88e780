"""Whether an entry of a record can bear on a fact, told from the entry alone.

Who reads many records leaves out what is about something else. An answer stays the same without it, but for the count
of all entries that stands beside the number of those that were not understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from enum import IntEnum

from cds_service.chart.conditions import entry_of, in_part, subject_of
from cds_service.chart.recognised import ReadBy
from cds_service.fhir import lenient
from cds_service.fhir.medications import Naming
from cds_service.fhir.treatments import Procedure
from cds_service.vocabulary.declarations import Search


class Bearing(IntEnum):
    """What an entry means to the facts that are read from its search, the most last."""

    ELSEWHERE = 0  # it is about something else
    READ = 1  # it is about what a fact asks for, and all of it is understood
    OPEN = 2  # it is not understood, or other entries of the patient are read with it, so that all are needed


def bearing_of_listed(resource: lenient.Listed | Procedure, search: Search, zone: tzinfo) -> Bearing:
    """What an entry of a list means to the facts of the list; ``zone`` is the hospital's time zone."""
    subject = subject_of(resource, search)
    if not subject.is_known:
        return Bearing.ELSEWHERE if subject.is_covered or subject.says_nothing else Bearing.OPEN
    entry = entry_of(resource, subject.codings, subject.names)
    return Bearing.OPEN if entry is not None and in_part(entry, search, zone) else Bearing.READ


def bearing_of_drug(naming: Naming, readers: Iterable[ReadBy]) -> Bearing:
    """What a treatment means to facts about treatments, by what names its drug; ``readers`` recognise it for them."""
    bearing = Bearing.ELSEWHERE
    for reader in readers:
        drug, why = reader.recognise(naming)
        if why:
            return Bearing.OPEN
        if drug is not None:
            bearing = Bearing.READ
    return bearing
