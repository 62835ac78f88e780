"""What the content declares to the chart: facts, searches, value sets, units.

``content`` builds these from YAML, ``chart`` reads patients by them (docs/decisions.md#rule-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.vocabulary.facts import Exact

NDC = "http://hl7.org/fhir/sid/ndc"


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
    """Codes that mean the same to a rule, by ``(system, code)``.

    ``prefixes`` hold classes whose codes begin alike (ATC, ICD-10-CM), ``names`` the exact names: of medications in
    lower case, of everything else as ``fhir.names`` folds them. One code of a set that ``settles`` decides what an
    order is, whatever its other codes are.
    """

    id: str
    title: str
    kind: str
    codes: Mapping[tuple[str, str], Concept]
    prefixes: tuple[Concept, ...] = ()
    names: Mapping[str, Concept] = field(default_factory=dict)
    settles: bool = False

    @property
    def systems(self) -> frozenset[str]:
        """The code systems that the set has codes of."""
        return frozenset(system for system, _ in self.codes)

    def find(self, system: str, code: str) -> Concept | None:
        """The concept of a code of a system; ``None`` if it is not in the set. An NDC is known in all its spellings."""
        concept = self.codes.get((system, code))
        if concept is None and system == NDC:
            return next((known for name in ndc_products(code) if (known := self.codes.get((NDC, name)))), None)
        if concept is None:
            for prefix in self.prefixes:
                if prefix.system == system and code.startswith(prefix.code):
                    return prefix
        return concept

    def match(self, codings: Iterable[tuple[str, str]]) -> Concept | None:
        """The concept of the first ``(system, code)`` pair that is in the set; ``None`` if none is."""
        for coding in codings:
            concept = self.codes.get(coding)
            if concept is None and (self.prefixes or coding[0] == NDC):
                concept = self.find(*coding)
            if concept is not None:
                return concept
        return None


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
class Known:
    """What the facts that are read from one list know, to pass by the entries that none of them is about (Z41, Z49).

    ``codes`` are ``(system, code)`` pairs, ``prefixes`` by system how codes of a class begin, ``systems`` the systems
    of both. ``names`` are folded names, and ``heads`` how these begin (``fhir.names.head_of``); without any, every
    text may be a name.
    """

    codes: frozenset[tuple[str, str]] = frozenset()
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    systems: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()

    def has(self, codings: Sequence[tuple[str, str]]) -> bool:
        """Whether some fact may know one of the ``(system, code)`` pairs. An NDC may be spelled in many ways."""
        if not self.codes.isdisjoint(codings):
            return True
        return any(
            code.startswith(self.prefixes[system]) if system in self.prefixes else system == NDC in self.systems
            for system, code in codings
        )

    def covers(self, codings: Iterable[tuple[str, str]]) -> bool:
        """Whether one of the ``(system, code)`` pairs is of a system in which some fact would be known (Z41)."""
        return any(system in self.systems for system, _ in codings)


@dataclass(frozen=True, slots=True)
class Search:
    """One prefetch key, the resource type that it holds, and the prefetch template that asks for it.

    ``known`` is what the facts of a list know.
    """

    key: str
    resource: str
    template: str
    known: Known = field(default_factory=Known, compare=False)

    @property
    def newest_first(self) -> bool:
        """Whether the results come newest first, so that the first page suffices in most cases (Z22)."""
        return "_sort=-" in self.template


@dataclass(frozen=True, slots=True)
class FactDeclaration:
    """One fact as ``facts.yaml`` declares it; which members are set depends on ``kind``.

    ``inputs`` maps the role of each fact that a derived one is computed from to its name, ``constants`` the constants
    of its formula to their values, ``counted`` each spelling of a unit that counts products to what it counts.
    ``systems`` are the code systems of its value sets, ``names`` the folded names that it is known by (Z49).

    A fact of a list says what entries that are less than sure make of it: ``present``, ``unknown``, or a value of its
    own that tables know. ``without_status`` is for entries whose status is not stated (Z51), ``by_name`` for those that
    only a name tells; ``""`` if names do not count. With ``any_status`` past entries count like current ones.
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
    names: Mapping[str, Concept] = field(default_factory=dict)
    without_status: str = "unknown"
    by_name: str = ""
    any_status: bool = False

    def covers(self, codings: Iterable[tuple[str, str]]) -> bool:
        """Whether one of the ``(system, code)`` pairs is of a system in which the fact would be known (Z41)."""
        return any(system in self.systems for system, _ in codings)

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
