"""The schemas of the content say of every key what it is for, in whole sentences."""

import json
import re
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from cds_service.content.schema_keys import described, description_at, shown_path
from tests.support.faults import assert_none

SCHEMAS = {
    path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
    for path in files("cds_service.content").joinpath("schemas").iterdir()
}


def parts_of(node):
    """Every part of a schema that is an object."""
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from parts_of(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from parts_of(inner)


def required_in(node, way=()):
    """The ways to all keys that a part of a schema asks for, whatever else holds."""
    for key in node.get("required", ()):
        if key in node.get("properties", {}):
            yield (*way, key)
    for key, inner in node.get("properties", {}).items():
        yield from required_in(inner, (*way, key))
    for key, step in (("additionalProperties", "*"), ("items", "[]")):
        if isinstance(node.get(key), dict):
            yield from required_in(node[key], (*way, step))
    for branch in node.get("anyOf", ()):
        yield from required_in(branch, way)


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_every_key_has_a_description_in_whole_sentences(kind):
    schema = SCHEMAS[kind]
    Draft202012Validator.check_schema(schema)
    keys = described(schema)
    faults = {kind: [] if re.search(r"\.$", schema.get("description", "")) else ["the file has no description"]}
    for way, part in keys:
        text = part.get("description", "")
        faults[shown_path(way)] = [] if re.fullmatch(r'\S.{5,}[.?]"?', text) else [repr(text)]
    assert_none(faults, len(keys))


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_a_description_says_required_where_the_schema_asks_for_the_key(kind):
    schema = SCHEMAS[kind]
    asked = set(required_in(schema))
    for name, node in schema.get("$defs", {}).items():
        asked |= set(required_in(node, (f"#{name}",)))
    faults = {}
    for way, part in described(schema):
        if kind == "words" and len(way) > 1:  # each of its hundred words is
            continue
        says = " Required." in part.get("description", "")
        faults[shown_path(way)] = [] if says == (way in asked) else [part.get("description", "")]
    assert_none(faults, len(faults))


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_every_pattern_is_said_in_words(kind):
    parts = [part for part in parts_of(SCHEMAS[kind]) if isinstance(part.get("pattern"), str)]
    spoken = [part for part in parts if "patternErrorMessage" in part or part["pattern"] == r"^\s*-\s*$"]
    assert spoken == parts
    assert not [part for part in spoken if not part.get("patternErrorMessage", ".").endswith(".")]


def test_a_key_that_is_missing_is_described_whatever_form_it_stands_in():
    table = SCHEMAS["table"]
    assert description_at(table, ("rules", 0, "then", "text")).startswith("The name of the text in text.en.yaml")
    assert description_at(table, ("review", "checked-by", "role")).startswith("The profession or office")
    assert description_at(table, ("rules", 0, "nothing")) == ""
