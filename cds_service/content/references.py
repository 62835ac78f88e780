"""What the files of a pack say of each other: names that point nowhere, circles, and cells that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from cds_service.content.compile_facts import codes_asked_for, search_keys, value_set_names
from cds_service.content.compile_tables import template_of
from cds_service.content.files import PackFiles, problem_at
from cds_service.content.unary import parse_cell
from cds_service.vocabulary.problems import Problem

_Place = tuple[str | int, ...]
_At = Callable[[_Place, str], Problem]


def problems_between(pack_files: PackFiles) -> Iterator[Problem]:
    """Whatever would keep these files from being compiled."""
    yield from _of_head(pack_files)
    yield from _of_facts(pack_files)
    for path, table in pack_files.tables.items():
        yield from _of_table(pack_files, path, table)
    yield from _circles(pack_files)


def _in(path: Path) -> _At:
    """What makes problems of one file, by place and text."""
    return lambda place, text: problem_at(path, place, "reference", text)


def _of_head(pack_files: PackFiles) -> Iterator[Problem]:
    head, at = pack_files.head, _in(pack_files.folder / "pack.yaml")
    if head["id"] != pack_files.folder.name:
        yield at(("id",), f"the folder is not named as the pack {head['id']!r}")
    for member in ("relevant", "excluded"):
        for name in head[member]:
            if name not in pack_files.value_sets:
                yield at((member,), f"no value set {name!r}")
    decisions = {table["id"] for table in pack_files.tables.values()}
    for service in head["services"]:
        for name in service["decisions"]:
            if name not in decisions:
                yield at(("services",), f"no decision {name!r}")


def _of_facts(pack_files: PackFiles) -> Iterator[Problem]:
    at = _in(pack_files.folder / "facts.yaml")
    facts = pack_files.facts["facts"]
    for way, data in pack_files.facts.get("ways", {}).items():
        for set_id in data.get("routes", ()):
            if set_id not in pack_files.value_sets:
                yield at(("ways", way), f"no value set {set_id!r}")
    result_searches = codes_asked_for(facts, pack_files.value_sets)
    searches = {*pack_files.facts["searches"], *result_searches}
    for name, fact in facts.items():
        for text in (*_of_fact(pack_files, name, fact, searches), *_of_events(pack_files, fact)):
            yield at(("facts", name), text)


def _of_fact(pack_files: PackFiles, name: str, fact: Mapping[str, Any], searches: Container[str]) -> Iterator[str]:
    value_sets = value_set_names(fact).values()
    for set_id in value_sets:
        if set_id not in pack_files.value_sets:
            yield f"no value set {set_id!r}"
    if fact["kind"] not in ("observation", "flag"):  # a result that nobody can look for has no search (Z33)
        for key in search_keys(name, fact):
            if key not in searches:
                yield f"no search {key!r}"
    other = fact.get("look-back-of")
    if other is not None and "look-back" not in pack_files.facts["facts"].get(other, {}):
        yield f"no fact {other!r} with a look-back"
    analyte = pack_files.units.get(fact.get("analyte", ""))
    if "analyte" in fact and analyte is None:
        yield f"no analyte {fact['analyte']!r} in units.yaml"
    if analyte is not None and fact.get("unit", analyte["canonical"]) != analyte["canonical"]:
        yield f"unit is not the analyte's canonical {analyte['canonical']!r}"
    if "plausible" in fact:
        known = set(analyte["units"] if analyte is not None else ())
        for unit in sorted({fact["plausible"]["unit"], *fact["plausible"].get("perhaps", {})} - known):
            yield f"{unit!r} is not among the units of its analyte"
    if fact.get("element") == "dose":
        units = set(analyte["units"] if analyte is not None else ())
        for set_id in value_sets:
            rows = pack_files.value_sets.get(set_id, {}).get("concepts", ())
            for unit in sorted({row["strength"]["unit"] for row in rows if row.get("strength")} - units):
                yield f"{set_id} has strengths in {unit!r}, which its analyte has not"


def _of_events(pack_files: PackFiles, fact: Mapping[str, Any]) -> Iterator[str]:
    """What a fact about events refers to: a way, facts of a dosage with their cells, the fact of a flag."""
    facts = pack_files.facts["facts"]
    if "way" in fact and fact["way"] not in pack_files.facts.get("ways", {}):
        yield f"no way {fact['way']!r}"
    for name in (*fact.get("steps", ()), *fact.get("alike", ())):
        if facts.get(name, {}).get("kind") != "dosage":
            yield f"no fact {name!r} of a dosage"
    for cell in fact.get("steps", {}).values():
        try:
            parse_cell(cell)
        except ValueError as error:
            yield str(error)
    if "flagged" in fact and facts.get(fact["flagged"], {}).get("kind") != "flag":
        yield f"no fact {fact['flagged']!r} of a flag"


def _of_table(pack_files: PackFiles, path: Path, table: Mapping[str, Any]) -> Iterator[Problem]:
    at = _in(path)
    if path.parent.name != table["id"]:
        yield at(("id",), f"folder {path.parent.name!r} is not named as the decision {table['id']!r}")
    kinds = {other["id"]: other["kind"] for other in pack_files.tables.values()}
    known = {**dict.fromkeys(pack_files.facts["facts"], "fact"), **kinds}
    for name in table["inputs"]:
        if name not in known:
            yield at(("inputs", name), f"no fact or decision {name!r}")
        elif known[name] not in ("fact", "definition"):
            yield at(("inputs", name), f"{name!r} is no definition")
    for index, rule in enumerate(table["rules"]):
        place = ("rules", index)
        for name, cell in rule.get("when", {}).items():
            if name not in table["inputs"]:
                yield at((*place, "when", name), f"{name!r} is no input of this table")
            yield from _of_cell(at, (*place, "when", name), cell)
        if (statement := rule.get("statement", "")) and statement not in pack_files.sources["statements"]:
            yield at((*place, "statement"), f"no statement {statement!r} in sources.yaml")
        for name in rule.get("settles", ()):
            if name not in pack_files.sources["settlements"]:
                yield at((*place, "settles"), f"no settlement {name!r} in sources.yaml")
        if not isinstance(rule["then"], str):
            yield from _of_outcome(pack_files, at, (*place, "then"), rule["then"], pack_files.texts[path], known)


def _of_outcome(
    pack_files: PackFiles,
    at: _At,
    place: _Place,
    then: Mapping[str, Any],
    texts: Mapping[str, Any],
    known: Container[str],
) -> Iterator[Problem]:
    text = texts.get("texts", {}).get(then.get("text", ""))
    if then.get("text") and text is None:
        yield at((*place, "text"), f"no text {then['text']!r} in text.en.yaml")
    for index, entry in enumerate(then.get("suggest", ())):
        template = template_of(entry)
        if template and template not in pack_files.orders:
            yield at((*place, "suggest"), f"no order template {template!r}")
        if text is not None and entry["id"] not in text.get("suggestions", {}):
            yield at((*place, "suggest"), f"no label for suggestion {entry['id']!r}")
        for name, cell in entry.get("when", {}).items():
            if name not in known:
                yield at((*place, "suggest"), f"no fact or decision {name!r}")
            yield from _of_cell(at, (*place, "suggest", index, "when", name), cell)


def _of_cell(at: _At, place: _Place, cell: object) -> Iterator[Problem]:
    try:
        parse_cell(str(cell))
    except ValueError as error:
        yield at(place, str(error))


def _circles(pack_files: PackFiles) -> Iterator[Problem]:
    """Decisions that rest on themselves."""
    paths = {table["id"]: path for path, table in pack_files.tables.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> Iterator[Problem]:
        if name in way:
            text = f"decisions in a circle: {' > '.join((*way, name))}"
            yield problem_at(paths[name], ("inputs",), "reference", text)
        elif name in paths and name not in done:
            for needed in pack_files.tables[paths[name]]["inputs"]:
                yield from visit(needed, (*way, name))
            done.add(name)

    for name in paths:
        yield from visit(name, ())
