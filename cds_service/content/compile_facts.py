"""``facts.yaml``, ``units.yaml`` and the value sets, compiled to what the chart reads patients by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cds_service.content.compile_operators import is_of_steps_alone, operands_of
from cds_service.content.unary import Cell, parse_cell
from cds_service.fhir.codes import ICD_10, ICD_10_CM, LOINC, canonical, equal_codes, telling_words
from cds_service.fhir.medications import name_words
from cds_service.fhir.names import FOLD_OF, FOLDS, folded, head_of
from cds_service.vocabulary.declarations import (
    ICD_10_EITHER,
    NO_NAMES,
    NOT_STATED,
    Analyte,
    Concept,
    DrugName,
    DrugNames,
    FactDeclaration,
    Known,
    Plausible,
    Search,
    Strength,
    ValueSet,
    Way,
)
from cds_service.vocabulary.derivations import in_role_order
from cds_service.vocabulary.dosage_words import DosageWords
from cds_service.vocabulary.facts import exact

_OF_RESULTS = ("observation", "flag")
_OF_EVENTS = ("history", "drafts")
_ON_RECORD = ("like-active", "ends-in")  # elements of an order for which the record, or a calendar, is needed
_OF_LISTS = ("condition", "allergy", "procedure")
_PATIENT_SEARCH = "patient={{context.patientId}}"


def compile_drug_names(value_sets: Mapping[str, Mapping[str, Any]]) -> DrugNames:
    """The names of all medications of a pack; one name may stand in several value sets."""
    names: dict[tuple[str, ...], DrugName] = {}
    only_beside: set[tuple[str, ...]] = set()
    for data in value_sets.values():
        for row in data.get("names", ()) if data["kind"] == "medication" else ():
            words = name_words(row["name"])
            agent = "" if row.get("agent") == NOT_STATED else row.get("agent", "")
            known = names.get(words)
            sets = frozenset({data["id"]}) | (known.value_sets if known else frozenset())
            settles = data.get("settles", False) or (known is not None and known.settles)
            names[words] = DrugName(" ".join(words), words, sets, agent or (known.agent if known else ""), settles)
            if row.get("only-beside"):
                only_beside.add(words)
    longest_first = sorted(names.values(), key=lambda name: -len(name.words))
    starting: dict[str, list[DrugName]] = {}
    settling: dict[str, list[DrugName]] = {}
    for name in longest_first:
        if name.words not in only_beside:
            starting.setdefault(name.words[0], []).append(name)
        if name.settles:
            settling.setdefault(name.words[0], []).append(name)
    return DrugNames(starting, settling)


def compile_value_set(data: Mapping[str, Any], drug_names: DrugNames = NO_NAMES) -> ValueSet:
    """One file of ``value-sets``; rows that are ``local`` are the site's own, and so are spellings under ``systems``.

    Each code is entered under its editions too, and an ICD-10 code that both WHO and ICD-10-CM have in the set also as
    one of which only the form is known, so that nothing is left to do when a call is answered (Z42).
    """
    rows = [_compile_concept(row) for row in data["concepts"]]
    codes = {(concept.system, concept.code): concept for concept in rows}
    prefixes = [concept for concept, row in zip(rows, data["concepts"], strict=True) if row.get("match")]
    without_dot: list[Concept] = []
    for concept in rows:
        for system, code in equal_codes(concept.system, concept.code):
            codes.setdefault((system, code), concept)
            if concept in prefixes and system == concept.system:
                without_dot.append(replace(concept, code=code))
        if concept.system == ICD_10 and concept not in prefixes and (ICD_10_CM, concept.code) in codes:
            codes[ICD_10_EITHER, concept.code] = concept
    if data["kind"] in FOLDS:
        names = _folded_names(data["kind"], data)
    else:
        names = {
            row["name"].casefold(): Concept("", row["name"], row["name"], row.get("agent", ""), row.get("form", ""))
            for row in data.get("names", [])
        }
    if data["kind"] == "medication":  # as texts are compared with them
        names |= {" ".join(name_words(name)): concept for name, concept in names.items()}
    return ValueSet(
        data["id"],
        data["title"],
        data["kind"],
        codes,
        (*prefixes, *without_dot),
        names,
        data.get("settles", False),
        data.get("systems", {}),
        _words_by_agent(data["title"], [*rows, *names.values()]),
        drug_names,
    )


def _folded_names(kind: str, data: Mapping[str, Any]) -> dict[str, Concept]:
    """The names of a value set, folded as those of a fact or a set of this kind are (Z49).

    With ``displays-are-names`` the displays of its codes are names as well.
    """
    fold = FOLDS[kind]
    rows = [row["name"] for row in data.get("names", [])]
    if data.get("displays-are-names", False):
        rows += [row["display"] for row in data["concepts"]]
    return {fold(name): Concept("", name, name) for name in reversed(rows)}


def _compile_concept(row: Mapping[str, Any]) -> Concept:
    strength = row.get("strength")
    return Concept(
        canonical(row["system"]),
        row["code"],
        row["display"],
        row.get("agent", ""),
        row.get("form", ""),
        _compile_strength(strength) if strength else None,
        row.get("local", False),
    )


def _words_by_agent(title: str, concepts: Iterable[Concept]) -> dict[str, frozenset[str]]:
    """What the concepts of each agent are called; where there are no agents, what the whole set is called."""
    texts: dict[str, list[str]] = {"": [title]}
    for concept in concepts:
        texts.setdefault(concept.agent, []).append(concept.display)
    return {agent: telling_words(" | ".join(parts)) for agent, parts in texts.items()}


def _compile_strength(data: Mapping[str, Any]) -> Strength:
    package = {name: exact(size) for name, size in data.get("package", {}).items()}
    return Strength(exact(data["value"]), data["unit"], data["per"], package)


def compile_analyte(data: Mapping[str, Any], name: str = "") -> Analyte:
    """One analyte of ``units.yaml``, where ``name`` is its key."""
    factors = {unit: exact(factor) for unit, factor in data["units"].items()}
    counted = tuple(data.get("counted", ()))
    return Analyte(
        canonical=data["canonical"],
        factors=factors,
        written=data["written"],
        written_as_sent=data.get("written-as-sent", False),
        aliases=data.get("aliases", {}),
        grammar=data.get("grammar", ""),
        counted=counted,
        name=name,
    )


def compile_searches(
    data: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], value_sets: Mapping[str, ValueSet]
) -> dict[str, Search]:
    """Every search by its key: those that ``facts.yaml`` declares, and those for results (Z22).

    ``files`` are the value sets as they are written, ``value_sets`` the same as compiled.
    """
    searches: dict[str, Search] = {}
    for key, search in data["searches"].items():
        query = "&".join([_PATIENT_SEARCH, *search.get("query", [])])
        is_patient = search["resource"] == "Patient"
        template = "Patient/{{context.patientId}}" if is_patient else f"{search['resource']}?{query}"
        known = _known(key, data["facts"], files, value_sets) if search["resource"] in FOLD_OF else Known()
        optional, include = search.get("optional", False), search.get("include", "")
        searches[key] = Search(
            key, search["resource"], template, known.systems, known=known, optional=optional, include=include
        )
    for key, codes in codes_asked_for(data["facts"], files).items():
        count = _results_per_page(key, data)
        template = f"Observation?{_PATIENT_SEARCH}&code={','.join(codes)}&_sort=-date&_count={count}"
        asked_in = frozenset(code.partition("|")[0] for code in codes)
        searches[key] = Search(key, "Observation", template, asked_in | {LOINC}, count)
    return searches


def _results_per_page(key: str, data: Mapping[str, Any]) -> int:
    """How many of the newest results are asked for under a key: the most that a fact which is read from it needs."""
    wanted = [
        fact["results-per-page"]
        for name, fact in data["facts"].items()
        if fact["kind"] in _OF_RESULTS and "results-per-page" in fact and key in search_keys(name, fact)
    ]
    most: int = max(wanted, default=data["results-per-page"])
    return most


def _known(
    key: str, facts: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], value_sets: Mapping[str, ValueSet]
) -> Known:
    """What the facts that are read from the list under ``key`` know."""
    lists = [fact for fact in facts.values() if fact["kind"] in _OF_LISTS and fact["search"] == key]
    sets = [value_sets[name] for fact in lists for name in value_set_names(fact).values()]
    prefixes: dict[str, tuple[str, ...]] = {}
    for concept in (concept for value_set in sets for concept in value_set.prefixes):
        prefixes[concept.system] = (*prefixes.get(concept.system, ()), concept.code)
    named = [fact for fact in lists if "by-name" in fact]
    names = [
        name
        for fact in named
        for set_name in value_set_names(fact).values()
        for name in _folded_names(fact["kind"], files[set_name])
    ]
    keeps_heads = all(FOLDS[fact["kind"]] is folded for fact in named)
    return Known(
        codes=frozenset(pair for value_set in sets for pair in value_set.codes),
        prefixes=prefixes,
        systems=frozenset(system for value_set in sets for system in value_set.systems),
        spellings=frozenset(spelling for value_set in sets for spelling in value_set.aliases),
        names=frozenset(names),
        heads=frozenset(filter(None, map(head_of, names))) if keeps_heads else frozenset(),
    )


def codes_asked_for(
    facts: Mapping[str, Any], value_sets: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, None]]:
    """For each key of a search for results, the ``system|code`` of all facts that share the key, in order.

    Codes are LOINC's, in each spelling that the site has for it, and the site's own; where there is none, nobody can
    look, and there is no search (Z22, Z33, Z42).
    """
    codes: dict[str, dict[str, None]] = {}
    for name, fact in facts.items():
        if fact["kind"] in _OF_RESULTS and fact["value-set"] in value_sets:
            asked = codes.setdefault(fact.get("search") or name, {})
            value_set = value_sets[fact["value-set"]]
            spellings = [spelling for spelling, system in value_set.get("systems", {}).items() if system == LOINC]
            for row in value_set["concepts"]:
                systems = [LOINC, *spellings] if row["system"] == LOINC else [row["system"]]
                if LOINC in systems or row.get("local", False):
                    asked |= {f"{system}|{row['code']}": None for system in systems}
    return {key: asked for key, asked in codes.items() if asked}


def search_keys(name: str, fact: Mapping[str, Any], results: Mapping[str, FactDeclaration] | None = None) -> list[str]:
    """The keys of the searches that a fact is read from. That of a result may be missing, for want of a code.

    ``results`` are facts by name, of which one that looks at a flag is read as well.
    """
    declared = fact.get("search", [])
    if fact["kind"] in _OF_RESULTS:
        return [declared or name]
    flagged = (results or {}).get(fact.get("flagged", ""))
    of_flag = [search.key for search in flagged.searches] if flagged is not None else []
    return [*([declared] if isinstance(declared, str) else declared), *of_flag]


def value_set_names(fact: Mapping[str, Any]) -> dict[str, str]:
    """The value sets that a fact uses, by the names that it uses them under."""
    own = {fact["value-set"]: fact["value-set"]} if "value-set" in fact else {}
    return {**own, **fact.get("value-sets", {})}


def with_look_back(fact: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """A fact of ``facts.yaml`` with the look-back of the fact that it names as ``look-back-of``, if it names one."""
    other = fact.get("look-back-of")
    return {**fact, "look-back": facts[other]["look-back"]} if other else fact


def compile_facts(
    data: Mapping[str, Any],
    value_sets: Mapping[str, ValueSet],
    analytes: Mapping[str, Analyte],
    searches: Mapping[str, Search],
    dosage_words: DosageWords,
) -> dict[str, FactDeclaration]:
    """Every fact of ``facts.yaml`` by its name, in the order of the file; ``data`` is the whole of it.

    ``dosage_words`` are those that facts of a dosage are said with.
    """
    facts = data["facts"]
    alone = _Around(dosage_words)
    compiled = {
        name: _with_operands(
            compile_fact(name, with_look_back(fact, facts), value_sets, analytes, searches, alone), facts
        )
        for name, fact in facts.items()
        if fact["kind"] not in _OF_EVENTS
    }
    compiled = {name: _with_others(fact, compiled) for name, fact in compiled.items()}
    around = _Around(
        dosage_words=dosage_words,
        ways={name: _compile_way(way, value_sets) for name, way in data.get("ways", {}).items()},
        of_steps={
            name: fact for name, fact in compiled.items() if fact.kind == "dosage" and is_of_steps_alone(name, facts)
        },
        results=compiled,
    )
    for name, fact in facts.items():
        if fact["kind"] in _OF_EVENTS or fact.get("element") in _ON_RECORD:
            compiled[name] = compile_fact(name, with_look_back(fact, facts), value_sets, analytes, searches, around)
    return {name: compiled[name] for name in facts}


def _with_operands(compiled: FactDeclaration, facts: Mapping[str, Mapping[str, Any]]) -> FactDeclaration:
    """A fact that an operator derives with its operands; any other as it is."""
    operands, scale = operands_of(facts[compiled.name], facts)
    return replace(compiled, operands=operands, scale=scale) if operands else compiled


def _with_others(compiled: FactDeclaration, all_of_them: Mapping[str, FactDeclaration]) -> FactDeclaration:
    """A rate with what the others of the pack measure; any other fact as it is."""
    if compiled.element != "rate":
        return compiled
    read = [fact.analyte for fact in all_of_them.values() if fact.element == "rate" and fact.analyte is not None]
    return replace(compiled, beside=tuple(other for other in read if other is not compiled.analyte))


@dataclass(frozen=True, slots=True)
class _Around:
    """What facts are compiled with: the words of a dosage, and what those about events refer to (the ways, the facts of
    a dosage, the facts of results).
    """

    dosage_words: DosageWords
    ways: Mapping[str, Way] = field(default_factory=dict)
    of_steps: Mapping[str, FactDeclaration] = field(default_factory=dict)
    results: Mapping[str, FactDeclaration] = field(default_factory=dict)


def _compile_way(data: Mapping[str, Any], value_sets: Mapping[str, ValueSet]) -> Way:
    return Way(
        {name: value_sets[name] for name in data.get("routes", ())},
        frozenset(data.get("forms", ())),
        frozenset(data.get("agents", ())),
    )


def _compile_cell(source: object) -> Cell:
    cell = parse_cell(str(source))
    assert cell is not None  # noqa: S101  (the schema refuses "-")
    return cell


def compile_fact(
    name: str,
    fact: Mapping[str, Any],
    value_sets: Mapping[str, ValueSet],
    analytes: Mapping[str, Analyte],
    searches: Mapping[str, Search],
    around: _Around,
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
        searches=tuple(searches[key] for key in search_keys(name, fact, around.results) if key in searches),
        look_back_days=days_of(look_back) if look_back else None,
        naming=tuple(fact.get("naming", ())),
        statuses=tuple(fact.get("statuses", ())),
        inputs={role: fact["inputs"][role] for role in in_role_order(fact.get("element", ""), fact.get("inputs", ()))},
        constants={
            key: exact(str(value)) for key, value in fact.get("constants", {}).items() if not isinstance(value, dict)
        },
        counted={
            spelling: per
            for per, texts in fact.get("counted", {}).items()
            for text in texts
            for spelling in (text, text.casefold())
        },
        schedules=fact.get("schedules", {}),
        dosage_words=around.dosage_words if fact["kind"] == "dosage" else None,
        values=tuple(fact.get("values", ())),
        unit=fact.get("unit", ""),
        doubts_apart=fact.get("doubts-apart", False),
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
        events=tuple(fact.get("events", ())),
        agents=frozenset(fact.get("agents", ())),
        way=fact.get("way", ""),
        other_than=fact.get("other-than", ""),
        ways=around.ways,
        steps={step: _compile_cell(cell) for step, cell in fact.get("steps", {}).items()},
        of_steps=around.of_steps,
        alike=tuple(fact.get("alike", ())),
        plans_stated=fact.get("plans-stated", False),
        flagged=around.results.get(fact.get("flagged", "")),
    )


def _compile_plausible(data: Mapping[str, Any], analyte: Analyte) -> Plausible:
    """The limits of a fact in the canonical unit of its analyte, whatever unit of it the file gives them in (Z44)."""
    factor = analyte.factors[data["unit"]]
    low, high = (exact(exact(str(data[end])) * factor) for end in ("low", "high"))
    return Plausible(low, high, data.get("perhaps", {}), data.get("or-zero", False))


def days_of(look_back: str) -> int:
    """The days in a look-back such as ``P90D``."""
    return int(look_back[1:-1])
