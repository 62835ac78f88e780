"""Which results of an export the facts of a content know, and which of them they do not understand.

The account of each result is the chart's own, as for a call of the service. It is made once for each code with each
unit, because that is all that is told here: whether a single result can be used depends on its date, its status and
its number as well, and a run looks at these.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from cds_service.chart.accounts import entries_understood, keys_of_result
from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import ChartEntry
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.fhir.lenient import CodeableConcept, Observation, Quantity, Reference
from cds_service.judge.understanding import NotUnderstood, entries_not_understood
from cds_service.population.selection import RESULT, Selection
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.facts import Reason

NOT_ASKED_FOR = "codeNotAskedFor"
"""Why no rule sees a result whose code is known: searches do not ask by it. No key of the content's reasons."""

_MOST_KEPT = 4096  # codes, and codes with units, of which it was worked out what they mean
_TOLD = (Kind.CODE, Kind.UNIT)
_ANYBODY = "anybody"
_NOW = datetime.fromtimestamp(0, UTC)  # any day, of which the result is


class _Unit(msgspec.Struct, frozen=True, gc=False):
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class _Measured(msgspec.Struct, gc=False):
    valueQuantity: _Unit | None = None


class KnownResult(NamedTuple):
    """What a result is to the content: the keys of the searches that bring it, and what of it is not understood."""

    keys: tuple[str, ...] = ()
    missed: tuple[NotUnderstood, ...] = ()


_NOTHING = KnownResult()
_measured = msgspec.json.Decoder(_Measured)
_concept = msgspec.json.Decoder(CodeableConcept)


class KnownResults:
    """Tells what results are to a content, most of which are nothing to it."""

    def __init__(self, content: Prepared) -> None:
        self._content = content
        self._selection = Selection([content])
        self._searches = {key: search for key, search in content.pack.searches.items() if search.resource == RESULT}
        self._may_be: dict[bytes, tuple[Search, ...]] = {}
        self._known: dict[tuple[bytes, _Unit | None], KnownResult] = {}

    def __call__(self, code: bytes, line: bytes) -> KnownResult:
        """What a result is; ``code`` is the JSON of that element of it, and ``line`` all of its JSON."""
        searches = self._may_be.get(code)
        if searches is None:
            if len(self._may_be) >= _MOST_KEPT:
                self._may_be.clear()
            searches = self._may_be[code] = self._searches_of(code)
        if not searches:
            return _NOTHING
        unit = _unit_of(line)
        known = self._known.get((code, unit))
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[code, unit] = self._looked_into(code, unit, searches)
        return known

    def _searches_of(self, code: bytes) -> tuple[Search, ...]:
        """The searches whose facts know a result, by its code or by its name."""
        raw = b'{"resourceType":"Observation","code":' + (code or b"null") + b"}"
        return tuple(self._searches[key] for key in keys_of_result(self._content.pack.readers, self._searches, raw))

    def _looked_into(self, code: bytes, unit: _Unit | None, searches: tuple[Search, ...]) -> KnownResult:
        pack, zone, is_asked_for = self._content.pack, self._content.zone, self._selection.codes_in(code) is not None
        result = _result(_concept.decode(code), unit)
        keys: list[str] = []
        missed: list[NotUnderstood] = []
        for search in searches:
            chart, name = Chart.of(_ANYBODY, {search.key: [ChartEntry(b"", result)]}, _NOW, zone), name_of(pack, search)
            understood = entries_understood(pack.readers[search.key], search, chart)
            is_known = any(part.kind is Kind.CODE for part in understood)
            if is_known and not is_asked_for:
                missed.append(_not_asked_for(pack, search, result))
                continue
            found = [item for item in entries_not_understood(pack, search, chart) if item.aside.kind in _TOLD]
            missed += [NotUnderstood(item.aside, item.candidates, label=name) for item in found]
            if is_known:
                keys.append(search.key)
        return KnownResult(tuple(keys), tuple(missed))


def name_of(pack: Pack, search: Search) -> str:
    """What the content calls the results of a search."""
    return "; ".join(pack.value_sets[name].title for name in pack.candidates[search.key][Kind.CODE])


def names_of_results(pack: Pack) -> Iterator[tuple[str, str]]:
    """The key of each search for results, and what the content calls them."""
    for key, search in pack.searches.items():
        if search.resource == RESULT:
            yield key, name_of(pack, search)


def _unit_of(line: bytes) -> _Unit | None:
    try:
        return _measured.decode(line).valueQuantity
    except (msgspec.DecodeError, RecursionError):  # it is counted as not readable
        return None


def _result(concept: CodeableConcept, unit: _Unit | None) -> Observation:
    """A result of this code and unit with which nothing else is wrong."""
    quantity = Quantity(msgspec.Raw(b"1"), None, unit.unit, unit.system, unit.code) if unit is not None else None
    return Observation(
        resourceType=RESULT,
        status="final",
        subject=Reference(f"Patient/{_ANYBODY}"),
        effectiveDateTime=_NOW.date().isoformat(),
        code=concept,
        valueQuantity=quantity,
    )


def _not_asked_for(pack: Pack, search: Search, result: Observation) -> NotUnderstood:
    """That searches do not ask by the code by which a result is known. If it has a code beside that one, a site can
    have them ask by that.
    """
    concept, candidates = result.code or CodeableConcept(), pack.candidates[search.key][Kind.CODE]
    codings = concept.pairs()
    beside = (pair for pair in codings if all(pack.value_sets[name].find(*pair) is None for name in candidates))
    system, code = next(beside, codings[0])
    aside = Aside(Kind.CODE, Reason(NOT_ASKED_FOR), RESULT, system, code, concept.words())
    return NotUnderstood(aside, candidates, label=name_of(pack, search))
