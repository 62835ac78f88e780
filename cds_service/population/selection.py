"""What the contents of a run need of an export, told line by line.

A line is left out only if the chart, which would read it, passes it by as about something else: what decides is the
chart's own reading of the line (``chart.bearing``), so that the answers stay the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from cds_service.chart.bearing import Bearing, bearing_of_drug, bearing_of_listed
from cds_service.chart.conditions import as_written, concepts_of
from cds_service.chart.drug import recognise
from cds_service.chart.recognised import ReadBy, read_by, readers_of
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.fhir import lenient
from cds_service.fhir.codes import canonical
from cds_service.fhir.lenient import Coding, many
from cds_service.fhir.medications import Naming
from cds_service.fhir.order_types import MEDICATION, ORDER_TYPES
from cds_service.fhir.treatments import Medicated, Medication, Procedure
from cds_service.population.named_encounters import NamedEncounters
from cds_service.population.orders_in_window import OrdersInWindow
from cds_service.vocabulary.declarations import Search

ENCOUNTER, MEDICINE, PATIENT, RESULT = "Encounter", "Medication", "Patient", "Observation"
OF_NOBODY = (MEDICINE, ENCOUNTER)
"""The types that are found by their id, by the lines that refer to them."""
TREATMENTS = ("MedicationRequest", "MedicationDispense", "MedicationAdministration", "MedicationStatement")
LISTS = ("Condition", "Procedure", *TREATMENTS)
"""The types of which a patient's lines are read together, where one of them is not understood."""
WHOLE = (PATIENT, "AllergyIntolerance")
"""The types of which every line is needed."""

_OF_LISTS = frozenset({"condition", "allergy", "procedure"})  # kinds of facts that are read from entries, not events
_MOST_KEPT = 4096  # concepts of which it was worked out what they mean
_REFERRED = re.compile(r"(?:^|/)(?:Medication|Encounter)/([^/\s]+)(?:/_history/[^/]*)?$|^urn:uuid:(.+)$")


class _ResultCode(msgspec.Struct, gc=False):
    coding: list[Coding] | Coding | None = None


_result_code = msgspec.json.Decoder(_ResultCode)


class Selection:
    """What ``contents`` need of an export. It pickles, as the contents do.

    ``medications`` are those to which treatments may refer, by id; a treatment that refers to another one is needed.
    ``window`` tells the orders that a run might judge, which are counted; without it none is. ``encounters`` are those
    in which orders were written, if they are known; of an export of which they are not, every encounter is needed.
    """

    def __init__(
        self,
        contents: Sequence[Prepared],
        medications: Mapping[str, Medication] | None = None,
        window: OrdersInWindow | None = None,
        encounters: NamedEncounters | None = None,
    ) -> None:
        self.contents = tuple(contents)
        self.window = window
        self.encounters = encounters
        self._medications = medications or {}
        self._of_type: dict[str, list[tuple[Search, Sequence[ReadBy], Prepared]]] = {}
        for content in self.contents:
            for search in content.pack.searches.values():
                self._of_type.setdefault(search.resource, []).append((search, _readers(content.pack, search), content))
        self._ordered = [content.pack.relevant.get(MEDICATION, ()) for content in self.contents]
        self._orders = frozenset(kind for content in self.contents for kind in content.pack.relevant)
        searches = [search for search, _, _ in self._of_type.get(RESULT, ())]
        self._codes = frozenset[str]().union(*(codes_asked_for(search.template) for search in searches))
        self._asked: dict[bytes, tuple[str, ...] | None] = {}
        self._given: dict[tuple[Any, ...], Bearing] = {}
        # Nothing is read of a patient who is not in the export, whether or not a fact asks for the person.
        self.types = frozenset({*self._of_type, *ORDER_TYPES, ENCOUNTER, MEDICINE, PATIENT})

    def __reduce__(self) -> tuple[Any, ...]:
        return Selection, (self.contents, self._medications, self.window, self.encounters)

    def knowing(self, medications: Mapping[str, Medication]) -> Selection:
        """The same with the Medications of an export."""
        return Selection(self.contents, medications, self.window, self.encounters)

    def naming(self, encounters: NamedEncounters) -> Selection:
        """The same with the encounters that the orders of an export name."""
        return Selection(self.contents, self._medications, self.window, encounters)

    def codes_in(self, code: bytes) -> tuple[str, ...] | None:
        """The codes, as ``system|code``, by which searches bring a result, of which ``code`` is the JSON of that
        element; none if they cannot be read, and ``None`` if no search brings it.
        """
        if code in self._asked:
            return self._asked[code]
        if len(self._asked) >= _MOST_KEPT:
            self._asked.clear()
        self._asked[code] = asked = self._codes_in(code)
        return asked

    def _codes_in(self, code: bytes) -> tuple[str, ...] | None:
        if not code:
            return None
        try:
            codings = many(_result_code.decode(code).coding)
        except msgspec.DecodeError:
            return ()
        stated = dict.fromkeys(f"{canonical(c.system)}|{c.code}" for c in codings if c.system and c.code)
        return tuple(code for code in stated if code in self._codes) or None

    def bearing(self, kind: str, resource: Any) -> Bearing:
        """What a line of a type means to the contents; ``resource`` is what the chart reads of it, if it is read from a
        record.
        """
        if kind in TREATMENTS:
            return self._of_treatment(kind, resource)
        if kind in LISTS:
            return self._of_entry(kind, resource)
        if kind in ORDER_TYPES:  # of tests and of nutrition, which stand beside those of drugs in a session
            return Bearing.OPEN if kind in self._orders else Bearing.ELSEWHERE
        return Bearing.READ

    def _of_entry(self, kind: str, resource: lenient.Listed | Procedure) -> Bearing:
        bearing = Bearing.ELSEWHERE
        for search, readers, content in self._of_type.get(kind, ()):
            bearing = max(bearing, bearing_of_listed(resource, search, content.zone))
            if readers and isinstance(resource, Procedure):
                bearing = max(bearing, self._of_given(resource, readers))
        return bearing

    def _of_given(self, resource: Procedure, readers: Sequence[ReadBy]) -> Bearing:
        """What a procedure means to facts about treatments. Records repeat few of them."""
        key = (id(readers), as_written(concepts_of(resource)))
        bearing = self._given.get(key)
        if bearing is None:
            self._make_room()
            bearing = self._given[key] = bearing_of_drug(resource.naming({}), readers)
        return bearing

    def _of_treatment(self, kind: str, resource: Medicated) -> Bearing:
        """What a treatment means. One that is not passed by is read with all other treatments of the patient: what it
        rests on, what it takes the place of, and what tells that a plan is carried out.
        """
        if not medications_of(resource):
            naming = resource.naming({})
            bearing: Bearing | None = naming.kept.get((self, kind))
            if bearing is None:
                bearing = naming.kept[self, kind] = self._of_naming(kind, naming)
            return bearing
        modern, own = resource.medication, resource.medicationReference
        references = [reference for reference in (own, modern.reference if modern else None) if reference is not None]
        concepts = [resource.medicationCodeableConcept, modern.concept if modern else None]
        written = as_written([concept for concept in concepts if concept is not None])
        key = (kind, written, *((reference.reference, reference.display) for reference in references))
        if key not in self._given:
            if not all(referred(name) in self._medications for name in medications_of(resource)):
                return Bearing.OPEN  # nobody can tell what it is of
            if resource.contained:
                return self._of_naming(kind, resource.naming(self._medications))
            self._make_room()
            self._given[key] = self._of_naming(kind, resource.naming(self._medications))
        return self._given[key]

    def _of_naming(self, kind: str, naming: Naming) -> Bearing:
        return Bearing.OPEN if self._is_told_by(kind, naming) else Bearing.ELSEWHERE

    def _make_room(self) -> None:
        if len(self._given) >= _MOST_KEPT:
            self._given.clear()

    def _is_told_by(self, kind: str, naming: Naming) -> bool:
        if kind == MEDICATION and any(recognise(naming, value_sets) is not None for value_sets in self._ordered):
            return True
        every = (bearing_of_drug(naming, readers) for _, readers, _ in self._of_type.get(kind, ()))
        return any(bearing is not Bearing.ELSEWHERE for bearing in every)


def _readers(pack: Pack, search: Search) -> Sequence[ReadBy]:
    """How the facts that are read from the events of a search recognise drugs."""
    if search.resource not in (*TREATMENTS, "Procedure"):
        return ()
    declarations = pack.readers.get(search.key, ())
    if search.resource == "Procedure":
        declarations = tuple(fact for fact in declarations if fact.kind not in _OF_LISTS)
        return tuple(dict.fromkeys(read_by(fact, search) for fact in declarations))
    return readers_of(declarations, search)


def codes_asked_for(template: str) -> frozenset[str]:
    """The codes, as ``system|code``, that a prefetch template asks for; none if it asks for none."""
    asked = parse_qs(template.partition("?")[2]).get("code", [])
    return frozenset(code for codes in asked for code in codes.split(","))


def medications_of(resource: Medicated) -> list[str]:
    """The references of a treatment to Medications that it does not contain."""
    modern = resource.medication
    references = (resource.medicationReference, modern.reference if modern is not None else None)
    found = [reference.reference for reference in references if reference is not None and reference.reference]
    return [reference for reference in found if not reference.startswith("#")]


def leads_nowhere(resource: Medicated) -> bool:
    """Whether a treatment names its drug by nothing but a reference that leads to no Medication: an identifier or a
    search alone, or a Medication that it should contain and does not.
    """
    if resource.medicationReference is None and resource.medication is None:  # as most are
        return False
    return not any(map(referred, medications_of(resource))) and not resource.naming({}).resolved


def referred(reference: str) -> str | None:
    """The id in a reference to a Medication or an Encounter; ``None`` if it refers to none."""
    match = _REFERRED.search(reference)
    return match[1] or match[2] if match else None
