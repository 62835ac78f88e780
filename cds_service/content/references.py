"""What the files of a pack say of each other: names that point nowhere, circles, and cells that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cds_service.content.compile_facts import codes_asked_for, search_keys, value_set_names
from cds_service.content.compile_operators import facts_behind, is_of_steps_alone, problems_of_derived
from cds_service.content.compile_tables import template_of
from cds_service.content.domains import CARD, Domain, domains_of
from cds_service.content.expand import inputs_of, rest_of, unary_test
from cds_service.content.files import TABLE, TEXTS, PackFiles, name_by_path, problem_at
from cds_service.content.inherited import UNITS, WORDS, at_place, common_units, common_words, texts_in
from cds_service.content.model import PLACEHOLDER
from cds_service.content.nearest import instead
from cds_service.content.reviews import faults_of
from cds_service.content.unary import parse_cell
from cds_service.fhir.ucum import is_volume
from cds_service.vocabulary.problems import Problem

_OF_UNITS = {"canonical", "units", "written"}  # without which nothing that is measured is whole
_Place = tuple[str | int, ...]
_At = Callable[[_Place, str], Problem]


def problems_between(pack_files: PackFiles) -> Iterator[Problem]:
    """Whatever would keep these files from being compiled."""
    yield from _of_head(pack_files)
    yield from _of_words(pack_files)
    yield from _of_units(pack_files)
    if not all(analyte.keys() >= _OF_UNITS for analyte in pack_files.units.values()):
        return  # what is missing would be missed in facts and tables
    yield from _of_facts(pack_files)
    yield from _of_orders(pack_files)
    yield from _of_tables(pack_files)
    yield from _circles(pack_files)
    yield from _circles_of_facts(pack_files)
    yield from _of_reviews(pack_files)


def _in(path: Path) -> _At:
    """What makes problems of one file, by place and text."""
    return lambda place, text: problem_at(path, place, "reference", text)


def _no(kind: str, name: str, known: Collection[str], where: str = "") -> str:
    """That there is no such thing of a kind, with the names that may have been meant."""
    return f"no {kind} {name!r}{f' {where}' if where else ''}{instead(name, known, f'{kind}s')}"


def _of_reviews(pack_files: PackFiles) -> Iterator[Problem]:
    """What is wrong with the review of the pack, those of decisions, and the acceptance of the hazard log."""
    signed = [(pack_files.folder / "pack.yaml", pack_files.head, "review")]
    signed += [(path, table, "review") for path, table in pack_files.tables.items()]
    signed += [(pack_files.folder / "hazards.yaml", pack_files.hazards, "sign-off")]
    for path, data, member in signed:
        for place, text in faults_of(data[member]) if member in data else ():
            yield problem_at(path, (member, *place), "review", text)


def _of_head(pack_files: PackFiles) -> Iterator[Problem]:
    head, at = pack_files.head, _in(pack_files.folder / "pack.yaml")
    if head["id"] != pack_files.folder.name:
        text = f"the folder is not named as the pack {head['id']!r}; it is called {pack_files.folder.name!r}"
        yield at(("id",), text)
    for member in ("relevant", "excluded"):
        for name in head[member]:
            if name not in pack_files.value_sets:
                yield at((member,), _no("value set", name, pack_files.value_sets))
    yield from _of_citations(pack_files, at, ("rests-also",), "statements", head.get("rests-also", ()))
    decisions = {table["id"] for table in pack_files.tables.values()}
    for index, service in enumerate(head["services"]):
        for name in service["decisions"]:
            if name not in decisions:
                yield at(("services", index, "decisions"), _no("decision", name, decisions))
        for name in service.get("least", {}):
            if name not in service["decisions"]:
                text = f"{service['id']} does not show {name!r}{instead(name, service['decisions'], 'decisions')}"
                yield at(("services", index, "least", name), text)


def _of_words(pack_files: PackFiles) -> Iterator[Problem]:
    """Routes that have no words for people, words for none, and placeholders that nothing fills (Z76)."""
    path = pack_files.folder / WORDS
    routes = {
        route
        for fact in pack_files.facts["facts"].values()
        if (fact["kind"], fact.get("element")) == ("order", "route")
        for route in fact.get("value-sets", {})
    }
    common, own = common_words(), pack_files.own_words
    for route in sorted(routes - set(pack_files.words["routes"])):
        yield _in(path)(
            ("routes",),
            f"the route {route!r} is not written for people; write it in {WORDS}, such as routes: {{{route}: …}}",
        )
    for route in sorted(set(own.get("routes", ())) - routes - set(common["routes"])):
        yield _in(path)(("routes", route), f"no fact of facts.yaml has a route {route!r}")
    for place, text in texts_in(own):
        known = set(PLACEHOLDER.findall(str(at_place(common, place) or "")))
        for unknown in sorted(set(PLACEHOLDER.findall(text)) - known):
            what = f"one of {', '.join(sorted(known))}" if known else "none at all"
            yield problem_at(path, place, "placeholder", f"nothing fills {unknown!r}; there may stand {what}")
        if set("{}") & set(PLACEHOLDER.sub("", text)):
            yield problem_at(path, place, "placeholder", "a brace stands alone; placeholders stand in pairs of them")


def _of_units(pack_files: PackFiles) -> Iterator[Problem]:
    """What is measured without all that is needed, and units that have no words for people, or words for none (Z76)."""
    at = _in(pack_files.folder / UNITS)
    for name, analyte in pack_files.units.items():
        for member in sorted(_OF_UNITS - analyte.keys()):
            there = ", ".join(common_units())
            yield at((name,), f"{name!r} needs {member!r}; only what adds to {there} may leave it out")
        for unit in sorted(set(analyte.get("units", ())) ^ set(analyte.get("written", ()))):
            what = "is not written for people" if unit in analyte.get("units", ()) else "is none of its units"
            yield at((name, "written"), f"{unit!r} {what}")
        if {"canonical", "units"} <= analyte.keys() and analyte["canonical"] not in analyte["units"]:
            yield at((name, "canonical"), f"{analyte['canonical']!r} is not among the units")


def _of_orders(pack_files: PackFiles) -> Iterator[Problem]:
    """Order templates that rest on a statement that there is not."""
    for name, order in pack_files.orders.items():
        at = _in(pack_files.folder / "orders" / f"{name}.yaml")
        yield from _of_citations(pack_files, at, ("statement",), "statements", [order.get("statement", "")])


def _of_citations(
    pack_files: PackFiles, at: _At, place: _Place, member: str, names: Iterable[str]
) -> Iterator[Problem]:
    """Statements or settlements that are named and not in ``sources.yaml``, beside those that are."""
    known = pack_files.sources[member]
    for name in filter(None, names):
        if name not in known:
            yield at(place, _no(member.removesuffix("s"), name, known, "in sources.yaml"))


def _of_facts(pack_files: PackFiles) -> Iterator[Problem]:
    at = _in(pack_files.folder / "facts.yaml")
    facts = pack_files.facts["facts"]
    for way, data in pack_files.facts.get("ways", {}).items():
        for set_id in data.get("routes", ()):
            if set_id not in pack_files.value_sets:
                yield at(("ways", way), _no("value set", set_id, pack_files.value_sets))
    result_searches = codes_asked_for(facts, pack_files.value_sets)
    searches = {*pack_files.facts["searches"], *result_searches}
    for name, fact in facts.items():
        for member, text in (*_of_fact(pack_files, name, fact, searches), *_of_events(pack_files, fact)):
            yield at(("facts", name, member), text)


def _of_fact(
    pack_files: PackFiles, name: str, fact: Mapping[str, Any], searches: Collection[str]
) -> Iterator[tuple[str, str]]:
    value_sets = value_set_names(fact).values()
    for set_id in value_sets:
        if set_id not in pack_files.value_sets:
            member = "value-set" if fact.get("value-set") == set_id else "value-sets"
            yield member, _no("value set", set_id, pack_files.value_sets)
    if fact["kind"] not in ("observation", "flag"):  # a result that nobody can look for has no search (Z33)
        for key in search_keys(name, fact):
            if key not in searches:
                yield "search", f"no search {key!r}{instead(key, searches, 'searches')}"
    facts = pack_files.facts["facts"]
    unknown = [needed for needed in fact.get("inputs", {}).values() if needed not in facts]
    yield from (("inputs", _no("fact", needed, facts)) for needed in unknown)
    if not unknown:
        yield from problems_of_derived(fact, facts)
    other = fact.get("look-back-of")
    if other is not None and "look-back" not in pack_files.facts["facts"].get(other, {}):
        yield "look-back-of", f"no fact {other!r} with a look-back{instead(other, pack_files.facts['facts'], 'facts')}"
    analyte = pack_files.units.get(fact.get("analyte", ""))
    if "analyte" in fact and analyte is None:
        yield (
            "analyte",
            f"no analyte {fact['analyte']!r} in units.yaml{instead(fact['analyte'], pack_files.units, 'analytes')}",
        )
    if analyte is not None and fact.get("unit", analyte["canonical"]) != analyte["canonical"]:
        yield "unit", f"unit is not the analyte's canonical {analyte['canonical']!r}"
    if "plausible" in fact:
        known = set(analyte["units"] if analyte is not None else ())
        for unit in sorted({fact["plausible"]["unit"], *fact["plausible"].get("perhaps", {})} - known):
            yield "plausible", f"{unit!r} is not among the units of its analyte"
    if fact.get("element") in ("dose", "concentration"):
        units = set(analyte["units"] if analyte is not None else ())
        for set_id in value_sets:
            rows = pack_files.value_sets.get(set_id, {}).get("concepts", ())
            needed = {_unit_of_strength(fact["element"], row["strength"]) for row in rows if row.get("strength")}
            for unit in sorted(needed - {""} - units):
                yield "value-sets", f"{set_id} has strengths in {unit!r}, which its analyte has not"


def _unit_of_strength(element: str, strength: Mapping[str, Any]) -> str:
    """The unit in which a fact takes the strength of a product; a concentration only takes one by volume."""
    if element == "dose":
        return str(strength["unit"])
    return f"{strength['unit']}/{strength['per']}" if is_volume(strength["per"]) else ""


def _of_events(pack_files: PackFiles, fact: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a fact about events refers to: a way, facts of a dosage with their cells, the fact of a flag."""
    facts = pack_files.facts["facts"]
    for member in ("way", "other-than"):
        if member in fact and fact[member] not in pack_files.facts.get("ways", {}):
            yield member, _no("way", fact[member], pack_files.facts.get("ways", {}))
    of_dosage = [name for name, other in facts.items() if other["kind"] == "dosage"]
    for member in ("steps", "alike"):
        for name in fact.get(member, ()):
            if name not in of_dosage:
                yield member, f"no fact {name!r} of a dosage{instead(name, of_dosage, 'facts of a dosage')}"
            elif not is_of_steps_alone(name, facts):
                yield member, f"{name!r} is derived from a fact of the patient, which events of the past have not"
    for cell in fact.get("steps", {}).values():
        try:
            parse_cell(cell)
        except ValueError as error:
            yield "steps", str(error)
    if fact["kind"] == "history" and fact.get("element") in ("newest", "oldest") and "look-back" in fact:
        yield "look-back", f"{fact['element']} says how many days ago it was, however many, and takes no look-back"
    if "flagged" in fact and facts.get(fact["flagged"], {}).get("kind") != "flag":
        yield "flagged", f"no fact {fact['flagged']!r} of a flag"


def _of_tables(pack_files: PackFiles) -> Iterator[Problem]:
    domains = domains_of(pack_files)
    facts_file = pack_files.folder / "facts.yaml"
    paths = {table["id"]: path for path, table in pack_files.tables.items()}
    for name, domain in domains.items():
        for word in domain.ambiguous:
            place = ("facts", name, "values") if name not in paths else ("rules",)
            text = f"{word!r} is a state of {name!r} and cannot be one of its values too"
            yield problem_at(paths.get(name, facts_file), place, "reference", text)
    for path, table in pack_files.tables.items():
        yield from _of_table(pack_files, path, table, domains)


def _of_table(
    pack_files: PackFiles, path: Path, table: Mapping[str, Any], domains: Mapping[str, Domain]
) -> Iterator[Problem]:
    at = _in(path)
    yield from _of_file(pack_files, path, table)
    yield from _of_inputs(pack_files, at, table, domains)
    yield from _of_guard(at, table, domains)
    for index, rule in enumerate(table["rules"]):
        place = ("rules", index)
        for name, cell in rule.get("when", {}).items():
            if name not in table.get("inputs", ()) and name not in table.get("applies-when", ()):
                known = [*table.get("inputs", ()), *table.get("applies-when", ())]
                yield at((*place, "when", name), f"{name!r} is no input of this table{instead(name, known, 'inputs')}")
            yield from _of_cell(at, (*place, "when", name), cell, domains.get(name))
        statements = [rule.get("statement", "")]
        yield from _of_citations(pack_files, at, (*place, "statement"), "statements", statements)
        yield from _of_citations(pack_files, at, (*place, "settles"), "settlements", rule.get("settles", ()))
        if not isinstance(rule["then"], str):
            texts = pack_files.texts.get(path, {})
            yield from _of_outcome(pack_files, at, (*place, "then"), rule["then"], texts, domains)


def _of_file(pack_files: PackFiles, path: Path, table: Mapping[str, Any]) -> Iterator[Problem]:
    """A decision is named as its file or folder, and what says something has its words beside it."""
    at, name, kind = _in(path), table["id"], table["kind"]
    if name_by_path(path) != name:
        yield at(("id",), f"{name_by_path(path)!r} is not named as the decision {name!r}")
    if path.with_suffix("").is_dir():
        yield at(("id",), f"{name!r} stands in a folder of this name too")
    if kind != "definition" and path not in pack_files.texts:
        yield at(("kind",), f"a {kind} is a folder {name}, its table in {TABLE} and its words in {TEXTS}")
    for member, kinds in (("why", ("card", "note")), ("applies-when", ("card", "note")), ("yields-to", ("card",))):
        if member in table and kind not in kinds:
            yield at((member,), f"a {kind} has no {member}")


def _of_inputs(
    pack_files: PackFiles, at: _At, table: Mapping[str, Any], domains: Mapping[str, Domain]
) -> Iterator[Problem]:
    said = {other["id"]: other for other in pack_files.tables.values() if other["kind"] != "definition"}
    for member in ("applies-when", "inputs"):
        for name in table.get(member, ()):
            if name in said:
                yield at((member, name), f"{name!r} is no definition")
            elif name not in domains:
                yield at((member, name), f"no fact or decision {name!r}{instead(name, domains, 'inputs')}")
    for name in table.get("yields-to", ()):
        if name not in said or said[name]["kind"] != "card" or said[name]["hit-policy"] == "COLLECT":
            yield at(("yields-to",), f"{name!r} is no card of which one rule at most speaks")


def _of_guard(at: _At, table: Mapping[str, Any], domains: Mapping[str, Domain]) -> Iterator[Problem]:
    """A guard asks for words that can be listed, and a rule asks the same input for fewer of them, if at all."""
    for name, written in table.get("applies-when", {}).items():
        domain, place = domains.get(name), ("applies-when", name)
        problems = list(_of_cell(at, place, written, domain))
        yield from problems
        if domain is None or problems:
            continue
        if domain.takes_numbers or domain.is_sequence:
            yield at(place, f"{name!r} has no list of words; let a definition decide on it")
            continue
        outside = rest_of(unary_test(written, domain), domain)
        if not outside:
            yield at(place, f"{name!r} is never anything else")
        for index, rule in enumerate(table["rules"]):
            cell = rule.get("when", {}).get(name)
            if cell is not None and not list(_of_cell(at, place, cell, domain)):
                more = set(outside) - set(rest_of(unary_test(cell, domain), domain))
                if more:
                    text = f"{', '.join(sorted(more))} is outside of applies-when"
                    yield at(("rules", index, "when", name), text)


def _of_outcome(
    pack_files: PackFiles,
    at: _At,
    place: _Place,
    then: Mapping[str, Any],
    texts: Mapping[str, Any],
    domains: Mapping[str, Domain],
) -> Iterator[Problem]:
    text = texts.get("texts", {}).get(then.get("text", ""))
    if then.get("text") and text is None:
        yield at((*place, "text"), _no("text", then["text"], texts.get("texts", {}), "in text.en.yaml"))
    for index, entry in enumerate(then.get("suggest", ())):
        template = template_of(entry)
        if template and template not in pack_files.orders:
            yield at((*place, "suggest", index), _no("order template", template, pack_files.orders))
        if text is not None and entry["id"] not in text.get("suggestions", {}):
            known = text.get("suggestions", {})
            yield at(
                (*place, "suggest", index),
                f"no label for suggestion {entry['id']!r}{instead(entry['id'], known, 'labels')}",
            )
        for name, cell in entry.get("when", {}).items():
            if name not in domains or domains[name] is CARD:
                yield at(
                    (*place, "suggest", index), f"no fact or definition {name!r}{instead(name, domains, 'inputs')}"
                )
            yield from _of_cell(at, (*place, "suggest", index, "when", name), cell, domains.get(name))


def _of_cell(at: _At, place: _Place, cell: object, domain: Domain | None) -> Iterator[Problem]:
    """What is wrong with a cell; one of an input that is not there is left alone."""
    try:
        if domain is not None:
            unary_test(cell, domain)
    except ValueError as error:
        yield at(place, str(error))


def _circles(pack_files: PackFiles) -> Iterator[Problem]:
    """Decisions that rest on themselves."""
    paths = {table["id"]: path for path, table in pack_files.tables.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> Iterator[Problem]:
        if name in way:
            text = f"decisions in a circle: {' > '.join((*way, name))}"
            yields = name in pack_files.tables[paths[way[-1]]].get("yields-to", ())
            yield problem_at(paths[way[-1]], ("yields-to" if yields else "inputs",), "reference", text)
        elif name in paths and name not in done:
            for needed in inputs_of(pack_files.tables[paths[name]]):
                yield from visit(needed, (*way, name))
            done.add(name)

    for name in paths:
        yield from visit(name, ())


def _circles_of_facts(pack_files: PackFiles) -> Iterator[Problem]:
    """Facts that are derived from themselves."""
    at, facts = _in(pack_files.folder / "facts.yaml"), pack_files.facts["facts"]
    for name in facts:
        if name in facts_behind(name, facts):
            yield at(("facts", name, "inputs"), f"{name!r} is derived from itself")
