"""One line of an export after another: what may be needed is kept, with its patient, and everything is counted.

Lines of lists that are about something else are kept too: of a patient with an entry that nobody understands they are
needed after all, because cards count it among all entries of its list. Of a line that is passed by it is kept which
version of which resource it is, because an older one may have been needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from cds_service.chart.bearing import Bearing
from cds_service.chart.sent_entries import decoder_of, patient_in
from cds_service.fhir.lenient import Reference
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.fhir.resource_types import RESOURCE_TYPES
from cds_service.fhir.treatments import Medicated
from cds_service.population import line_problems
from cds_service.population.line_problems import BrokenLine, LineCounts
from cds_service.population.named_encounters import NamedEncounters
from cds_service.population.selection import (
    ENCOUNTER,
    LISTS,
    OF_NOBODY,
    RESULT,
    WHOLE,
    Selection,
    leads_nowhere,
    medications_of,
    referred,
)
from cds_service.population.stated_version import AnyMeta, version_of, with_meta
from cds_service.population.tolerant_json import SHORTEST_DEEP, is_nested_deeply

SIFTED = pa.schema(
    [
        ("patient", pa.string()),  # "" of what is found by its id (OF_NOBODY) and of lines that were passed by
        ("type", pa.string()),
        ("id", pa.string()),
        ("line", pa.string()),  # null of those that were passed by
        ("bearing", pa.int8()),  # chart.bearing, or PASSED
        ("medications", pa.list_(pa.string())),  # ids of those that it refers to
        ("encounter", pa.string()),  # id of the one in which it was ordered
        ("version", pa.string()),  # text that sorts as the versions of one resource came
    ]
)
PASSED = -1
"""The bearing of lines that were passed by: only of which version they are matters."""
_MOST_LINES = 8192  # of one batch
_MOST_CHARACTERS = 16_777_216
_READ_BY_THE_CHART = frozenset({*LISTS, *WHOLE})
_READ, _OPEN = int(Bearing.READ), int(Bearing.OPEN)
_BLANK = "blank"
_NAME_OF_TYPE = re.compile(r"[A-Za-z]{3,40}")  # others may be anything, and are not told
_TYPE, _BEARING = SIFTED.get_field_index("type"), SIFTED.get_field_index("bearing")
_Row = tuple[str, str, str, bytes, int, list[str] | None, str | None, str]
_OWN = "Patient/"


class _ResultLine(msgspec.Struct, gc=False):
    resourceType: str | None = None
    id: str | None = None
    subject: Reference | None = None
    code: msgspec.Raw = msgspec.Raw()
    meta: AnyMeta = None


class _Owned(msgspec.Struct, gc=False):
    resourceType: str | None = None
    id: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    meta: AnyMeta = None


class _InPart(_Owned):
    code: msgspec.Raw = msgspec.Raw()


class _Typed(msgspec.Struct, gc=False):
    resourceType: str | None = None
    id: str | None = None
    meta: AnyMeta = None


class _EncounterOf(msgspec.Struct, gc=False):
    encounter: Reference | None = None


_encounter_of = msgspec.json.Decoder(_EncounterOf)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


class Look(Protocol):
    """What looks at every line of a type that is needed, beside the reading; it can be pickled."""

    def __call__(self, kind: str, resource: Any, line: bytes, /) -> None: ...


class Sieve:
    """Reads the lines of a piece of ``file``, each as of the type of the line before, which most are.

    ``counts`` are what it has met, and ``encounters`` those in which orders were written; both are whole when the last
    batch was taken.
    """

    def __init__(self, selection: Selection, file: Path, look: Look | None = None) -> None:
        self.counts = LineCounts()
        self.encounters = NamedEncounters()
        self.look = look
        self._selection = selection
        self._named = selection.encounters
        self._file = file
        self._kind = ""
        self._of_kind = 0  # lines of the type since it was another
        self._decode: Callable[[bytes], Any] = _typed.decode
        self._owner: Callable[[Any], str] = _of_nobody
        self._sort: Callable[[Any, bytes], str] = self._sort_other
        self._is_needed = False
        self._rows: list[_Row] = []
        self._passed: tuple[list[str], ...] = [], [], []  # types, ids and versions
        self._characters = 0
        self._is_full = False

    def batches(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """What may be needed of the lines of a piece, as batches of the schema ``SIFTED``, of a bounded size."""
        number, size = 0, 0
        for number, line in enumerate(lines, 1):
            size += len(line)
            try:
                problem = self._take(line)
            except UnicodeDecodeError:  # in an element that is read; others are looked at when a line is kept
                problem = line_problems.NOT_UTF_8
            except RecursionError:
                problem = line_problems.NOT_JSON
            if problem:
                self._note(problem, number)
            if self._is_full:
                yield from self._batches_so_far()
        self._begin("")
        self.counts.lines, self.counts.bytes = number, size
        yield from self._batches_so_far()

    def _batches_so_far(self) -> Iterator[pa.RecordBatch]:
        if self._rows:
            yield self._batch()
        if self._passed[0]:
            yield self._batch_of_passed()
        self._is_full = False

    def _batch(self) -> pa.RecordBatch:
        columns = list(zip(*self._rows, strict=True))
        self.counts.kept.update(zip(columns[_TYPE], columns[_BEARING], strict=True))
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SIFTED, strict=True)]
        self._rows.clear()
        self._characters = 0
        return pa.record_batch(arrays, schema=SIFTED)

    def _batch_of_passed(self) -> pa.RecordBatch:
        number = len(self._passed[0])
        columns = dict(zip(("type", "id", "version"), map(pa.array, self._passed), strict=True))
        columns["patient"] = pa.repeat("", number)
        columns["bearing"] = pa.repeat(pa.scalar(PASSED, pa.int8()), number)
        for values in self._passed:
            values.clear()
        arrays = [
            columns[name] if name in columns else pa.nulls(number, SIFTED.field(name).type) for name in SIFTED.names
        ]
        return pa.record_batch(arrays, schema=SIFTED)

    def _note(self, problem: str, number: int) -> None:
        if problem == _BLANK:
            self.counts.blank += 1
            return
        self.counts.problems[problem, ""] += 1
        if len(self.counts.broken) < line_problems.MOST_PLACES:
            self.counts.broken.append(BrokenLine(self._file, number, problem))

    def _take(self, line: bytes) -> str:
        """Takes one line; gives what is wrong with it if it cannot be read at all."""
        try:
            resource = self._decode(line)
        except (msgspec.DecodeError, RecursionError):
            return self._take_otherwise(line)
        if resource.resourceType != self._kind:
            return self._take_otherwise(line)
        self._of_kind += 1
        if self._is_needed:
            if self.look is not None:
                self.look(self._kind, resource, line)
            return self._sort(resource, line)
        return ""

    def _take_otherwise(self, line: bytes) -> str:
        """Takes a line of another type than the one before, or of which elements cannot be read."""
        members = _decoded(_members, line)
        if members is None:
            return line_problems.NOT_JSON if line.strip() else _BLANK
        kind = _decoded(_text, bytes(members.get("resourceType", b"")))
        if not kind:
            return line_problems.NO_TYPE
        if kind != self._kind:
            self._begin(kind)
            return self._take(line)
        self._of_kind += 1
        if not self._is_needed:
            return ""
        self.counts.problems[line_problems.NOT_READABLE, kind] += 1
        part = _in_part(members)
        if self.look is not None:
            self.look(kind, part, line)
        if kind == RESULT:
            return self._sort_result(part, line)
        return self._add(part, line, _OPEN)

    def _begin(self, kind: str) -> None:
        """From here on lines are read as of this type."""
        if self._of_kind:
            named = self._kind if _NAME_OF_TYPE.fullmatch(self._kind) else ""
            self.counts.types[named] += self._of_kind
            if not self._is_needed and named not in RESOURCE_TYPES:
                self.counts.problems[line_problems.UNKNOWN_TYPE, named] += self._of_kind
        self._kind, self._of_kind = kind, 0
        self._is_needed = kind in self._selection.types
        self._owner = _OWNERS.get(kind, _subject_of)
        self._decode = _DECODERS.get(kind, _typed).decode
        self._sort = self._sort_result if kind == RESULT else self._sort_other
        if kind == ENCOUNTER:
            self._sort = self._sort_encounter
        elif kind in WHOLE or kind in OF_NOBODY:
            self._sort = self._sort_whole

    def _sort_result(self, resource: Any, line: bytes) -> str:
        codes = self._selection.codes_in(bytes(resource.code))
        if codes is None:
            return self._pass(resource)
        for code in codes:  # quicker than to update the counter, of a code or two
            self.counts.results[code] += 1
        return self._add(resource, line, _READ)

    def _sort_whole(self, resource: Any, line: bytes) -> str:
        return self._add(resource, line, _READ)

    def _sort_encounter(self, resource: Any, line: bytes) -> str:
        if self._named is None or (resource.id and resource.id in self._named):
            return self._add(resource, line, _READ)
        return self._pass(resource)

    def _sort_other(self, resource: Any, line: bytes) -> str:
        medications, encounter = None, None
        if self._selection.window is not None and self._selection.window.has(resource):
            self.counts.ordered += 1
        bearing = self._selection.bearing(self._kind, resource)
        if isinstance(resource, Medicated):
            medications = [found for name in medications_of(resource) if (found := referred(name))] or None
            if medications is None and leads_nowhere(resource):
                self.counts.problems[line_problems.NOT_FOLLOWED, self._kind] += 1
        if bearing == _OPEN and self._kind in ORDER_TYPES:
            encounter = _encounter_of_order(line)
            if encounter is not None:
                self.encounters.add(encounter)
        return self._add(resource, line, bearing, medications, encounter)

    def _add(
        self,
        resource: Any,
        line: bytes,
        bearing: int,
        medications: list[str] | None = None,
        encounter: str | None = None,
    ) -> str:
        """Puts a line aside; gives what is wrong with it if it cannot be."""
        patient = self._owner(resource)
        if not patient and self._kind not in OF_NOBODY:
            self.counts.problems[line_problems.NO_PATIENT, self._kind] += 1
            return self._pass(resource)
        if not line.isascii() and not _is_utf_8(line):
            return line_problems.NOT_UTF_8
        if len(line) > SHORTEST_DEEP and is_nested_deeply(line):
            return line_problems.NOT_JSON
        version = version_of(resource.meta)
        self._rows.append(
            (patient, self._kind, resource.id or "", line.strip(), bearing, medications, encounter, version)
        )
        self._characters += len(line)
        if self._characters >= _MOST_CHARACTERS or len(self._rows) >= _MOST_LINES:
            self._is_full = True
        return ""

    def _pass(self, resource: Any) -> str:
        """Passes a line by, which may be the last version of a resource; without an id it is a version of nothing."""
        if resource.id:
            kinds, names, versions = self._passed
            kinds.append(self._kind)
            names.append(resource.id)
            versions.append(version_of(resource.meta))
            if len(names) >= _MOST_LINES:
                self._is_full = True
        return ""


_typed = msgspec.json.Decoder(_Typed)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    **{kind: msgspec.json.Decoder(with_meta(decoder_of(kind).type)) for kind in _READ_BY_THE_CHART},
    RESULT: msgspec.json.Decoder(_ResultLine),
    **{kind: msgspec.json.Decoder(_Owned) for kind in ORDER_TYPES if kind not in LISTS},
}


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _encounter_of_order(line: bytes) -> str | None:
    """The id of the encounter in which something was ordered."""
    order = _decoded(_encounter_of, line)
    named = order.encounter if order is not None else None
    return referred(named.reference) if named is not None and named.reference else None


def _of_nobody(_: Any) -> str:
    return ""


def _own_id(resource: Any) -> str:
    return resource.id or ""


def _subject_of(resource: Any) -> str:
    """The id of the patient whose line it is; ``""`` if it names none."""
    subject = resource.subject
    return _patient_in(subject.reference) if subject is not None else ""


def _patient_or_subject_of(resource: Any) -> str:
    named = resource.patient or resource.subject
    return _patient_in(named.reference) if named is not None else ""


def _patient_in(reference: str | None) -> str:
    if reference and reference.startswith(_OWN) and reference.count("/") == 1:  # as nearly all are written
        return reference[len(_OWN) :]
    return patient_in(reference) or ""


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _in_part(members: Mapping[str, msgspec.Raw]) -> _InPart:
    """The few elements that are needed of every line, of one of which others cannot be read."""
    part = _InPart()
    for element in msgspec.structs.fields(_InPart):
        if element.name in members:
            with suppress(msgspec.DecodeError, RecursionError):
                setattr(part, element.name, msgspec.json.decode(members[element.name], type=element.type))
    return part


_OWNERS: Mapping[str, Callable[[Any], str]] = {
    "Patient": _own_id,
    "AllergyIntolerance": _patient_or_subject_of,
    **dict.fromkeys(ORDER_TYPES, _patient_or_subject_of),
    **dict.fromkeys(LISTS, _subject_of),
    **dict.fromkeys(OF_NOBODY, _of_nobody),
}
