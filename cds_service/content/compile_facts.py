"""``facts.yaml``, ``units.yaml`` and the value sets, compiled to what the chart reads patients by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.fhir.names import FOLD_OF, FOLDS, folded, head_of
from cds_service.vocabulary.declarations import (
    Analyte,
    Concept,
    FactDeclaration,
    Known,
    Plausible,
    Search,
    Strength,
    ValueSet,
)
from cds_service.vocabulary.facts import exact

_LOINC = "http://loinc.org"
_OF_RESULTS = ("observation", "flag")
_OF_LISTS = ("condition", "allergy", "procedure")
_PATIENT_SEARCH = "patient={{context.patientId}}"


def compile_value_set(data: Mapping[str, Any]) -> ValueSet:
    """One file of ``value-sets``; rows that are ``local`` are the site's own."""
    codes: dict[tuple[str, str], Concept] = {}
    prefixes: list[Concept] = []
    for row in data["concepts"]:
        strength = row.get("strength")
        concept = Concept(
            row["system"],
            row["code"],
            row["display"],
            row.get("agent", ""),
            row.get("form", ""),
            Strength(exact(strength["value"]), strength["unit"], strength["per"]) if strength else None,
            row.get("local", False),
        )
        codes[concept.system, concept.code] = concept
        if row.get("match") == "prefix":
            prefixes.append(concept)
    if data["kind"] in FOLDS:
        names = _folded_names(data["kind"], data)
    else:
        names = {
            row["name"].casefold(): Concept("", row["name"], row["name"], row.get("agent", ""), row.get("form", ""))
            for row in data.get("names", [])
        }
    return ValueSet(data["id"], data["title"], data["kind"], codes, tuple(prefixes), names, data.get("settles", False))


def _folded_names(kind: str, data: Mapping[str, Any]) -> dict[str, Concept]:
    """The names of a value set, folded as those of a fact or a set of this kind are (Z49).

    With ``displays-are-names`` the displays of its codes are names as well.
    """
    fold = FOLDS[kind]
    rows = [row["name"] for row in data.get("names", [])]
    if data.get("displays-are-names", False):
        rows += [row["display"] for row in data["concepts"]]
    return {fold(name): Concept("", name, name) for name in reversed(rows)}


def compile_analyte(data: Mapping[str, Any]) -> Analyte:
    """One analyte of ``units.yaml``."""
    factors = {unit: exact(factor) for unit, factor in data["units"].items()}
    counted = tuple(data.get("counted", ()))
    return Analyte(data["canonical"], factors, data.get("aliases", {}), data.get("grammar", ""), counted)


def compile_searches(data: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Search]:
    """Every search by its key: those that ``facts.yaml`` declares, and those for results (Z22)."""
    searches: dict[str, Search] = {}
    for key, search in data["searches"].items():
        query = "&".join([_PATIENT_SEARCH, *search.get("query", [])])
        is_patient = search["resource"] == "Patient"
        template = "Patient/{{context.patientId}}" if is_patient else f"{search['resource']}?{query}"
        known = _known(key, data["facts"], value_sets) if search["resource"] in FOLD_OF else Known()
        searches[key] = Search(key, search["resource"], template, known)
    ending = f"&_sort=-date&_count={data['results-per-page']}"
    for key, asked in codes_asked_for(data["facts"], value_sets).items():
        template = f"Observation?{_PATIENT_SEARCH}&code={','.join(asked)}{ending}"
        searches[key] = Search(key, "Observation", template)
    return searches


def _known(key: str, facts: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]) -> Known:
    """What the facts that are read from the list under ``key`` know."""
    lists = [fact for fact in facts.values() if fact["kind"] in _OF_LISTS and fact["search"] == key]
    rows = [row for fact in lists for name in value_set_names(fact).values() for row in value_sets[name]["concepts"]]
    prefixes: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row.get("match") == "prefix":
            prefixes[row["system"]] = (*prefixes.get(row["system"], ()), row["code"])
    named = [fact for fact in lists if "by-name" in fact]
    names = [
        name
        for fact in named
        for set_name in value_set_names(fact).values()
        for name in _folded_names(fact["kind"], value_sets[set_name])
    ]
    keeps_heads = all(FOLDS[fact["kind"]] is folded for fact in named)
    return Known(
        frozenset((row["system"], row["code"]) for row in rows),
        prefixes,
        frozenset(row["system"] for row in rows),
        frozenset(names),
        frozenset(filter(None, map(head_of, names))) if keeps_heads else frozenset(),
    )


def codes_asked_for(
    facts: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, None]]:
    """For each key of a search for results, the ``system|code`` of all facts that share the key, in order.

    Codes are LOINC's and the site's own; where there is none, nobody can look, and there is no search (Z22, Z33).
    """
    codes: dict[str, dict[str, None]] = {}
    for name, fact in facts.items():
        if fact["kind"] in _OF_RESULTS and fact["value-set"] in value_sets:
            asked = codes.setdefault(fact.get("search") or name, {})
            for row in value_sets[fact["value-set"]]["concepts"]:
                if row["system"] == _LOINC or row.get("local", False):
                    asked[f"{row['system']}|{row['code']}"] = None
    return {key: asked for key, asked in codes.items() if asked}


def search_keys(name: str, fact: Mapping[str, Any]) -> list[str]:
    """The keys of the searches that a fact is read from. That of a result may be missing, for want of a code."""
    declared = fact.get("search", [])
    if fact["kind"] in _OF_RESULTS:
        return [declared or name]
    return [declared] if isinstance(declared, str) else declared


def value_set_names(fact: Mapping[str, Any]) -> dict[str, str]:
    """The value sets that a fact uses, by the names that it uses them under."""
    own = {fact["value-set"]: fact["value-set"]} if "value-set" in fact else {}
    return {**own, **fact.get("value-sets", {})}


def compile_fact(
    name: str,
    fact: Mapping[str, Any],
    value_sets: Mapping[str, ValueSet],
    analytes: Mapping[str, Analyte],
    searches: Mapping[str, Search],
) -> FactDeclaration:
    """One fact of ``facts.yaml``; whatever it refers to is there."""
    look_back, plausible = fact.get("look-back"), fact.get("plausible")
    analyte = analytes[fact["analyte"]] if "analyte" in fact else None
    own_sets = {alias: value_sets[set_id] for alias, set_id in value_set_names(fact).items()}
    fold = FOLDS[fact["kind"] if fact["kind"] in FOLDS else "condition"] if "by-name" in fact else None
    return FactDeclaration(
        name=name,
        kind=fact["kind"],
        label=fact["label"],
        element=fact.get("element", ""),
        value_sets=own_sets,
        analyte=analyte,
        plausible=_compile_plausible(plausible, analyte) if plausible and analyte is not None else None,
        searches=tuple(searches[key] for key in search_keys(name, fact) if key in searches),
        look_back_days=days_of(look_back) if look_back else None,
        naming=tuple(fact.get("naming", ())),
        form=fact.get("form", ""),
        statuses=tuple(fact.get("statuses", ())),
        inputs=fact.get("inputs", {}),
        constants={key: exact(str(value)) for key, value in fact.get("constants", {}).items()},
        counted={text: per for per, texts in fact.get("counted", {}).items() for text in texts},
        values=tuple(fact.get("values", ())),
        unit=fact.get("unit", ""),
        systems=frozenset().union(*(value_set.systems for value_set in own_sets.values())),
        names={
            fold(concept.display): concept
            for value_set in own_sets.values()
            for concept in value_set.names.values()
            if fold is not None
        },
        without_status=fact.get("without-status", "unknown"),
        by_name=fact.get("by-name", ""),
        any_status=fact.get("any-status", False),
    )


def _compile_plausible(data: Mapping[str, Any], analyte: Analyte) -> Plausible:
    """The limits of a fact in the canonical unit of its analyte, whatever unit of it the file gives them in (Z44)."""
    factor = analyte.factors[data["unit"]]
    low, high = (exact(exact(str(data[end])) * factor) for end in ("low", "high"))
    return Plausible(low, high, data.get("perhaps", {}))


def days_of(look_back: str) -> int:
    """The days in a look-back such as ``P90D``."""
    return int(look_back[1:-1])
