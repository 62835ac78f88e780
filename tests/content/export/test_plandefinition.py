"""The exported FHIR resources: valid, cited, stable, and with conditions that agree with our prepared."""

import json
import random
import re
from dataclasses import replace
from datetime import date
from functools import cache
from uuid import UUID

import fhirpathpy
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirpathpy.models import models

from cds_service.content.decide import decidable
from cds_service.content.model import Withdrawal
from cds_service.content.reviews import Review, Signature
from cds_service.content.unary import parse_cell
from cds_service.export.columns import Column
from cds_service.export.dmn import dmn
from cds_service.export.fhirpath import cell_condition, lone_condition
from cds_service.export.plandefinition import as_json, bundle, resources
from cds_service.vocabulary.facts import Interval, State
from tests.support.factsets import our_rules, random_sets, some_cells, tables
from tests.support.sample import EVERY_CASE

RANDOM_SETS = 100_000 if EVERY_CASE else 20_000
WHOLE_SETS = 1_000 if EVERY_CASE else 300  # put to FHIRPath in whole expressions, which is a hundred times as slow


def parameter(name, fact):
    """A fact as ``PlanDefinition.usage`` describes it."""
    parts = [{"name": "state", "valueCode": str(fact.state)}]
    value = fact.value if fact.state is State.VALUE else None
    if isinstance(value, Interval):
        for end, number in (("low", value.low), ("high", value.high)):
            parts += [{"name": end, "valueDecimal": float(number)}] if number is not None else []
        parts.append({"name": "lowOpen", "valueBoolean": value.low_open})
        parts.append({"name": "highOpen", "valueBoolean": value.high_open})
    elif value is not None:
        parts.append({"name": "value", "valueString": value})
    return {"name": name, "part": parts}


@cache
def compiled(expression):
    return fhirpathpy.compile(expression, models["r4"])


def holds(expression, facts):
    parameters = [parameter(name, fact) for name, fact in facts.items()]
    (result,) = compiled(expression)({"resourceType": "Parameters", "parameter": parameters})
    assert isinstance(result, bool)
    return result


def conjuncts(expression):
    """The parts of ``(...) and (...)``, or the expression alone if it is no such thing."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, character in enumerate(expression):
        quoted ^= character == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and not quoted:
            if expression.startswith(" or ", place):
                return [expression]
            if expression.startswith(" and ", place):
                parts.append(expression[start:place])
                start = place + len(" and ")
    return [*parts, expression[start:]]


def opened(expression):
    """What stands in a pair of brackets around all of an expression, else the expression."""
    is_one = expression.startswith("(") and len(conjuncts(expression)) == 1 and balanced(expression[1:-1])
    return expression[1:-1] if is_one and expression.endswith(")") else expression


def balanced(text):
    depth = 0
    for character in re.sub(r"'[^']*'", "", text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


class Conditions:
    """Evaluates conditions by fhirpathpy, each once for the facts that it reads.

    Unless ``whole``, the not and the and around the cells of earlier rules are worked out here, to save time.
    """

    def __init__(self, table, whole):
        self.table = table
        self.whole = whole
        self.known = {}
        self.reads = {}

    def hold(self, conditions, chosen):
        return all(self.holds(condition["expression"]["expression"], chosen) for condition in conditions)

    def holds(self, expression, chosen):
        if expression not in self.reads:
            names = [column.name for column in self.table.columns]
            self.reads[expression] = (
                [i for i, name in enumerate(names) if f"(name = '{name}')" in expression],
                [] if self.whole else self.taken_apart(expression),
            )
        read, parts = self.reads[expression]
        if parts:
            return not all(self.holds(part, chosen) for part in parts)
        key = (expression, *(chosen[i] for i in read))
        if key not in self.known:
            facts = {self.table.columns[i].name: self.table.pools[i][chosen[i]] for i in read}
            self.known[key] = holds(expression, facts)
        return self.known[key]

    def taken_apart(self, expression):
        """The parts of ``((...) and (...)).not()``."""
        inner = expression.removesuffix(".not()")
        return [opened(part) for part in conjuncts(opened(inner))] if inner != expression else []


@pytest.fixture(scope="module")
def exported(pack):
    return {resource["url"].partition("/vitamin-b12/")[2]: resource for resource in resources(pack)}


@pytest.fixture(scope="module")
def plans(pack, exported):
    return {name: exported[f"PlanDefinition/{name}"] for name in pack.decisions}


@pytest.fixture(scope="module")
def asked(pack):
    return tables(pack, random.Random(5), numbers=30, most_cells=2000)  # noqa: S311


def actions(plan):
    return plan["action"][0].get("action", [])


def differences(pack, asked, plans, sets, whole=False):
    different = []
    compared = 0
    for table in asked:
        decision = table.decision
        silent = {rule.id for rule in decision.rules if rule.then.silent}
        conditions = Conditions(table, whole)
        plan = actions(plans[decision.id])
        for chosen, ours in zip(sets[decision.id], our_rules(pack, table, sets[decision.id]), strict=True):
            told = [action["id"] for action in plan if conditions.hold(action.get("condition", []), chosen)]
            compared += 1
            if told != [rule for rule in ours if rule not in silent]:
                different.append((decision.id, table.facts(chosen), ours, told))
    return different, compared


def test_every_resource_is_valid_and_so_is_the_bundle(pack, exported):
    for resource in exported.values():
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    get_fhir_model_class("Bundle").model_validate(bundle(pack))


def test_the_same_content_gives_the_same_bytes(pack):
    assert as_json(bundle(pack)) == as_json(json.loads(as_json(bundle(pack))))
    assert as_json(bundle(pack)) == as_json(bundle(pack))


def test_conditions_agree_on_every_cell_and_on_random_facts(pack, asked, plans):
    chance = random.Random(6)  # noqa: S311
    share = -(-RANDOM_SETS // len(asked))
    sets = {table.decision.id: table.cells + random_sets(table, share, chance) for table in asked}
    different, compared = differences(pack, asked, plans, sets)
    assert different[:3] == []
    assert compared - sum(len(table.cells) for table in asked) >= RANDOM_SETS


def test_whole_conditions_agree(pack, asked, plans):
    chance = random.Random(8)  # noqa: S311
    sets = {table.decision.id: random_sets(table, WHOLE_SETS // len(asked), chance) for table in asked}
    assert differences(pack, asked, plans, sets, whole=True)[0] == []


def test_every_cell_of_every_column_matches_the_same_facts(asked):
    for table in asked:
        for column, pool in zip(table.columns, table.pools, strict=True):
            for cell in dict.fromkeys(column.cells):
                expression = cell_condition(cell, column)
                for fact in dict.fromkeys(pool):
                    ours = cell.matches(decidable(fact, column.cells))
                    assert holds(expression, {column.name: fact}) is ours, (table.decision.id, cell.source, fact)


def test_one_changed_condition_is_noticed(pack, asked, plans):
    table = next(t for t in asked if any(column.is_numeric for column in t.columns))
    changed = json.loads(json.dumps(plans[table.decision.id]).replace(" >= ", " > "))
    sets = {table.decision.id: table.cells}
    assert differences(pack, [table], {table.decision.id: changed}, sets)[0] != []


def test_conditions_of_any_cells_agree(pack, asked):
    """Bands that overlap and leave holes, strings ruled out, states anywhere."""
    chance = random.Random(7)  # noqa: S311
    pools = [pool for t in asked for column, pool in zip(t.columns, t.pools, strict=True) if column.is_numeric]
    facts = [fact for pool in pools[:3] for fact in pool]
    for _ in range(10):
        cells = tuple(cell for source in some_cells(chance, 3) if (cell := parse_cell(source)) is not None)
        column = Column("x", "", cells, (), False)
        for cell in cells:
            for fact in chance.sample(facts, 30):
                ours = cell.matches(decidable(fact, cells))
                assert holds(cell_condition(cell, column), {"x": fact}) is ours, (cell.source, fact)
                assert holds(lone_condition(cell, "x"), {"x": fact}) is cell.matches(fact)


def test_a_card_cites_its_statement_and_bears_its_hooks_and_its_order_templates(pack, exported, plans):
    for decision in pack.decisions.values():
        plan = plans[decision.id]
        hooks = [service.hook for service in pack.services.values() if decision.id in service.decisions]
        assert [trigger["name"] for trigger in plan["action"][0].get("trigger", [])] == hooks
        assert plan["version"] == decision.version
        assert plan["experimental"] is not (pack.is_reviewed or decision.is_reviewed)
        spoken = [rule for rule in decision.rules if not rule.then.silent]
        assert [action["id"] for action in actions(plan)] == [rule.id for rule in spoken]
        for rule, action in zip(spoken, actions(plan), strict=True):
            if rule.statement:
                (citation,) = action["documentation"]
                assert citation["label"] == rule.statement
                assert pack.statements[rule.statement].quote in citation["citation"]
            offered = {a["id"]: a for a in action.get("action", [])}
            assert list(offered) == [suggestion.id for suggestion in rule.then.suggestions]
            for suggestion in rule.then.suggestions:
                canonical = offered[suggestion.id].get("definitionCanonical", "")
                assert bool(canonical) == bool(suggestion.template)
                if canonical:
                    activity = exported[canonical.partition("/vitamin-b12/")[2].partition("|")[0]]
                    assert activity["kind"] == pack.templates[suggestion.template].resource["resourceType"]


@pytest.mark.parametrize(
    ("status", "published"),
    [("active", "active"), ("shadow", "draft"), ("draft", "draft"), ("retired", "retired"), ("off", "retired")],
)
def test_only_what_is_shown_is_published_as_active(pack, status, published):
    changed = {name: replace(decision, status=status) for name, decision in pack.decisions.items()}
    plans = [r for r in resources(replace(pack, decisions=changed)) if r["resourceType"] == "PlanDefinition"]
    assert {plan["status"] for plan in plans} == {published}


def test_a_rule_that_the_site_has_switched_off_is_no_action(pack):
    decision = pack.decisions["imPlatelets"]
    rules = tuple(
        replace(rule, withdrawn=Withdrawal("a test", "2026-11-29")) if rule.id == "ThinNeedle" else rule
        for rule in decision.rules
    )
    changed = replace(pack, decisions={**pack.decisions, decision.id: replace(decision, rules=rules)})
    before, after = (
        next(r for r in resources(one) if r["resourceType"] == "PlanDefinition" and r["id"] == decision.id)
        for one in (pack, changed)
    )
    assert [a["id"] for a in actions(after)] == [a["id"] for a in actions(before) if a["id"] != "ThinNeedle"]


def test_a_review_that_counts_ends_the_experiment_and_says_until_when(pack):
    signed = Signature("Pharmacist", "register 1", date(2026, 11, 20))
    reviewed = replace(pack, review=Review(pack.version, signed, signed, date(2027, 11, 20)))
    for resource in resources(reviewed):
        if resource["resourceType"] in ("PlanDefinition", "ActivityDefinition"):
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            assert resource["experimental"] is False
            assert resource["lastReviewDate"] == "2026-11-20"
            assert resource["effectivePeriod"] == {"end": "2027-11-20"}
    assert "The next clinical review is due by 2027-11-20." in dmn(reviewed)
    assert pack.words["not-reviewed"] in dmn(replace(reviewed, version="9.9.9"))


def test_every_canonical_url_has_the_base_that_the_pack_declares(pack):
    assert all(resource["url"].startswith(f"{pack.canonical_base}/") for resource in resources(pack))


def test_a_topic_has_a_system_that_belongs_to_nobodys_domain(pack):
    """Z90: a name that no domain can take away."""
    assert UUID(pack.topic_system.removeprefix("urn:uuid:")).version == 4
