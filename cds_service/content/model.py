"""The content, compiled: decision tables, texts, order templates and their sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cds_service.content.hazard_log import HazardLog
from cds_service.content.reviews import Review, ReviewState, Standing, standing
from cds_service.content.table_tree import Tree
from cds_service.content.topics import topic_of
from cds_service.content.unary import Cell
from cds_service.fhir.order_types import MEDICATION
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.declarations import FactDeclaration, Search, ValueSet
from cds_service.vocabulary.dosage_words import DosageWords
from cds_service.vocabulary.facts import Exact

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9][A-Za-z0-9.-]*)\}")
INDICATORS = ("critical", "warning", "info")
SUGGESTION_KINDS = ("replace", "add", "dosage", "last-dosage", "route", "open-ended", "remove")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggestion of a rule. ``when`` maps decisions or facts to the cell they must match to be offered.

    ``kind`` is one of ``SUGGESTION_KINDS``: ``replace`` the draft by a template, ``add`` a template beside it, put a
    template's ``dosage`` on the draft's own drug (``last-dosage``: in place of its last step), give it another
    ``route`` (``route`` is its Coding), let it go on without an end (``open-ended``), or ``remove`` it.
    """

    id: str
    kind: str
    template: str = ""
    route: Mapping[str, str] = field(default_factory=dict)
    recommended: bool = False
    when: Mapping[str, Cell | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a matching rule says. Definitions have ``value``; cards ``indicator`` and ``text``; notes ``text``.

    ``silent`` cards say nothing. ``selection`` is the card's ``selectionBehavior``. ``not_checked`` marks what could
    not be judged for want of data (Z21), ``not_covered`` what the source does not speak of (Z30). ``withhold`` is what
    a note withdraws: ``all`` suggestions, or those that order ``medications``.
    """

    value: str = ""
    silent: bool = False
    indicator: str = ""
    text: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    not_checked: bool = False
    not_covered: bool = False
    withhold: str = ""
    selection: str = "at-most-one"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why a site does not show what a rule finds, and since which day, as ``YYYY-MM-DD`` (Z31)."""

    reason: str
    date: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a table. ``alone`` makes its output that of the whole order, whatever the other dosages came to.

    One that is ``withdrawn`` fires and is counted like the others, so that no other takes its cases; nobody is shown
    what it finds.

    ``unknown_as_absent`` says why the rule of a definition takes what was not read for absent (Z75).
    """

    id: str
    cells: tuple[Cell | None, ...]
    then: Outcome
    statement: str
    basis: str
    index: int
    settles: tuple[str, ...] = ()
    alone: bool = False
    unknown_as_absent: str = ""
    withdrawn: Withdrawal | None = None
    tests: tuple[tuple[int, Cell], ...] = field(init=False)
    """The cells that ask for something, each with the place of its input."""

    @property
    def is_added(self) -> bool:
        """Whether no file has this rule: it says nothing where its table does not apply (``expand``)."""
        return "." in self.id

    def __post_init__(self) -> None:
        tests = tuple((place, cell) for place, cell in enumerate(self.cells) if cell is not None)
        object.__setattr__(self, "tests", tests)


@dataclass(frozen=True, slots=True)
class CardText:
    """Words of one outcome; placeholders stand for every number.

    ``source`` is what the source gives in place of what is ordered: a card that has it shows both side by side (Z77).
    ``ordered`` says what is ordered where no draft does, when a chart is opened.
    ``override_reasons`` are those of its decision, if it has none of its own (Z80).
    """

    summary: str
    detail: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    ordered: str = ""
    override_reasons: tuple[Mapping[str, str], ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Everything in it that has placeholders."""
        return tuple(filter(None, (self.summary, self.detail, self.ordered, self.source, *self.labels.values())))


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision table. ``kind`` is ``definition``, ``card`` or ``note``.

    ``each`` says what a definition is asked of: the ``order``, each ``dosage`` of it and of the drafts that go on with
    its regimen (the answers in sequence), or its own ``last-dosage``. ``why`` says to a pharmacist why a card is there,
    ``known_gaps`` what the table does not speak about.
    Among the ``inputs`` of a card are those cards that it gives way to. ``review`` is the clinical review of this
    decision alone, ``None`` if there is none.
    """

    id: str
    version: str
    status: str
    kind: str
    each: str
    title: str
    question: str
    hit_policy: str
    inputs: tuple[str, ...]
    rules: tuple[Rule, ...]
    columns: tuple[tuple[Cell, ...], ...]
    texts: Mapping[str, CardText]
    phrases: Mapping[str, str]
    safety: bool
    path: Path
    values: tuple[str, ...] = ()
    why: str = ""
    known_gaps: tuple[str, ...] = ()
    review: Review | None = None
    topic_prefix: str = ""
    is_live: bool = field(init=False, repr=False, compare=False)
    """Whether it is evaluated, be it to show or only to count what it finds."""
    tree: Tree = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tree = Tree(self.inputs, self.rules, self.columns, every=self.hit_policy == "COLLECT")
        object.__setattr__(self, "is_live", self.status in ("active", "shadow"))
        object.__setattr__(self, "tree", tree)

    def topic(self, rule: str) -> str:
        """The code of ``source.topic`` of one of its rules."""
        return topic_of(self.topic_prefix, self.id, rule)

    @property
    def is_reviewed(self) -> bool:
        """Whether a review of this very version is recorded, be it current or expired (Z15)."""
        return self.review is not None and self.review.version == self.version

    def standing(self, today: date) -> Standing:
        """What comes of its own review on a day (Z15); that of the pack may say more."""
        return standing(self.review, self.version, today)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of the source: where it stands and a short quotation. ``no_rule`` says why no rule rests on it.

    ``title`` is what people call it, ``""`` if nothing but its id. ``sentence`` is the whole sentence, for people who
    review; ``""`` where the quotation is all of it. ``does`` is a paragraph for people: what is done about it, where it
    is silent, and what is not done. ``numbers`` are those that it says, in digits or in words; a rule that calls itself
    the source's word has no other (Z78). ``in_short`` says it in one sentence, for cards that rest on it beside their
    own; ``""`` if they quote it.
    """

    id: str
    place: str
    quote: str
    numbers: frozenset[Exact] = frozenset()
    does: str = ""
    no_rule: str = ""
    in_short: str = ""
    sentence: str = ""
    title: str = ""

    @property
    def in_full(self) -> str:
        """The whole sentence of the source, with whom it is about and the numbers that stand before the quotation."""
        return self.sentence or self.quote

    @property
    def is_beside_the_source(self) -> bool:
        """Whether it tells what the source does not say: its id is an L and a number."""
        return self.id.startswith("L")


@dataclass(frozen=True, slots=True)
class HospitalLimit:
    """A limit of a fact that is this hospital's own, and the number in whose place it stands (Z78).

    ``why`` and ``decided_by`` are for those who review it.
    """

    fact: str
    number: Exact
    in_place_of: Exact
    why: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a contradiction inside the source is settled. ``no_rule`` says where, if in no single rule."""

    id: str
    clash: str
    settlement: str
    no_rule: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS Hooks service of the pack: its hook and the decisions it shows.

    ``least`` is, for some of them, the indicator from which on it shows what they find (Z63).
    """

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    decisions: tuple[str, ...]
    least: Mapping[str, str] = field(default_factory=dict)

    def shows(self, decision: str, indicator: str) -> bool:
        """Whether a finding of a decision with this indicator is shown; one without an indicator always is."""
        least = self.least.get(decision)
        return least is None or not indicator or INDICATORS.index(indicator) <= INDICATORS.index(least)


@dataclass(frozen=True, slots=True)
class OrderTemplate:
    """A FHIR resource that suggestions carry, and the words that its structure cannot say.

    ``basis`` says whose word its dosage is, as with a rule. ``stocked`` is false where the site does not have it: then
    it is named and not offered (Z31).
    """

    id: str
    statement: str
    basis: str
    resource: Mapping[str, Any]
    agent: str
    dosage_text: str
    name: str
    stocked: bool = True


@dataclass(frozen=True, slots=True)
class TemplateWords:
    """An order template as a person would say it: the drug or test, and its dosage (``""`` for a test)."""

    name: str
    dosage: str

    @property
    def order(self) -> str:
        return f"{self.name} {self.dosage}".strip()


@dataclass(frozen=True, slots=True)
class Pack:
    """A whole content pack, read only.

    ``relevant`` are the value sets of what is judged, by the type of order that orders it.
    ``readers`` are the facts that are read from each search, by its key, and ``of_kind`` the facts of each kind.
    ``candidates`` are where a site could map what is not understood of the entries of each search, by its key
    (``content.candidates``).
    ``rests_also`` are the statements that every card rests on, but for those on safety.
    ``words``, ``reasons``, ``elements`` (the parts of an order, ``other`` among them), ``routes`` (the values of the
    route ordered), ``months``, ``dosage_words`` and ``table_words`` are those of the framework with the pack's own laid
    over them; they stand around what the pack says itself.
    ``sample`` names the scenario for those who have not chosen one, ``""`` where the pack names none.
    ``intended_use`` is one sentence for whoever calls the services, ``hazards`` the hazard log, if the pack has one.
    ``hospital_limits`` are the limits that are this hospital's own, by the fact that they are limits of.
    ``silence_has_reasons`` asks of safety decisions that no silence for want of a search is without a reason (Z75).
    ``source_label`` names the source, ``unreviewed_label`` while no review of the content is recorded.
    """

    id: str
    version: str
    title: str
    topic_system: str
    canonical_base: str
    review: Review | None
    services: Mapping[str, Service]
    relevant: Mapping[str, tuple[ValueSet, ...]]
    excluded: tuple[ValueSet, ...]
    facts: Mapping[str, FactDeclaration]
    searches: Mapping[str, Search]
    decisions: Mapping[str, Decision]
    templates: Mapping[str, OrderTemplate]
    statements: Mapping[str, Statement]
    settlements: Mapping[str, Settlement]
    rests_also: tuple[str, ...]
    source_label: str
    unreviewed_label: str
    words: Mapping[str, str]
    reasons: Mapping[str, str]
    elements: Mapping[str, str]
    routes: Mapping[str, str]
    months: tuple[str, ...]
    dosage_words: DosageWords
    table_words: Mapping[str, str]
    names: Mapping[str, str]
    findings: Mapping[tuple[str, str], int]
    value_sets: Mapping[str, ValueSet]
    site_digest: str = ""
    intended_use: str = ""
    topic_prefix: str = ""
    sample: str = ""
    silence_has_reasons: bool = False
    hazards: HazardLog | None = None
    hospital_limits: Mapping[str, tuple[HospitalLimit, ...]] = field(default_factory=dict)
    readers: Mapping[str, tuple[FactDeclaration, ...]] = field(default_factory=dict)
    of_kind: Mapping[str, tuple[FactDeclaration, ...]] = field(default_factory=dict)
    candidates: Mapping[str, Mapping[Kind, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def drugs(self) -> tuple[ValueSet, ...]:
        """The value sets of the drugs whose orders are judged."""
        return self.relevant.get(MEDICATION, ())

    @property
    def is_reviewed(self) -> bool:
        """Whether a review of this very version is recorded, be it current or expired (Z15)."""
        return self.review is not None and self.review.version == self.version

    def standing(self, today: date) -> Standing:
        """What comes of the review of the whole pack on a day of the hospital's calendar (Z15)."""
        return standing(self.review, self.version, today)

    def label(self, standing: Standing) -> str:
        """What the source is called where a review stands so (Z15)."""
        return self.unreviewed_label if standing.state is ReviewState.NONE else self.source_label

    def service_for(self, hook: str) -> Service | None:
        """The service that answers a hook; ``None`` if this content answers it with nothing."""
        return next((service for service in self.services.values() if service.hook == hook), None)
