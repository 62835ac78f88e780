"""The fields of a form that asks for a card: what may be chosen, and what was entered.

What may be chosen is the content's: problems, routes, results and units are those of its facts, drugs those of its
value sets, and how often a drug is given is what its regimens and the draft orders beside it say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from math import floor, log10
from pathlib import Path
from typing import Any

import yaml

from cds_service.console.bands import Band, bands_of, ends_of
from cds_service.console.patient import KeyResult, name_of
from cds_service.content.model import Pack
from cds_service.content.prepared import template_words
from cds_service.fhir.time_units import DAYS
from cds_service.fhir.tree import node, nodes, text
from cds_service.fhir.wording import schedule_in_words
from cds_service.judge.explanation import series_label
from cds_service.replay.cases import FORM
from cds_service.replay.input_files import read_json
from cds_service.replay.scenario import DEFAULT_NOW, Scenario
from cds_service.vocabulary.declarations import NOT_STATED, Concept, FactDeclaration

NOW = datetime.fromisoformat(DEFAULT_NOW)
"""When a form asks: the time that patients and drafts are written for."""
UNSTATED, AS_RECORDED, NONE, AS_ORDERED = "not-stated", "as-recorded", "none", "as-ordered"
AS_TOLD = "as-told"
"""The choice of what the scenario has that the form began with."""
LOW = "low"
_HOOKS = {
    "order-select": "An order is selected",
    "order-sign": "The order is signed",
    "patient-view": "The chart is opened",
}
_PROBLEMS = {AS_RECORDED: "As recorded", NONE: "None on record"}
_TREATMENTS = {AS_RECORDED: "As recorded", NONE: "None", AS_ORDERED: "As ordered here, already under way"}
_NOT_STATED = {UNSTATED: "Not stated"}
NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
"""How a number is entered."""
_MOST_WEEKS = 520


@dataclass(frozen=True, slots=True)
class ResultField:
    """A result that can be entered: ``units`` are UCUM codes with how people write them, the canonical one first;
    of several that are written alike only one.

    ``bands`` are those of the tables; without any there is no slider. ``flag`` is the label of a fact that asks whether
    the laboratory calls the result low, ``""`` if there is none.
    """

    label: str
    fact: FactDeclaration
    units: Mapping[str, str]
    bands: Sequence[Band] = ()
    flag: str = ""

    @property
    def canonical(self) -> str:
        """The UCUM code of the unit of the tables."""
        return next(iter(self.units))

    @property
    def factors(self) -> Mapping[str, float]:
        """What a number in each of the units is multiplied by to stand in the canonical one."""
        known = self.fact.analyte.factors if self.fact.analyte is not None else {}
        return {code: float(known[code]) for code in self.units}

    @property
    def limits(self) -> Sequence[float]:
        """The limits of the tables, in the canonical unit."""
        return ends_of(self.bands)

    @property
    def most(self) -> float:
        """Where a slider over the limits ends, in the canonical unit."""
        return 2 * max(self.limits)

    @property
    def step(self) -> float:
        """The step of that slider: some hundreds of them lead from its one end to the other."""
        return float(10.0 ** (floor(log10(self.most)) - 2))


@dataclass(frozen=True, slots=True)
class OnRecord:
    """The newest result on record, as the head of the chart has it, with the UCUM code of its ``unit``.

    ``value`` is its number in the canonical unit, ``None`` if it has none.
    """

    result: KeyResult
    unit: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Entered:
    """The form as it was sent. ``results`` has value, unit and flag by fact; an empty value leaves the record as it is.

    ``faults`` has a sentence for each field that cannot be used, by the field's name in the address.
    """

    hook: str = "order-select"
    patient: str = ""
    drug: str = ""
    rhythm: str = UNSTATED
    route: str = UNSTATED
    dose: str = ""
    unit: str = ""
    problem: str = AS_RECORDED
    treatment: str = AS_RECORDED
    weeks: str = ""
    results: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen, in words by the name that the address has, and ``beginning``, which is chosen at first.

    ``products`` has the concept of each drug, ``timings`` the FHIR Timing of each step of a rhythm. ``told`` is the
    scenario that the form began with, if it began with one. ``recorded`` has, by fact, what is on record of the patient
    who is chosen.
    """

    pack: Pack
    hooks: Mapping[str, str]
    patients: Mapping[str, str]
    drugs: Mapping[str, str]
    rhythms: Mapping[str, str]
    routes: Mapping[str, str]
    units: Mapping[str, str]
    problems: Mapping[str, str]
    treatments: Mapping[str, str]
    results: Mapping[str, ResultField]
    products: Mapping[str, Concept]
    timings: Mapping[str, Sequence[Mapping[str, Any]]]
    beginning: Entered = field(default_factory=Entered)
    told: Scenario | None = None
    recorded: Mapping[str, OnRecord] = field(default_factory=dict)

    def unit_of(self, name: str) -> str:
        """The unit in which a result is asked for: that in which the record has it, or another of the same analyte.

        If it has none, it is the canonical one.
        """
        asked = self.results[name]
        alike = [other for other in self.recorded if self.results[other].fact.analyte == asked.fact.analyte]
        units = [self.recorded[other].unit for other in ([name] if name in alike else alike)]
        return next((unit for unit in units if unit in asked.units), asked.canonical)

    @property
    def field_names(self) -> Sequence[str]:
        """The names of all fields in the address."""
        parts = [("result", "unit", *(["flag"] if result.flag else [])) for result in self.results.values()]
        of_results = [f"{part}-{name}" for name, each in zip(self.results, parts, strict=True) for part in each]
        return [*_CLOSED, *_OPEN, *of_results]


# The fields with closed choices, each with where these stand in ``Choices``. Of the hooks also those may be named that
# no service answers: the page says so.
_CLOSED = {
    "patient": "patients",
    "drug": "drugs",
    "rhythm": "rhythms",
    "route": "routes",
    "unit": "units",
    "problem": "problems",
    "treatment": "treatments",
}
_OPEN = ("hook", "dose", "weeks")


def choices_of(pack: Pack, fixtures: Path) -> Choices:
    """What this content and the files in ``fixtures`` let one choose."""
    products = dict(_products(pack))
    timings = dict(sorted(_rhythms(pack, fixtures), key=lambda each: _sparseness(each[1])))
    routes = order_fact(pack, "order", "route")
    problems = {name: fact.label for name, fact in pack.facts.items() if fact.kind == "condition" and codes_of(fact)}
    regimens = {name: words.order for name, words in template_words(pack).items() if words.dosage}
    choices = Choices(
        pack=pack,
        hooks={hook: words for hook, words in _HOOKS.items() if pack.service_for(hook) is not None},
        patients={path.stem: _patient_of(path) for path in sorted((fixtures / "patients").glob("*.json"))},
        drugs={name: _drug(product) for name, product in products.items()},
        rhythms=_NOT_STATED | {name: _sentence(name) for name in timings},
        routes=_NOT_STATED
        | {
            name: _sentence(pack.routes.get(name, name))
            for name, value_set in (routes.value_sets if routes else {}).items()
            if value_set.codes
        },
        units=_units_of_dose(pack),
        problems=_PROBLEMS | dict(sorted(problems.items(), key=lambda each: each[1])),
        treatments=_TREATMENTS | {name: _sentence(words) for name, words in regimens.items()},
        results={name: each for name, fact in pack.facts.items() if (each := _result_field(pack, fact)) is not None},
        products=products,
        timings=timings,
    )
    return replace(choices, beginning=_beginning(choices, fixtures / FORM))


def entered_of(sent: Mapping[str, str], choices: Choices) -> Entered:
    """The form of an address; what it leaves out is as at the beginning. Results are empty if it names a patient.

    An empty result has the unit of the record, whatever the address says: it is that of no number.
    """
    first = choices.beginning
    fields = {name: sent.get(name, getattr(first, name)).strip() for name in (*_CLOSED, *_OPEN)}
    begun = {} if "patient" in sent else first.results
    results = {}
    for name in choices.results:
        value, unit, flag = begun.get(name, ("", choices.unit_of(name), ""))
        value = sent.get(f"result-{name}", value).strip()
        unit = sent.get(f"unit-{name}", unit).strip() if value else choices.unit_of(name)
        results[name] = (value, unit, sent.get(f"flag-{name}", flag).strip())
    return Entered(**fields, results=results, faults=dict(_faults(choices, fields, results)))


def order_fact(pack: Pack, kind: str, element: str) -> FactDeclaration | None:
    """The fact that reads an element of an order or of its dosage; ``None`` if the content has none."""
    return next((fact for fact in pack.facts.values() if (fact.kind, fact.element) == (kind, element)), None)


def codes_of(fact: FactDeclaration) -> Sequence[Concept]:
    """The codes of what a fact is about, which its first value set has."""
    return list(next(iter(fact.value_sets.values())).codes.values())


# --- what may be chosen -------------------------------------------------------------------------------------------


def _products(pack: Pack) -> Iterator[tuple[str, Concept]]:
    """One product of each agent in each form that the content knows, by agent and form.

    It is that of a regimen if one has it. An agent of which no product is known stands for itself.
    """
    of_regimens = {
        (coding["system"], coding["code"])
        for template in pack.templates.values()
        for coding in template.resource.get("medicationCodeableConcept", {}).get("coding", [])
    }
    known = [each for each in _codes_of_drugs(pack) if each.agent not in ("", NOT_STATED)]
    known.sort(key=lambda each: (each.system, each.code) not in of_regimens)
    with_form = {each.agent for each in known if each.form}
    found: dict[str, Concept] = {}
    for each in known:
        if each.form or each.agent not in with_form:
            found.setdefault(f"{each.agent}-{each.form}".rstrip("-"), each)
    yield from sorted(found.items())


def _codes_of_drugs(pack: Pack) -> Iterator[Concept]:
    for value_set in pack.drugs:
        yield from value_set.codes.values()


def _drug(product: Concept) -> str:
    return ", ".join(filter(None, [_sentence(product.agent.replace("-", " ")), product.form]))


def _rhythms(pack: Pack, fixtures: Path) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """How often and how long the regimens and the drafts have it, in words, with the Timing of each step."""
    orders = [template.resource for template in pack.templates.values()]
    orders += [read_json(path) for path in sorted((fixtures / "drafts").glob("*.json"))]
    for order in orders:
        steps = order.get("dosageInstruction", [])
        words = [schedule_in_words(pack.dosage_words, step) for step in steps]
        if steps and all(words) and all("period" in step["timing"].get("repeat", {}) for step in steps):
            yield pack.dosage_words.phrases["then"].join(words), [step["timing"] for step in steps]


def _sparseness(timings: Sequence[Mapping[str, Any]]) -> tuple[int, float, str]:
    """The order of rhythms: those of one step first, and the more often before the less often."""
    repeat = timings[0]["repeat"]
    days = repeat["period"] * float(DAYS[repeat["periodUnit"]][0]) / repeat.get("frequency", 1)
    return len(timings), days, json.dumps(repeat)


def _units_of_dose(pack: Pack) -> dict[str, str]:
    """The units of an amount of drug, and a word for each of what products are counted in."""
    fact = order_fact(pack, "dosage", "dose")
    if fact is None or fact.analyte is None:
        return {}
    counted: dict[str, str] = {}
    for spelling, meant in fact.counted.items():
        if spelling.isalpha():
            counted.setdefault(meant, spelling)
    return dict(fact.analyte.written) | {word: word for word in counted.values()}


def _result_field(pack: Pack, fact: FactDeclaration) -> ResultField | None:
    """The field of a fact that is read from laboratory results by their codes; ``None`` for any other fact."""
    if fact.kind not in ("observation", "flag") or fact.element or fact.analyte is None or not fact.searches:
        return None
    if not codes_of(fact):
        return None
    first = fact.analyte.canonical
    units: dict[str, str] = {}
    for code, written in ((first, fact.analyte.written[first]), *fact.analyte.written.items()):
        if written not in units.values():
            units[code] = written
    bands = next(filter(None, (bands_of(pack, each.decisions, fact.name) for each in pack.services.values())), ())
    return ResultField(series_label(fact), fact, units, bands, fact.label if fact.kind == "flag" else "")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _patient_of(path: Path) -> str:
    """The patient of a file in words."""
    resources = [node(entry, "resource") for entry in nodes(read_json(path), "entry")]
    return patient_in_words(resources, NOW) or path.stem


def patient_in_words(resources: Iterable[Mapping[str, Any]], now: datetime) -> str:
    """The patient among ``resources``: name, age and gender. What else is known of them, the answer says."""
    patient = next((resource for resource in resources if text(resource, "resourceType") == "Patient"), {})
    age = ""
    with suppress(ValueError):  # a date of birth that leaves out the day
        born = date.fromisoformat(text(patient, "birthDate"))
        age = str(now.year - born.year - ((now.month, now.day) < (born.month, born.day)))
    return ", ".join(filter(None, [name_of(patient), age, text(patient, "gender")]))


def _beginning(choices: Choices, file: Path) -> Entered:
    """What is chosen at first: what a file says, as far as the content has it, and else the first of everything."""
    said = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    results = {
        name: (str(value), choices.results[name].canonical, "")
        for name, value in said.get("results", {}).items()
        if name in choices.results
    }
    chosen: dict[str, Any] = {}
    for name, offered in {**_CLOSED, "hook": "hooks"}.items():
        known = getattr(choices, offered)
        chosen[name] = said[name] if said.get(name) in known else next(iter(known), "")
    return replace(Entered(**chosen), dose=str(said.get("dose", "")), results=results)


# --- what was entered ---------------------------------------------------------------------------------------------


def _faults(
    choices: Choices, fields: Mapping[str, str], results: Mapping[str, tuple[str, str, str]]
) -> Iterator[tuple[str, str]]:
    """A sentence for each field that cannot be used, by the name of the field."""
    closed = [(name, fields[name], getattr(choices, offered)) for name, offered in _CLOSED.items()]
    numbers = [("dose", fields["dose"])]
    for name, (value, unit, flag) in results.items():
        closed += [(f"unit-{name}", unit, choices.results[name].units), (f"flag-{name}", flag, ("", LOW))]
        numbers.append((f"result-{name}", value))
        if flag and not value:
            yield f"result-{name}", "Enter the number that the laboratory calls low."
    for name, value, offered in (*closed, ("hook", fields["hook"], _HOOKS)):
        if value not in offered:
            yield name, "Choose one of the list."
    for name, value in numbers:
        if value and not NUMBER.fullmatch(value):
            yield name, "Enter a number in digits, with a point before decimals, such as 22.5."
    weeks = fields["weeks"]
    if fields["treatment"] not in (AS_RECORDED, NONE) and not weeks:
        yield "weeks", "Enter for how many weeks the treatment has been under way."
    elif weeks and not (NUMBER.fullmatch(weeks) and weeks.isdigit() and int(weeks) <= _MOST_WEEKS):
        yield "weeks", f"Enter a whole number of weeks, {_MOST_WEEKS} at the most."
