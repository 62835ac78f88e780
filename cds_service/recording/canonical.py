"""What a recording keeps in the place of a code, a text, a unit or a number: words of the content, and nothing else.

Whatever is recognised is replaced by what the content calls it, whatever is not by ``OTHER``, which nothing recognises
either. So each has the same meaning to every reader as what was sent, and no text of a request is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import NamedTuple

from cds_service.content.model import Pack
from cds_service.fhir.analyte_names import names_another, names_one_of
from cds_service.fhir.codes import SYSTEMS, canonical, is_code_of, speaks_in, telling_words, unstated
from cds_service.fhir.flags import OTHER_FLAGS
from cds_service.fhir.medication_words import FORM_WORDS, NO_DRUG_WORDS
from cds_service.fhir.medications import name_words, read_drug
from cds_service.fhir.names import folded, folded_allergy, folded_route, says_nothing
from cds_service.fhir.quantities import UCUM, read_number
from cds_service.fhir.schedule_words import UNITS, folded_schedule, form_of_code, form_of_text
from cds_service.fhir.units import ucum_of
from cds_service.vocabulary.declarations import NDC, NO_NAMES, Concept, FactDeclaration, ValueSet

OTHER = "other"
"""The word for what is not known. It is known to no reader, and tells no code without a system apart."""
OTHER_SYSTEM = "urn:other"

# How many digits are kept of a number below each limit; of one above all of them, two. A number of a patient's record
# that identifies has more, and no threshold of the content needs more.
_DIGITS = ((10_000, 4), (1_000_000, 3))
_FEWEST_DIGITS = 2
_LONGEST_PLAIN = 20  # characters of a number that is written without an exponent
_ANOTHER_ANALYTE = "glucose"
_NOTHING_LISTED = ("no known allergies", "no known problems")
_NO_DRUG = "level"
_LETTER_AND_NUMBER = re.compile(r"\b([a-z])(\d)")  # "b12", which may have been written "B-12"

# Codes of the forms that code systems have. The first that a system could have and no value set knows stands for every
# code of that system that is not known.
_EXAMPLES = (
    OTHER,
    *("Z", "Z99", "X99", "Z0000", "0000Z", "ZZZZZZZ", "NPU00000"),
    *(f"0-{digit}" for digit in range(10)),
    *(f"{number:08}" for number in range(100)),
    *(f"ZZZZZZZZZ{check}" for check in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)


class Words(NamedTuple):
    """How texts in one place are read: what a text ``means`` to every reader there, and texts ``like`` it to try."""

    means: Callable[[str], Hashable]
    like: Callable[[str], Iterable[str]]


class Canonical:
    """The words, codes and units of a pack, by which those of a request are replaced."""

    def __init__(self, pack: Pack) -> None:
        self._sets = tuple(pack.value_sets.values())
        facts = tuple(pack.facts.values())
        self._analytes = tuple({id(fact.analyte): fact.analyte for fact in facts if fact.analyte}.values())
        self._counted = {spelling: meant for fact in facts for spelling, meant in fact.counted.items()}
        self._schedules: Mapping[str, str] = {key: form for fact in facts for key, form in fact.schedules.items()}
        self._aliases = {alias: system for value_set in self._sets for alias, system in value_set.aliases.items()}
        known = (
            concept.system for value_set in self._sets for concept in value_set.codes.values() if not concept.local
        )
        self._spoken: frozenset[str] = frozenset().union(*(value_set.systems for value_set in self._sets))
        self._systems = frozenset(known).union(system.canonical for system in SYSTEMS)
        self._telling = frozenset(
            word for value_set in self._sets for words in value_set.words.values() for word in words
        )
        self._drug_names = next((each.drug_names for each in self._sets if each.kind == "medication"), NO_NAMES)
        self._neutral = cache(self._unknown_code)
        names = _names_of_lists(pack)
        self.drugs = self._of_drugs()
        self.given = _both(self.drugs, Words(_speaks_of_no_drug, lambda _: ()))
        self.lists: Mapping[str, Words] = {
            "Condition": _of_list(folded, names, _naming_of(facts, "condition")),
            "AllergyIntolerance": _of_list(folded_allergy, names, ()),
            "Procedure": _both(_of_list(folded, names, ()), self.given),
        }
        self.reasons = _of_list(folded, names, _naming_of(facts, "order"))
        self.results = self._of_results()
        self.ordered = _of(folded, self._names_of_orders())
        self.routes = _of(folded_route, self._names("route"))
        self.flags = _of(lambda text: text.strip().casefold(), self._names("interpretation") | OTHER_FLAGS)
        self.schedules = Words(self.form_of, lambda text: [_form_in_words(self.form_of(text))])

    # --- texts

    def text(self, words: Words, written: str) -> str:
        """The text that stands for ``written`` where it is read by ``words``; a blank one stays without words."""
        if not written.strip():
            return ""
        meaning = words.means(written)
        return next((text for text in (OTHER, *words.like(written)) if text and words.means(text) == meaning), OTHER)

    def form_of(self, text: str) -> str:
        """The form that a text for how often means, at this site too; ``""`` if it means none."""
        return self._schedules.get(folded_schedule(text)) or form_of_text(text)

    def form_at_site(self, system: str, code: str) -> str:
        """The words for the form that the site's own code for how often means; ``""`` if it is none of the site's."""
        return _form_in_words(self._schedules.get(f"{system}|{code}", ""))

    def _names(self, kind: str) -> frozenset[str]:
        return frozenset(name for value_set in self._sets if value_set.kind == kind for name in value_set.names)

    def _names_of_orders(self) -> frozenset[str]:
        """The names by which orders of tests and of nutrition are known, folded as these are read."""
        kinds = ("observation", "procedure", "nutrition")
        return frozenset(folded(name) for kind in kinds for name in self._names(kind)) - {""}

    def _of_drugs(self) -> Words:
        """A text as the name of a drug (Z48)."""
        names = self._drug_names

        def like(text: str) -> Iterator[str]:
            read = read_drug(text, names)
            together = " ".join(name.key for name in read.names)
            form = next((word for word, form in FORM_WORDS.items() if form == read.form), "")
            for behind in ("", OTHER):
                yield " ".join(filter(None, (together, form, behind)))
            yield f"{OTHER} {together}"
            yield f"{together} {_NO_DRUG}"
            yield f"{_NO_DRUG} {together}"
            yield _NO_DRUG

        return Words(lambda text: read_drug(text, names), like)

    def _of_results(self) -> Words:
        """A text as the name of what was measured, or of another analyte (Z41)."""
        sets = [value_set for value_set in self._sets if value_set.kind == "observation"]

        def named(text: str) -> list[ValueSet]:
            return [value_set for value_set in sets if names_one_of([text], value_set.names)]

        def called(text: str) -> list[ValueSet]:
            """Those for which the text, the name of a common analyte, is none of another: their codes are called so."""
            is_common = names_another([text], ())
            return [value_set for value_set in sets if is_common and names_one_of([text], value_set.components)]

        def means(text: str) -> Hashable:
            ids = (tuple(value_set.id for value_set in found) for found in (named(text), called(text)))
            return *ids, names_another([text], ())

        def like(text: str) -> Iterator[str]:
            yield from (name for value_set in named(text) for name in value_set.names)
            yield from (name for value_set in called(text) for name in sorted(value_set.components))
            yield _ANOTHER_ANALYTE

        return Words(means, like)

    # --- codes

    def coding(self, system: str, code: str, flags: frozenset[str] = frozenset()) -> tuple[str, str]:
        """The system and the code that stand for those of a coding with both.

        A code that the content knows stays; the site's own becomes one that it maps to (Z31). Of any other only the
        system is kept, if it is one of the framework's table, and whether it has the form of that system's codes.
        ``flags`` are further codes that are known there, in lower case.
        """
        sent = canonical(system)
        read = self._aliases.get(sent, sent)
        known = self._known(read, code)
        if known is not None:
            return known
        if read in self._systems and code.casefold() in flags:
            return read, code.upper()
        place = read if read in self._systems else self._shared_system(sent)
        if not place:
            return OTHER_SYSTEM, OTHER
        return place, self._neutral(place) if place != read or is_code_of(place, code) else OTHER

    def is_known(self, system: str, code: str) -> bool:
        """Whether the content knows a code of a system in any spelling."""
        read = self._aliases.get(canonical(system), canonical(system))
        return self._known(read, code) is not None

    def rules_out(self, codings: Iterable[tuple[str, str]]) -> bool:
        """Whether one of the ``(system, code)`` pairs is of a system in which the content knows codes (Z41)."""
        return speaks_in(self._spoken, [(canonical(system), code) for system, code in codings if system and code])

    def without_system(self, code: str, beside: str) -> str | None:
        """The words that must stand beside a code without a system for it to be known (Z42), perhaps none.

        ``beside`` is all that was written beside it; ``None`` if the code is not known there.
        """
        for system, _ in unstated([code], beside):
            for value_set in self._sets:
                concept = value_set.find(system, code)
                if concept is not None:
                    words = telling_words(beside) & value_set.words.get(concept.agent, frozenset())
                    return " ".join(sorted(words & self._telling)[:1])
        return None

    def _known(self, system: str, code: str) -> tuple[str, str] | None:
        found = [
            (value_set, concept) for value_set in self._sets if (concept := value_set.find(system, code)) is not None
        ]
        if not found:
            return (system, code) if form_of_code(system, code) else None
        if any((system, code) in value_set.codes and not concept.local for value_set, concept in found):
            return system, code
        value_set, concept = max(found, key=lambda pair: len(pair[1].code))
        if concept.local:
            shared = _like(concept, value_set)
            return (shared.system, shared.code) if shared is not None else None
        if concept.system == NDC:
            return NDC, f"{concept.code}-00"  # the product; its package is left off
        return concept.system, concept.code

    def _shared_system(self, system: str) -> str:
        """A system of the table in which value sets that know codes of a site's own ``system`` have codes as well."""
        shared = (
            other
            for value_set in self._sets
            if system in value_set.systems
            for other in sorted(value_set.systems & self._systems)
            if other.startswith("http")
        )
        return next(shared, "")

    def _unknown_code(self, system: str) -> str:
        return next(
            (code for code in _EXAMPLES if is_code_of(system, code) and self._known(system, code) is None), OTHER
        )

    # --- units and numbers

    def unit(self, spelling: str) -> str:
        """The UCUM code, or the name of what is counted, that a spelling means; ``""`` if it means neither."""
        meant = {ucum_of(analyte, spelling) for analyte in self._analytes} - {""}
        if len(meant) == 1:
            return meant.pop()
        return self._counted.get(spelling.casefold(), "") if not meant else sorted(meant)[0]


def unit_of_time(spelling: str) -> str:
    """The unit of FHIR's Timing that a spelling means; ``""`` if it means none."""
    return UNITS.get(spelling.casefold(), "")


def unit_system(system: str) -> str:
    """The system of a unit: UCUM, or that it is another."""
    return system if system in ("", UCUM) else OTHER_SYSTEM


def rounded(number: int | Decimal) -> int | Decimal | str:
    """A number with as many digits as decisions need; ``OTHER`` for one that no reader takes for a number.

    It stays on its side of every rounder number, where thresholds are: 999,999 becomes 999,000, and not a million.
    """
    if read_number(str(number)) is None:
        return OTHER
    sent = Decimal(number)
    digits = next((digits for limit, digits in _DIGITS if abs(sent) < limit), _FEWEST_DIGITS)
    step = Decimal(1).scaleb(sent.adjusted() - digits + 1)
    near = sent.quantize(step) if sent else sent
    if near != sent and len(near.normalize().as_tuple().digits) < digits:
        near += step.copy_sign(sent - near)
    if isinstance(number, int):
        return int(near)
    plain = format(near.normalize(), "f")
    if len(plain) > _LONGEST_PLAIN:
        return near.normalize()
    return Decimal(plain if "." in plain else f"{plain}.0")  # a whole number with decimals stays one


def rounded_text(text: str) -> str:
    """The number that a text is or begins with, as readers of results take it, rounded; else ``OTHER``."""
    first = text.strip().lstrip("<>= ").split(" ", 1)[0]
    if read_number(first) is None:
        return OTHER if text.strip() else ""
    return str(rounded(Decimal(first) if not first.lstrip("-").isdigit() else int(first)))


def _of(fold: Callable[[str], str], known: frozenset[str]) -> Words:
    """Texts that are read whole: each means the folded name that is among the known ones."""

    def means(text: str) -> Hashable:
        name = fold(text)
        return name if name in known else ""

    return Words(means, lambda text: [fold(text)] if means(text) else [])


def _of_list(fold: Callable[[str], str], known: frozenset[str], namings: Iterable[Sequence[str]]) -> Words:
    """Texts of problems, allergies, operations and reasons (Z49): a name, that there is nothing to list, or a text that
    holds one of the words of a naming.
    """
    named = [tuple(word.casefold() for word in naming) for naming in namings]

    def means(text: str) -> Hashable:
        name, written = fold(text), text.casefold()
        within = tuple(any(word in written for word in naming) for naming in named)
        return name if name in known else "", says_nothing(name), within

    def like(text: str) -> Iterator[str]:
        name = fold(text)
        if name in known:
            yield from (name, _LETTER_AND_NUMBER.sub(r"\1-\2", name))
        yield from _NOTHING_LISTED
        yield from (f"{OTHER} {word}" for naming in named for word in naming)

    return Words(means, like)


def _both(one: Words, other: Words) -> Words:
    """Texts that are read in two ways."""
    return Words(
        lambda text: (one.means(text), other.means(text)), lambda text: chain(one.like(text), other.like(text))
    )


def _names_of_lists(pack: Pack) -> frozenset[str]:
    of_searches = (name for search in pack.searches.values() for name in search.known.names)
    return frozenset(of_searches).union(*(fact.names for fact in pack.facts.values()))


def _naming_of(facts: Iterable[FactDeclaration], kind: str) -> list[Sequence[str]]:
    return [fact.naming for fact in facts if fact.naming and fact.kind == kind]


def _speaks_of_no_drug(text: str) -> bool:
    """Whether a word of a test, a diagnosis or a device stands in a text that may tell that a drug was given (Z55)."""
    return not NO_DRUG_WORDS.isdisjoint(name_words(text))


def _like(concept: Concept, value_set: ValueSet) -> Concept | None:
    """A concept of the value set that is not the site's own, and as much like one that is as any."""
    shared = [each for each in value_set.codes.values() if not each.local and each.system.startswith("http")]

    def likeness(other: Concept) -> tuple[bool, bool, bool]:
        return other.agent == concept.agent, other.form == concept.form, other.strength == concept.strength

    return max(shared, key=likeness, default=None)


def _form_in_words(form: str) -> str:
    """A form as a text that means it: ``3 per wk`` is read from "3 times per wk"."""
    times, per, rest = form.partition(" per ")
    return f"{times} times per {rest}" if per else form
