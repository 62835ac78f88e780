"""What the content declares to the chart: facts, searches, value sets, units.

``content`` builds these from YAML, ``chart`` reads patients by them (docs/decisions.md#rule-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.vocabulary.facts import Exact

NDC = "http://hl7.org/fhir/sid/ndc"
ICD_10_EITHER = "ICD-10 or ICD-10-CM"  # of which a code without a system may be


class UnstatedSystem(str):
    """The code system of a code that was sent without one, as its form tells it (Z42).

    ``words`` are those beside the code that name something; a value set without any of them does not hold the code.
    """

    __slots__ = ("words",)
    words: frozenset[str]

    def __new__(cls, system: str, words: frozenset[str]) -> UnstatedSystem:
        unstated = super().__new__(cls, system)
        unstated.words = words
        return unstated


@dataclass(frozen=True, slots=True)
class Strength:
    """How much drug one unit of a product holds: ``amount`` of ``unit`` per ``per``."""

    amount: Exact
    unit: str
    per: str


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a value set; ``agent``, ``form`` and ``strength`` are known for medications only.

    ``local`` codes are the site's own (Z31).
    """

    system: str
    code: str
    display: str
    agent: str = ""
    form: str = ""
    strength: Strength | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Codes that mean the same to a rule, by ``(system, code)``, systems spelled canonically.

    ``prefixes`` hold classes whose codes begin alike (ATC, ICD-10-CM), ``names`` the exact names in lower case, where
    names count. One code of a set that ``settles`` decides what an order is, whatever its other codes are. ``aliases``
    are a site's own spellings of systems, each with the canonical one. ``words`` tell, by agent, what the concepts are
    called; a code that was sent without a system counts only beside one of them, or beside none at all (Z42).
    """

    id: str
    title: str
    kind: str
    codes: Mapping[tuple[str, str], Concept]
    prefixes: tuple[Concept, ...] = ()
    names: Mapping[str, Concept] = field(default_factory=dict)
    settles: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    systems: frozenset[str] = field(init=False)
    """The code systems that the set has codes of, editions and the site's spellings among them."""

    def __post_init__(self) -> None:
        own = {system for system, _ in self.codes}
        spellings = {spelling for spelling, system in self.aliases.items() if system in own}
        object.__setattr__(self, "systems", frozenset(own | spellings))

    def find(self, system: str, code: str) -> Concept | None:
        """The concept of a code of a system; ``None`` if it is not in the set. An NDC is known in all its spellings."""
        concept = self.codes.get((system, code))
        if concept is None and (self.prefixes or self.aliases or system == NDC):
            concept = self._find_otherwise(system, code)
        return concept if concept is not None and self._is_meant(system, concept) else None

    def match(self, codings: Iterable[tuple[str, str]]) -> Concept | None:
        """The concept of the first ``(system, code)`` pair that is in the set; ``None`` if none is."""
        for coding in codings:
            concept = self.codes.get(coding)
            if concept is None and (self.prefixes or self.aliases or coding[0] == NDC):
                concept = self._find_otherwise(*coding)
            if concept is not None and self._is_meant(coding[0], concept):
                return concept
        return None

    def _find_otherwise(self, system: str, code: str) -> Concept | None:
        """The concept of a code that is not listed as it was sent: by the site's spelling, by prefix, as an NDC."""
        if system in self.aliases:
            system = self.aliases[system]
            if (system, code) in self.codes:
                return self.codes[system, code]
        if system == NDC:
            return next((known for name in ndc_products(code) if (known := self.codes.get((NDC, name)))), None)
        for prefix in self.prefixes:
            if prefix.system == system and code.startswith(prefix.code):
                return prefix
        return None

    def _is_meant(self, system: str, concept: Concept) -> bool:
        """False for a code that was sent without a system, beside words that name nothing of the set."""
        if not isinstance(system, UnstatedSystem) or not system.words:
            return True
        return not system.words.isdisjoint(self.words.get(concept.agent, ()))

    def match_or_name(self, codings: Sequence[tuple[str, str]], texts: Iterable[str]) -> Concept | None:
        """The concept of the pairs or, where none of them is of a system of the set, the one that a text names."""
        concept = self.match(codings)
        if concept is None and not any(system in self.systems for system, _ in codings):
            names = (text.strip().casefold() for text in texts)
            return next((self.names[name] for name in names if name in self.names), None)
        return concept


@dataclass(frozen=True, slots=True)
class Plausible:
    """The numbers that a patient can have in the analyte's canonical unit, both ends in (Z44).

    ``perhaps`` names, for people, units that are mistaken for others: UCUM code to words.
    """

    low: Exact
    high: Exact
    perhaps: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, number: Exact) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True, slots=True)
class Analyte:
    """The units one quantity may arrive in: UCUM code to exact factor, and how they may be spelled (Z23, Z43).

    ``aliases`` are whole spellings with the UCUM code each means; ``grammar`` names the grammar of ``fhir.units`` that
    reads all others, ``""`` for none. ``counted`` are words for what is counted, which a spelling may name.
    """

    canonical: str
    factors: Mapping[str, Exact]
    aliases: Mapping[str, str] = field(default_factory=dict)
    grammar: str = ""
    counted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """One prefetch key, the resource type that it holds, and the prefetch template that asks for it."""

    key: str
    resource: str
    template: str

    @property
    def newest_first(self) -> bool:
        """Whether the results come newest first, so that the first page suffices in most cases (Z22)."""
        return "_sort=-" in self.template


@dataclass(frozen=True, slots=True)
class FactDeclaration:
    """One fact as ``facts.yaml`` declares it; which members are set depends on ``kind``.

    ``inputs`` maps the role of each fact that a derived one is computed from to its name, ``constants`` the constants
    of its formula to their values, ``counted`` each spelling of a unit that counts products to what it counts.
    ``systems`` are the code systems of its value sets.
    """

    name: str
    kind: str
    label: str
    element: str = ""
    value_sets: Mapping[str, ValueSet] = field(default_factory=dict)
    analyte: Analyte | None = None
    plausible: Plausible | None = None
    searches: tuple[Search, ...] = ()
    look_back_days: int | None = None
    naming: tuple[str, ...] = ()
    form: str = ""
    statuses: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Exact] = field(default_factory=dict)
    counted: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    unit: str = ""
    systems: frozenset[str] = frozenset()

    def covers(self, codings: Iterable[tuple[str, str]]) -> bool:
        """Whether one of the ``(system, code)`` pairs is of a system in which the fact would be known (Z41).

        A code that was sent without a system never is: its form tells what it may be, not what it is not.
        """
        return any(system in self.systems and not isinstance(system, UnstatedSystem) for system, _ in codings)

    def match(self, codings: Sequence[tuple[str, str]]) -> Concept | None:
        """The concept of any of the ``(system, code)`` pairs in the first value set that has one; else ``None``."""
        for value_set in self.value_sets.values():
            concept = value_set.match(codings)
            if concept is not None:
                return concept
        return None


def ndc_products(code: str) -> list[str]:
    """The products, as ``labeler-product``, that an NDC can mean.

    It has ten digits with hyphens (4-4-2, 5-3-2, 5-4-1), eleven with or without hyphens (5-4-2), or ten without
    hyphens, where a labeler of four digits begins with 0. The package segment is left off, because value sets list
    products. A string that is no NDC gives an empty list.
    """
    segments = code.split("-")
    if not all(segment.isascii() and segment.isdigit() for segment in segments):
        return []
    lengths = tuple(map(len, segments))
    if len(segments) == 3 and lengths in ((4, 4, 2), (5, 3, 2), (5, 4, 1)):
        return ["-".join(segments[:2])]
    if lengths == (11,) or lengths == (5, 4, 2):
        labeler, product = (code[:5], code[5:9]) if len(segments) == 1 else segments[:2]
        products = [f"{labeler}-{product}"]
        products += [f"{labeler[1:]}-{product}"] if labeler.startswith("0") else []
        products += [f"{labeler}-{product[1:]}"] if product.startswith("0") else []
        return products
    if lengths == (10,):
        return (
            [f"{code[:4]}-{code[4:8]}"]
            if code.startswith("0")
            else [f"{code[:5]}-{code[5:8]}", f"{code[:5]}-{code[5:9]}"]
        )
    return []
