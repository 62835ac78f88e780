"""Which drug an order or an entry of the record names: by its codes, its ingredients or its words (Z48)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from cds_service.chart.order import Order
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.medications import MOST_KEPT, DrugText, Naming, Recognition
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.declarations import (
    NO_NAMES,
    NOT_STATED,
    Concept,
    DrugNames,
    FactDeclaration,
    ValueSet,
)
from cds_service.vocabulary.facts import Evidence, Fact, Reason

_COMBINATION = "combination"  # the agent of a product that holds several drugs
_OF_A_DRUG = (Recognition.DRUG, Recognition.POSSIBLE_COMBINATION)
_WHY_NOT = {Recognition.ELSEWHERE: "drugNameElsewhere", Recognition.NO_DRUG: "noDrug"}


@dataclass(frozen=True, slots=True)
class Drug:
    """What a drug was recognised as; ``by_name`` when only words said so (Z29).

    ``conflict`` if its codes name two agents; then ``agent`` is empty. ``possible_combination`` if it may hold another
    drug as well: several ingredients, or words that are not all understood.
    """

    concept: Concept
    agent: str
    form: str
    by_name: bool
    conflict: bool = False
    possible_combination: bool = False

    @property
    def recognised_by(self) -> str:
        """``code``, ``name`` or ``possible-combination``."""
        return "possible-combination" if self.possible_combination else "name" if self.by_name else "code"


def recognise_drug(order: Order, value_sets: Collection[ValueSet]) -> Drug | None:
    """The drug of an order, as ``recognise`` has it."""
    return recognise(order.naming, value_sets)


def recognise(naming: Naming, value_sets: Collection[ValueSet]) -> Drug | None:
    """The drug that a resource names, if it is one of the value sets; ``None`` if it is none of them.

    A code that is known decides. If none is known, the ingredients do, and if they tell nothing, the words. Words that
    name what is excluded, or a known combination, win over ingredients. What one naming came to is kept with it.
    """
    key = tuple(value_sets)
    drug: Drug | None = naming.kept.get(key)
    if drug is None and key not in naming.kept:
        if len(naming.kept) >= MOST_KEPT:  # of content that is served no more
            naming.kept.clear()
        drug = naming.kept[key] = _recognise(naming, value_sets)
    return drug


def _recognise(naming: Naming, value_sets: Collection[ValueSet]) -> Drug | None:
    coded = _by_code(naming, value_sets) if naming.codings else None
    if coded is not None:
        return coded
    words = naming.read(drug_names_of(value_sets))
    if not words.names and not naming.ingredients:
        return None
    made_of = _by_ingredient(naming, value_sets) if naming.ingredients and not words.settled else None
    return made_of if made_of is not None else _by_name(words, value_sets)


def drug_names_of(value_sets: Iterable[ValueSet]) -> DrugNames:
    """The names of drugs that the pack of the value sets knows."""
    for value_set in value_sets:
        return value_set.drug_names
    return NO_NAMES


def _by_code(naming: Naming, value_sets: Iterable[ValueSet]) -> Drug | None:
    """The drug by its codes.

    Several codings may name the ingredient and the product: the concept that says most is taken, and the agent that
    any of them states. One code of a value set that ``settles`` (what is excluded, combinations) decides alone, and
    leaves no conflict.
    """
    known: list[Concept] = []
    for value_set in value_sets:
        find = value_set.find
        concepts = [concept for pair in naming.codings if (concept := find(*pair)) is not None]
        if concepts and value_set.settles:
            return Drug(concepts[0], concepts[0].agent, concepts[0].form, by_name=False)
        known += concepts
    return _joined(known, by_name=False) if known else None


def _joined(known: list[Concept], *, by_name: bool) -> Drug:
    """One drug of all the concepts that name it."""
    known.sort(key=lambda c: (c.strength is not None, bool(c.form)), reverse=True)
    agents = {c.agent for c in known} - {NOT_STATED} or {NOT_STATED}
    stated_form = next((c.form for c in known if c.form), "")
    conflict = len(agents) > 1
    return Drug(known[0], "" if conflict else agents.pop(), stated_form, by_name, conflict)


def _combination(drug: Drug) -> Drug:
    """The drug as one that may hold others as well; which agent it is then is not asked any more."""
    return replace(drug, agent=_COMBINATION, conflict=False, possible_combination=True)


def _by_ingredient(naming: Naming, value_sets: Collection[ValueSet]) -> Drug | None:
    """The drug by what it is made of; one of several ingredients makes a possible combination."""
    drugs = [drug for drug in (recognise(item, value_sets) for item in naming.ingredients) if drug is not None]
    if not drugs:
        return None
    first = drugs[0]
    alike = len(drugs) == len(naming.ingredients) and {drug.agent for drug in drugs} == {first.agent}
    return first if alike else _combination(first)


def _by_name(words: DrugText, value_sets: Iterable[ValueSet]) -> Drug | None:
    """The drug by what its texts mean."""
    if not words.names or words.recognition not in _OF_A_DRUG:
        return None
    keys = [name.key for name in words.names]
    concepts = [value_set.names[key] for value_set in value_sets for key in keys if key in value_set.names]
    if not concepts:
        return None
    drug = _joined(concepts, by_name=True)
    if words.form and not drug.form:
        drug = replace(drug, form=words.form)
    return _combination(drug) if words.recognition is Recognition.POSSIBLE_COMBINATION else drug


def not_understood(order: Order, value_sets: Collection[ValueSet]) -> tuple[Aside, ...]:
    """Why a draft is none of the drugs of ``value_sets``, or that only its name tells it is one (Z54).

    Nothing if it is one by its code, or something else, which it is if it has a code of a system in which the value
    sets list drugs, or the name of another drug that the pack knows.
    """
    naming = order.naming
    if not naming.resolved:
        return (Aside(Kind.REFERENCE, Reason("medicationNotResolved"), order.reference or order.path),)
    drug = recognise(naming, value_sets)
    if drug is not None and not drug.by_name:
        return ()
    system, code = naming.codings[0] if naming.codings else ("", "")
    if drug is not None:
        return (Aside(Kind.DRUG, Reason("knownByName"), order.reference or order.path, system, code, order.name),)
    words = naming.read(drug_names_of(value_sets))
    covered = frozenset().union(*(value_set.systems for value_set in value_sets))
    is_covered = speaks_in(covered, naming.codings)
    if words.recognition is Recognition.DRUG or (words.recognition is Recognition.NOTHING and is_covered):
        return ()
    reason = Reason(_WHY_NOT.get(words.recognition, "drugNotKnown"))
    return (Aside(Kind.DRUG, reason, order.reference or order.path, system, code, order.name),)


def agent(declaration: FactDeclaration, order: Order) -> Fact:
    """The agent of the drug, as the value sets name agents; unusable if the codes name several.

    That of a possible combination is the agent of combinations.
    """
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None:
        return Fact.absent()
    evidence = _evidence(order, drug)
    if drug.conflict:
        return Fact.unusable(Reason("codesDisagree"), evidence)
    return Fact.of(drug.agent, evidence)


def form(declaration: FactDeclaration, order: Order) -> Fact:
    """The product's form, where its code or its words tell it."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None or not drug.form:
        return Fact.absent()
    return Fact.of(drug.form, _evidence(order, drug))


def _evidence(order: Order, drug: Drug) -> Evidence:
    """The drug as the order words it, with the code that it was recognised by."""
    code = "" if drug.by_name else drug.concept.code
    return Evidence(order.reference, order.name or drug.concept.display, code=code)
