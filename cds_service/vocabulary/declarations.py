"""What the content declares to the chart: facts, searches, value sets, units.

``content`` builds these from YAML, ``chart`` reads patients by them (docs/decisions.md#rule-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cds_service.vocabulary.dosage_words import DosageWords
from cds_service.vocabulary.facts import Exact, Fact, Interval

NDC = "http://hl7.org/fhir/sid/ndc"
ICD_10_EITHER = "ICD-10 or ICD-10-CM"  # of which a code without a system may be
NOT_STATED = "not-stated"  # the agent of a concept that leaves open which of several is meant


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

    def __reduce__(self) -> tuple[type[UnstatedSystem], tuple[str, frozenset[str]]]:
        return UnstatedSystem, (str(self), self.words)


@dataclass(frozen=True, slots=True)
class Strength:
    """How much drug one unit of a product holds: ``amount`` of ``unit`` per ``per``.

    ``package`` maps a package such as ``{ampoule}`` to how much of ``per`` it holds, where the product's code tells.
    """

    amount: Exact
    unit: str
    per: str
    package: Mapping[str, Exact] = field(default_factory=dict)

    def amount_in(self, counted: str) -> Exact | None:
        """The amount of drug in one of what is counted, ``per`` itself or a package; ``None`` if that is not known."""
        if counted == self.per:
            return self.amount
        return self.amount * self.package[counted] if counted in self.package else None


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
class DrugName:
    """One name of a drug: ``words`` as texts are compared with it, ``key`` as value sets list it.

    ``agent`` is ``""`` if the name leaves it open. A name that ``settles`` decides alone what a text means.
    """

    key: str
    words: tuple[str, ...]
    value_sets: frozenset[str]
    agent: str = ""
    settles: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DrugNames:
    """All names of drugs that a pack knows, by their first word, the longest first (Z48).

    ``starting`` are those that a text can begin with, ``settling`` those that decide wherever they stand in a text.
    """

    starting: Mapping[str, Sequence[DrugName]] = field(default_factory=dict)
    settling: Mapping[str, Sequence[DrugName]] = field(default_factory=dict)


NO_NAMES = DrugNames()


@dataclass(frozen=True, slots=True, eq=False)  # one is equal to itself alone, and so can be a key
class ValueSet:
    """Codes that mean the same to a rule, by ``(system, code)``, systems spelled canonically.

    ``prefixes`` hold classes whose codes begin alike (ATC, ICD-10-CM), ``names`` the names: of medications in lower
    case, of everything else as ``fhir.names`` folds them. One code of a set that ``settles`` decides what an order is,
    whatever its other codes are. ``aliases`` are a site's own spellings of systems, each with the canonical one.
    ``words`` tell, by agent, what the concepts are called; a code that was sent without a system counts only beside one
    of them, or beside none at all (Z42). ``drug_names`` are those of all value sets of the pack, because a text that
    names a drug of another set is not about this one.
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
    drug_names: DrugNames = NO_NAMES
    systems: frozenset[str] = field(init=False)
    """The code systems that the set has codes of, editions and the site's spellings among them."""
    components: frozenset[str] = field(init=False)
    """What the displays of the codes begin with before a bracket, where LOINC says property and specimen."""

    def __post_init__(self) -> None:
        own = {system for system, _ in self.codes}
        spellings = {spelling for spelling, system in self.aliases.items() if system in own}
        object.__setattr__(self, "systems", frozenset(own | spellings))
        components = {concept.display.partition("[")[0].strip() for concept in self.codes.values()}
        object.__setattr__(self, "components", frozenset(components - {""}))

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

    ``perhaps`` names, for people, units that are mistaken for others: UCUM code to words. ``or_zero`` says that none at
    all is possible too.
    """

    low: Exact
    high: Exact
    perhaps: Mapping[str, str] = field(default_factory=dict)
    or_zero: bool = False

    def __contains__(self, number: Exact) -> bool:
        return self.low <= number <= self.high or (self.or_zero and number == 0)


@dataclass(frozen=True, slots=True)
class Analyte:
    """The units one quantity may arrive in: UCUM code to exact factor, and how they may be spelled (Z23, Z43).

    ``aliases`` are whole spellings with the UCUM code each means; ``grammar`` names the grammar of ``fhir.units`` that
    reads all others, ``""`` for none. ``counted`` are words for what is counted, which a spelling may name. ``name`` is
    its key in ``units.yaml``, under which a site adds spellings. ``written`` is how each unit is written for people;
    with ``written_as_sent`` a value stays in the unit it was sent in, because no table compares it (Z76).
    """

    canonical: str
    factors: Mapping[str, Exact]
    aliases: Mapping[str, str] = field(default_factory=dict)
    grammar: str = ""
    counted: tuple[str, ...] = ()
    name: str = ""
    written: Mapping[str, str] = field(default_factory=dict)
    written_as_sent: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the facts that are read from one list know, to pass by the entries that none of them is about (Z41, Z49).

    ``codes`` are ``(system, code)`` pairs, ``prefixes`` by system how codes of a class begin, ``systems`` the systems
    of both, ``spellings`` the site's own spellings of systems. ``names`` are folded names, and ``heads`` how these
    begin (``fhir.names.head_of``); without any, every text may be a name. ``kept`` is what a reader has made of
    concepts so far.
    """

    codes: frozenset[tuple[str, str]] = frozenset()
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    systems: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()
    spellings: frozenset[str] = frozenset()
    kept: dict[Any, Any] = field(default_factory=dict)

    def has(self, codings: Sequence[tuple[str, str]]) -> bool:
        """Whether some fact may know one of the ``(system, code)`` pairs. An NDC may be spelled in many ways."""
        if not self.codes.isdisjoint(codings):
            return True
        return any(
            code.startswith(self.prefixes[system])
            if system in self.prefixes
            else system in self.spellings or system == NDC in self.systems
            for system, code in codings
        )


@dataclass(frozen=True, slots=True)
class Search:
    """One prefetch key, the resource type that it holds, and the prefetch template that asks for it.

    ``systems`` are the code systems in which the facts that are read from it know codes, and those in which its
    template asks; ``count`` is how many of the newest results it asks for, 0 for all. ``known`` is what the facts of a
    list know. What is ``optional`` and was not sent is as if there were none (Z55). ``include`` is what our own queries
    ask a FHIR server to send along, where it can. ``kept`` is for what readers work out of the search.
    """

    key: str
    resource: str
    template: str
    systems: frozenset[str] = frozenset()
    count: int = 0
    known: Known = field(default_factory=Known, compare=False)
    optional: bool = False
    include: str = ""
    kept: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def newest_first(self) -> bool:
        """Whether the results come newest first, so that the first page suffices in most cases (Z22)."""
        return "_sort=-" in self.template


@dataclass(frozen=True, slots=True)
class Operand:
    """What an operator takes in one of its roles: the fact of this name, or a ``constant`` where there is none.

    ``scale`` is what its unit is worth in the common one of all operands; a ``constant`` is still in its own unit.
    """

    role: str
    label: str
    fact: str
    scale: Exact
    constant: Interval | None = None


class Test(Protocol):
    """A cell of the content: what a fact must be."""

    def matches(self, fact: Fact) -> bool:
        """Whether a fact fits."""
        ...

    def straddled_by(self, value: Interval) -> bool:
        """Whether a range lies partly in and partly out of it."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a drug may come into the body (Z56).

    ``routes`` are the routes that are this way, ``forms`` the forms of product, ``agents`` the agents that are given
    in this way where neither route nor form is known.
    """

    routes: Mapping[str, ValueSet] = field(default_factory=dict)
    forms: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FactDeclaration:
    """One fact as ``facts.yaml`` declares it; which members are set depends on ``kind``.

    ``inputs`` maps the role of each fact that a derived one is computed from to its name, ``constants`` the constants
    of its formula to their values. Of one that an operator derives, ``operands`` are the facts and constants in the
    order of its roles, and ``scale`` turns what comes of them into its unit. ``counted`` maps each spelling of a unit
    that counts products to what it counts. ``systems`` are the code systems of its value sets, ``names`` the folded
    names that it is known by (Z49). ``doubts_apart`` says that another fact tells of results that had to be set aside,
    so that an older one counts here (Z45). ``schedules`` are a hospital's own codes and words for how often, each with
    the form that it means (``fhir.schedule_words``). ``dosage_words`` are those that a fact of a dosage is said with.

    A fact of a list says what entries that are less than sure make of it: ``present``, ``unknown``, or a value of its
    own that tables know. ``without_status`` is for entries whose status is not stated (Z51), ``by_name`` for those that
    only a name tells; ``""`` if names do not count. With ``any_status`` past entries count like current ones.

    A fact of the history is a filter over its events (Z55): of the kinds ``events``, of the ``statuses``, of the
    ``agents``, in the ``way``, or in any ``other_than`` a way, both of ``ways``, and with a step of the dosage of which
    each fact in ``steps`` fits. ``of_steps`` are the facts of a dosage, ``alike`` those of them in which an order must
    be like the draft. ``plans_stated``: every active plan tells what the patient takes. ``flagged`` is the result whose
    flag is looked at. ``kept`` is for what readers work out of the declaration.

    A rate has ``beside`` it what else the pack reads of a rate, such as that of a volume beside that of a drug.
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
    statuses: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Exact] = field(default_factory=dict)
    operands: tuple[Operand, ...] = ()
    scale: Exact = 1
    counted: Mapping[str, str] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    dosage_words: DosageWords | None = None
    values: tuple[str, ...] = ()
    unit: str = ""
    systems: frozenset[str] = frozenset()
    doubts_apart: bool = False
    names: Mapping[str, Concept] = field(default_factory=dict)
    without_status: str = "unknown"
    by_name: str = ""
    any_status: bool = False
    events: tuple[str, ...] = ()
    agents: frozenset[str] = frozenset()
    way: str = ""
    other_than: str = ""
    ways: Mapping[str, Way] = field(default_factory=dict)
    steps: Mapping[str, Test] = field(default_factory=dict)
    of_steps: Mapping[str, FactDeclaration] = field(default_factory=dict)
    alike: tuple[str, ...] = ()
    plans_stated: bool = False
    flagged: FactDeclaration | None = None
    beside: tuple[Analyte, ...] = ()
    kept: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    def operands_taken(self, facts: Mapping[str, Fact]) -> tuple[Operand, ...]:
        """The operands that the value of the fact comes from: all of them, but of a first of two the one with a value.

        All of them too where none has one; none of a fact that no operator derives.
        """
        if self.element != "first-of":
            return self.operands
        known = (operand for operand in self.operands if not operand.fact or facts[operand.fact].value is not None)
        return next(((operand,) for operand in known), self.operands)

    @property
    def unit_written(self) -> str:
        """The unit of its values for people, ``""`` if they have none (Z76)."""
        unit = self.analyte.written[self.analyte.canonical] if self.analyte is not None else self.unit
        return "" if unit == "1" else unit

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
