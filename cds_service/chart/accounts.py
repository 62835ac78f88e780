"""The account of everything that was sent: for each search, which entries were read and which set aside (Z41)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

import msgspec

from cds_service.chart import conditions, medication_accounts, observations
from cds_service.chart.record import Chart
from cds_service.chart.statuses import DISPENSE_STATUSES, RESULT_STATUSES, STATEMENT_STATUSES
from cds_service.fhir import lenient
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.treatments import Medicated
from cds_service.vocabulary.accounting import Account, Kind, Understood
from cds_service.vocabulary.declarations import FactDeclaration, Search
from cds_service.vocabulary.facts import Reason


class _Make(Protocol):
    def __call__(
        self, search: Search, declarations: Sequence[FactDeclaration], chart: Chart, *, whole: bool
    ) -> Account: ...


_ACCOUNTS: Mapping[str, _Make] = {
    "Observation": observations.account,
    "Condition": conditions.account,
    "AllergyIntolerance": conditions.account,
    "Procedure": conditions.account,
    "MedicationRequest": medication_accounts.account,
    "MedicationDispense": medication_accounts.account,
    "MedicationAdministration": medication_accounts.account,
    "MedicationStatement": medication_accounts.account,
}


def account(readers: Sequence[FactDeclaration], search: Search, chart: Chart, *, whole: bool = True) -> Account:
    """What became of every entry under the key of ``search``; ``readers`` are the facts that are read from it.

    Without ``whole`` it is the account of what some fact has looked for so far: results that are older than one that
    can be used are not looked into and count as read, because nothing rests on them. The Patient has none.
    """
    make = _ACCOUNTS.get(search.resource)
    if make is None or not readers:
        return Account()
    results = chart.results(search)
    is_anything = not results.is_empty or results.elsewhere
    return make(search, readers, chart, whole=whole) if is_anything else Account()


def entries_understood(readers: Sequence[FactDeclaration], search: Search, chart: Chart) -> Iterator[Understood]:
    """The codes of entries under the key of ``search`` that a fact knows, and the units of results that it reads."""
    for resource in chart.results(search).resources:
        if isinstance(resource, lenient.Patient):
            continue
        if status := _stated_status(resource):
            yield Understood(Kind.STATUS, "", status)
        if isinstance(resource, lenient.Observation):
            for part in (resource, *resource.parts()):
                yield from _result_understood(readers, part)
            continue
        if isinstance(resource, Medicated):
            codings = resource.naming({item.id: item for item in chart.results(search).medications if item.id}).codings
        else:
            concept = cast("lenient.Condition", resource).code
            codings = concept.pairs() if concept is not None else []
        for coding in codings:
            if any(fact.match([coding]) is not None for fact in readers):
                yield Understood(Kind.CODE, *coding)


def _stated_status(resource: msgspec.Struct) -> str:
    """The status of an entry, if it is one that FHIR knows: that of a list is its clinical status."""
    if isinstance(resource, lenient.Condition | lenient.AllergyIntolerance):
        return conditions.clinical_status(resource)
    status = str(getattr(resource, "status", None) or "")
    return status if status in STATEMENT_STATUSES | DISPENSE_STATUSES | RESULT_STATUSES else ""


def _result_understood(readers: Sequence[FactDeclaration], part: lenient.Observation) -> Iterator[Understood]:
    measuring = [fact for fact in readers if fact.analyte is not None]
    owners = []
    for coding in part.code.pairs() if part.code is not None else ():
        owner = next((fact for fact in measuring if fact.match([coding]) is not None), None)
        if owner is not None:
            owners.append(owner)
            yield Understood(Kind.CODE, *coding)
    quantity = part.valueQuantity
    if owners and quantity is not None and not isinstance(observations.amount_of(owners[0], part), Reason):
        yield Understood(Kind.UNIT, quantity.system or "", quantity.code or "", quantity.unit or "")


def keys_of_result(
    readers_of: Mapping[str, Sequence[FactDeclaration]], search_keys: Iterable[str], raw: bytes
) -> list[str]:
    """The keys of the searches for results that would bring a result: by its code, or by a name that it has.

    ``readers_of`` are the facts that are read from each key, ``raw`` is the JSON of an Observation.
    """
    observation = lenient.observation_in_part(raw)
    if observation is None:
        return []
    parts = [observation, *observation.parts()]
    return [
        key
        for key in search_keys
        if any(observations.is_about(fact, part) for fact in readers_of[key] if fact.analyte for part in parts)
    ]


def is_coded(raw: bytes, systems: Container[str]) -> bool:
    """Whether an Observation, or a part of it, has a code of one of the systems."""
    observation = lenient.observation_in_part(raw)
    parts = [observation, *observation.parts()] if observation is not None else []
    return any(part.code is not None and speaks_in(systems, part.code.pairs()) for part in parts)
