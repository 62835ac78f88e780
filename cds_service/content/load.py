"""From the folder ``cards/`` to a compiled pack. Imports the shared vocabulary and this room.

Whatever is wrong is reported with file and line, all of it at once where possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cds_service.content.files import ContentError, line_of, read_yaml, schema
from cds_service.content.lock import read_lock
from cds_service.content.model import (
    SUGGESTION_KINDS,
    CardText,
    Decision,
    OrderTemplate,
    Outcome,
    Pack,
    Rule,
    Service,
    Settlement,
    Statement,
    Suggestion,
)
from cds_service.content.site import Site
from cds_service.content.unary import Cell, parse_cell
from cds_service.vocabulary.declarations import (
    Analyte,
    Concept,
    FactDeclaration,
    Plausible,
    Search,
    Strength,
    ValueSet,
)
from cds_service.vocabulary.facts import exact

LOINC = "http://loinc.org"
_WITHHOLD = {"": "", "withheld": "all", "medications withheld": "medications"}
_PATIENT_SEARCH = "patient={{context.patientId}}"


def load_pack(cards: Path, site: Site | None = None, *, is_proven: bool = False) -> Pack:
    """The one pack of a ``cards`` folder, compiled, with a site's overlay laid over it (Z31).

    Content that ``is_proven`` passed ``check`` as it stands and is not held against its JSON Schemas again.

    Raises:
        ContentError: the folder or a file of it cannot be used; every problem with file and line.
    """
    folders = sorted(path.parent for path in cards.glob("*/pack.yaml"))
    if len(folders) != 1:
        raise ContentError([f"{cards}:1: schema: expected one folder with a pack.yaml, found {len(folders)}"])
    return _Loading(folders[0], cards, site or Site(), is_proven=is_proven).pack()


class _Loading:
    """One reading of one pack folder; problems are gathered, then raised together."""

    def __init__(self, folder: Path, cards: Path, site: Site, *, is_proven: bool) -> None:
        self.is_proven = is_proven
        self.folder = folder
        self.cards = cards
        self.site = site
        self.problems: list[str] = []

    def pack(self) -> Pack:
        head = self._read(self.folder / "pack.yaml", "pack")
        sources = self._read(self.folder / "sources.yaml", "sources")
        words = self._read(self.folder / "words.en.yaml", "words")
        units = self._read(self.folder / "units.yaml", "units")
        facts_file = self._read(self.folder / "facts.yaml", "facts")
        rows = {path.stem: data for path, data in self._read_all("value-sets/*.yaml", "value-set").items()}
        self._stop()
        self._add_local_codes(rows)
        self._set_look_backs(facts_file["facts"])
        value_sets = {name: _value_set(data) for name, data in rows.items()}
        if head["id"] != self.folder.name:
            self._fault(self.folder / "pack.yaml", ("id",), f"the folder is not named as the pack {head['id']!r}")
        analytes = {name: _analyte(data) for name, data in units.items()}
        searches, facts = self._facts(facts_file, value_sets, analytes)
        orders = {data["id"]: data for data in self._read_all("orders/*.yaml", "order").values()}
        templates = {name: self._template(data) for name, data in orders.items()}
        self._known("orderables", self.site.orderables, orders)
        names = dict(head["names"])
        decisions = {}
        for path, data in self._read_all("decisions/*/table.yaml", "table").items():
            texts = self._read(path.parent / "text.en.yaml", "text")
            if data and texts:
                decisions[data["id"]] = self._decision(path, data, texts)
        self._switch_off(decisions)
        services = {s["id"]: _service(s) for s in head["services"]}
        self._stop()
        pack = Pack(
            id=head["id"],
            version=head["version"],
            title=head["title"],
            topic_system=head["topic-system"],
            review=head["review"],
            services=services,
            relevant=tuple(self._sets(head["relevant"], value_sets, self.folder / "pack.yaml", "relevant")),
            excluded=tuple(self._sets(head["excluded"], value_sets, self.folder / "pack.yaml", "excluded")),
            facts=facts,
            searches=searches,
            decisions=decisions,
            templates=templates,
            statements={
                key: Statement(key, entry["place"], entry["quote"], entry.get("no-rule", ""))
                for key, entry in sources["statements"].items()
            },
            settlements={
                key: Settlement(key, entry["clash"], entry["settlement"], entry.get("no-rule", ""))
                for key, entry in sources["settlements"].items()
            },
            source_label=sources["label"],
            words=words["words"],
            reasons=words["reasons"],
            names=names,
            findings=read_lock(self.cards / "lock.json").findings,
            value_sets=value_sets,
            site_digest=self.site.digest,
        )
        self._references(pack)
        self._stop()
        return pack

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self, path: Path, kind: str) -> Any:
        try:
            return read_yaml(path, kind, is_proven=self.is_proven)
        except ContentError as error:
            self.problems.extend(error.problems)
            return {}

    def _read_all(self, pattern: str, kind: str) -> dict[Path, Any]:
        read = {path: self._read(path, kind) for path in sorted(self.folder.glob(pattern))}
        return {path: data for path, data in read.items() if data}

    def _stop(self) -> None:
        if self.problems:
            raise ContentError(self.problems)

    def _fault(self, path: Path, place: tuple[str | int, ...], text: str) -> None:
        self.problems.append(f"{path}:{line_of(path, place)}: reference: {text}")

    # --- the site's overlay ---------------------------------------------------------------------------------------

    def _known(self, table: str, names: Iterable[str], known: Iterable[str]) -> None:
        for name in sorted(set(names) - set(known)):
            self.problems.append(self.site.fault([table, name], f"{table}: the content has no {name!r}"))

    def _add_local_codes(self, rows: Mapping[str, Any]) -> None:
        self._known("codes", self.site.codes, rows)
        for name, added in self.site.codes.items():
            if name not in rows:
                continue
            data = rows[name]
            taken = {(row["system"], row["code"]) for row in data["concepts"]}
            local = [{**row, "verified": ["the site"]} for row in added]
            for row in local:
                place = ["codes", name, row["code"]]
                if (row["system"], row["code"]) in taken:
                    self.problems.append(self.site.fault(place, f"{name} holds {row['code']!r} already"))
                if data["kind"] == "medication" and "agent" not in row:
                    self.problems.append(self.site.fault(place, f"{row['code']!r} needs an agent"))
            for fault in schema("value-set").iter_errors({**data, "concepts": local}):
                self.problems.append(self.site.fault(["codes", name], f"{name}: {fault.message}"))
            data["concepts"] = [*data["concepts"], *({**row, "local": True} for row in local)]
        self._stop()

    def _set_look_backs(self, facts: Mapping[str, Any]) -> None:
        self._known("look-backs", self.site.look_backs, facts)
        for name, look_back in self.site.look_backs.items():
            bounds = facts.get(name, {}).get("look-back-bounds")
            place = ["look-backs", name]
            if name in facts and not bounds:
                self.problems.append(self.site.fault(place, f"the look-back of {name} is not the site's to set"))
            elif bounds and not _days(bounds[0]) <= _days(look_back) <= _days(bounds[1]):
                self.problems.append(
                    self.site.fault(place, f"{look_back} is not within {bounds[0]} to {bounds[1]} for {name}")
                )
            elif bounds:
                facts[name]["look-back"] = look_back
        self._stop()

    def _switch_off(self, decisions: dict[str, Decision]) -> None:
        self._known("off", self.site.off, decisions)
        for name in self.site.off:
            if name in decisions and decisions[name].kind == "definition":
                self.problems.append(self.site.fault(["off", name], f"{name} is a definition; others rest on it"))
            elif name in decisions:
                decisions[name] = replace(decisions[name], status="off")

    def _template(self, data: Mapping[str, Any]) -> OrderTemplate:
        orderable = self.site.orderables.get(data["id"], {})
        resource = data["resource"]
        if orderable:
            element = "code" if resource["resourceType"] == "ServiceRequest" else "medicationCodeableConcept"
            concept = resource[element]
            concept = {"coding": [dict(orderable), *concept["coding"]], "text": orderable["display"]}
            resource = {**resource, element: concept}
        return OrderTemplate(
            id=data["id"],
            statement=data.get("statement", ""),
            resource=resource,
            agent=data.get("agent", ""),
            dosage_text=data.get("dosage-text", ""),
            name=data["name"],
            stocked=orderable is not None,
        )

    # --- compiling ----------------------------------------------------------------------------------------------

    def _sets(self, names: list[str], known: Mapping[str, ValueSet], path: Path, place: str) -> list[ValueSet]:
        for name in names:
            if name not in known:
                self._fault(path, (place,), f"no value set {name!r}")
        return [known[name] for name in names if name in known]

    def _facts(
        self, data: Mapping[str, Any], value_sets: Mapping[str, ValueSet], analytes: Mapping[str, Analyte]
    ) -> tuple[dict[str, Search], dict[str, FactDeclaration]]:
        path = self.folder / "facts.yaml"
        searches: dict[str, Search] = {}
        for key, search in data["searches"].items():
            query = "&".join([_PATIENT_SEARCH, *search.get("query", [])])
            template = f"{search['resource']}?{query}"
            if search["resource"] == "Patient":
                template = "Patient/{{context.patientId}}"
            searches[key] = Search(key, search["resource"], template)
        searches |= _result_searches(data, value_sets)
        facts: dict[str, FactDeclaration] = {}
        for name, fact in data["facts"].items():
            named = fact.get("value-sets", {})
            if "value-set" in fact:
                named = {fact["value-set"]: fact["value-set"], **named}
            sets = {}
            for alias, set_id in named.items():
                for found in self._sets([set_id], value_sets, path, name):
                    sets[alias] = found
            keys = fact.get("search", [])
            keys = [keys] if isinstance(keys, str) else keys
            if fact["kind"] in ("observation", "flag"):
                keys = [key for key in [fact.get("search") or name] if key in searches]
            for key in keys:
                if key not in searches:
                    self._fault(path, ("facts", name), f"no search {key!r}")
            analyte = analytes.get(fact.get("analyte", ""))
            if "analyte" in fact and analyte is None:
                self._fault(path, ("facts", name), f"no analyte {fact['analyte']!r} in units.yaml")
            if analyte is not None and fact.get("unit", analyte.canonical) != analyte.canonical:
                self._fault(path, ("facts", name), f"unit is not the analyte's canonical {analyte.canonical!r}")
            for value_set in sets.values() if fact.get("element") == "dose" else ():
                self._strengths(path, name, value_set, analyte)
            plausible = fact.get("plausible")
            look_back = fact.get("look-back")
            facts[name] = FactDeclaration(
                name=name,
                kind=fact["kind"],
                label=fact["label"],
                element=fact.get("element", ""),
                value_sets=sets,
                analyte=analyte,
                plausible=self._plausible(path, name, plausible, analyte) if plausible else None,
                searches=tuple(searches[key] for key in keys if key in searches),
                look_back_days=_days(look_back) if look_back else None,
                naming=tuple(fact.get("naming", ())),
                form=fact.get("form", ""),
                statuses=tuple(fact.get("statuses", ())),
                inputs=fact.get("inputs", {}),
                constants={key: exact(str(value)) for key, value in fact.get("constants", {}).items()},
                counted={text: per for per, texts in fact.get("counted", {}).items() for text in texts},
                values=tuple(fact.get("values", ())),
                unit=fact.get("unit", ""),
            )
        return searches, facts

    def _plausible(self, path: Path, name: str, data: Mapping[str, Any], analyte: Analyte | None) -> Plausible | None:
        """The limits of a fact in the canonical unit of its analyte, whatever unit of it the file gives them in."""
        factors = analyte.factors if analyte is not None else {}
        unknown = sorted({data["unit"], *data.get("perhaps", {})} - set(factors))
        for unit in unknown:
            self._fault(path, ("facts", name, "plausible"), f"{unit!r} is not among the units of its analyte")
        if unknown:
            return None
        low, high = (exact(exact(str(data[end])) * factors[data["unit"]]) for end in ("low", "high"))
        return Plausible(low, high, data.get("zero", False), data.get("perhaps", {}))

    def _strengths(self, path: Path, name: str, value_set: ValueSet, analyte: Analyte | None) -> None:
        units = {c.strength.unit for c in value_set.codes.values() if c.strength is not None}
        for unit in sorted(units - set(analyte.factors if analyte else ())):
            self._fault(path, ("facts", name), f"{value_set.id} has strengths in {unit!r}, which its analyte has not")

    def _decision(self, path: Path, data: Mapping[str, Any], texts: Mapping[str, Any]) -> Decision:
        inputs = tuple(data["inputs"])
        rules = []
        for index, rule in enumerate(data["rules"]):
            place = ("rules", index)
            for name in rule.get("when", {}):
                if name not in inputs:
                    self._fault(path, (*place, "when", name), f"{name!r} is no input of this table")
            cells = tuple(
                self._cell(path, (*place, "when", name), rule.get("when", {}).get(name, "-")) for name in inputs
            )
            rules.append(
                Rule(
                    id=rule["id"],
                    cells=cells,
                    then=self._outcome(path, place, data["kind"], rule["then"]),
                    statement=rule.get("statement", ""),
                    basis=rule.get("basis", ""),
                    index=index,
                    settles=tuple(rule.get("settles", ())),
                    alone=rule.get("alone", False),
                )
            )
        columns = tuple(
            tuple(cell for rule in rules if (cell := rule.cells[i]) is not None) for i in range(len(inputs))
        )
        values = tuple(dict.fromkeys(rule.then.value for rule in rules if rule.then.value))
        return Decision(
            id=data["id"],
            version=data["version"],
            status=data["status"],
            kind=data["kind"],
            each=data.get("each", "order"),
            title=data["title"],
            question=data["question"],
            hit_policy=data["hit-policy"],
            inputs=inputs,
            rules=tuple(rules),
            columns=columns,
            texts={
                key: CardText(
                    _one_line(text.get("summary", "")),
                    text.get("detail", "").strip(),
                    text.get("suggestions", {}),
                )
                for key, text in texts.get("texts", {}).items()
            },
            phrases=texts.get("phrases", {}),
            override_reasons=tuple(texts.get("override-reasons", ())),
            safety=data.get("safety", False),
            path=path,
            values=values,
            review=data.get("review", {}),
        )

    def _cell(self, path: Path, place: tuple[str | int, ...], source: object) -> Cell | None:
        try:
            return parse_cell(str(source))
        except ValueError as error:
            self._fault(path, place, str(error))
            return None

    def _outcome(self, path: Path, place: tuple[str | int, ...], kind: str, then: Any) -> Outcome:
        if isinstance(then, str):
            return Outcome(silent=True) if kind != "definition" else Outcome(value=then)
        suggestions = []
        for index, item in enumerate(then.get("suggest", [])):
            when = {
                name: self._cell(path, (*place, "then", "suggest", index, "when", name), cell)
                for name, cell in item.get("when", {}).items()
            }
            suggestion_kind = next(key for key in SUGGESTION_KINDS if key in item)
            target = item[suggestion_kind]
            suggestions.append(
                Suggestion(
                    id=item["id"],
                    kind=suggestion_kind,
                    template=target if suggestion_kind in ("replace", "add", "dosage", "last-dosage") else "",
                    route=target if suggestion_kind == "route" else {},
                    recommended=item.get("recommended", False),
                    when=when,
                )
            )
        return Outcome(
            indicator=then.get("indicator", ""),
            text=then.get("text", ""),
            suggestions=tuple(suggestions),
            not_checked=then.get("not-checked", False),
            not_covered=then.get("not-covered", False),
            withhold=_WITHHOLD[then.get("suggestions", "")],
            selection=then.get("selection", "at-most-one"),
        )

    # --- references ---------------------------------------------------------------------------------------------

    def _references(self, pack: Pack) -> None:
        known = {*pack.facts, *pack.decisions}
        for decision in pack.decisions.values():
            path = decision.path
            if path.parent.name != decision.id:
                self._fault(path, ("id",), f"folder {path.parent.name!r} is not named as the decision {decision.id!r}")
            for name in decision.inputs:
                if name not in known:
                    self._fault(path, ("inputs", name), f"no fact or decision {name!r}")
                elif name in pack.decisions and pack.decisions[name].kind != "definition":
                    self._fault(path, ("inputs", name), f"{name!r} is no definition")
            for index, rule in enumerate(decision.rules):
                place = ("rules", index)
                if rule.statement and rule.statement not in pack.statements:
                    self._fault(path, (*place, "statement"), f"no statement {rule.statement!r} in sources.yaml")
                for name in rule.settles:
                    if name not in pack.settlements:
                        self._fault(path, (*place, "settles"), f"no settlement {name!r} in sources.yaml")
                if rule.then.text and rule.then.text not in decision.texts:
                    self._fault(path, (*place, "then", "text"), f"no text {rule.then.text!r} in text.en.yaml")
                for suggestion in rule.then.suggestions:
                    if suggestion.template and suggestion.template not in pack.templates:
                        self._fault(path, (*place, "then", "suggest"), f"no order template {suggestion.template!r}")
                    if suggestion.id not in decision.texts[rule.then.text].labels:
                        self._fault(path, (*place, "then", "suggest"), f"no label for suggestion {suggestion.id!r}")
                    for name in suggestion.when:
                        if name not in known:
                            self._fault(path, (*place, "then", "suggest"), f"no fact or decision {name!r}")
        self._cycles(pack)
        for service in pack.services.values():
            for name in service.decisions:
                if name not in pack.decisions:
                    self._fault(self.folder / "pack.yaml", ("services",), f"no decision {name!r}")

    def _cycles(self, pack: Pack) -> None:
        done: set[str] = set()

        def visit(name: str, way: tuple[str, ...]) -> None:
            if name in way:
                self._fault(
                    pack.decisions[name].path,
                    ("inputs",),
                    f"decisions in a circle: {' > '.join((*way, name))}",
                )
            elif name in pack.decisions and name not in done:
                for needed in pack.decisions[name].inputs:
                    visit(needed, (*way, name))
                done.add(name)

        for name in pack.decisions:
            visit(name, ())


def _result_searches(data: Mapping[str, Any], value_sets: Mapping[str, ValueSet]) -> dict[str, Search]:
    """The searches for results, each asking for the codes of all facts that share its key.

    Codes are LOINC's and the site's own; where there is none, nobody can look, and there is no search (Z22, Z33).
    """
    codes: dict[str, dict[str, None]] = {}
    for name, fact in data["facts"].items():
        if fact["kind"] in ("observation", "flag") and fact["value-set"] in value_sets:
            asked = codes.setdefault(fact.get("search") or name, {})
            for concept in value_sets[fact["value-set"]].codes.values():
                if concept.system == LOINC or concept.local:
                    asked[f"{concept.system}|{concept.code}"] = None
    ending = f"&_sort=-date&_count={data['results-per-page']}"
    return {
        key: Search(key, "Observation", f"Observation?{_PATIENT_SEARCH}&code={','.join(asked)}{ending}")
        for key, asked in codes.items()
        if asked
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _value_set(data: Mapping[str, Any]) -> ValueSet:
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
    names = {
        row["name"].casefold(): Concept("", row["name"], row["name"], row["agent"]) for row in data.get("names", [])
    }
    return ValueSet(data["id"], data["title"], data["kind"], codes, tuple(prefixes), names, data.get("settles", False))


def _analyte(data: Mapping[str, Any]) -> Analyte:
    factors = {unit: exact(factor) for unit, factor in data["units"].items()}
    return Analyte(
        data["canonical"], factors, data.get("aliases", {}), data.get("grammar", ""), tuple(data.get("counted", ()))
    )


def _days(look_back: str) -> int:
    """The days in a look-back such as ``P90D``."""
    return int(look_back[1:-1])


def _service(data: Mapping[str, Any]) -> Service:
    return Service(
        data["id"],
        data["hook"],
        data["title"],
        _one_line(data["description"]),
        _one_line(data.get("usage-requirements", "")),
        tuple(data["decisions"]),
    )
