"""The packs of ``examples/``: each holds, is noticed where it is changed, is exported, and says what it is.

A folder that is put there with a ``pack.yaml`` is tried with the others.
"""

import json
import re
from datetime import timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner
from fhir.resources.R4B import get_fhir_model_class

from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.packs import own_fixtures, pack_folders
from cds_service.content.prepared import Prepared
from cds_service.prove import prove
from cds_service.recording.deidentify import Deidentifier, comparable_decisions
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from tests.support.mutants import Watch, mutants
from tests.support.places import EXAMPLES
from tests.support.sample import sampled
from tests.support.scenarios import fire, request_of

UTC = ZoneInfo("UTC")
FOLDERS = pack_folders(EXAMPLES)
ONE_IN = 8


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def example(folder):
    return Prepared.of(load_pack(folder), zone=UTC, key=b"a key for tests")


@pytest.fixture(scope="module")
def scenarios(folder):
    return list(read_scenarios(folder / "fixtures"))


@pytest.fixture(scope="module")
def answers(example, scenarios):
    """The answer to every scenario, by its name."""
    return {each.name: fire(example, request_of(example, each), each.now) for each in scenarios}


def test_there_is_an_example():
    assert "iron" in {folder.name for folder in FOLDERS}


def test_it_holds_as_it_is_locked_with_all_its_scenarios(folder):
    """Gaps and overlaps, wording, hazards, the lock, and the answer of every scenario."""
    assert own_fixtures(folder) == folder / "fixtures"
    assert prove(folder, site=None, fixtures=folder / "fixtures", zone=UTC).problems == ()


def test_every_small_wrong_change_of_it_is_noticed(example, scenarios):
    """One in four is tried by ``make test``, all by ``EVERY_CASE=1``."""
    watch = Watch(example, scenarios)
    made = list(mutants(example.pack))
    assert len(made) > 50
    assert [" | ".join(mutant.key) for mutant in sampled(made, ONE_IN) if not watch.caught_by(mutant)] == []


def test_every_card_says_that_nobody_has_reviewed_it_and_that_it_is_an_example(answers):
    shown = [card for fired in answers.values() if fired.status == 200 for card in fired.cards]
    assert len(shown) > 5
    for card in shown:
        assert "has not been reviewed by a clinician" in card["detail"]
        assert re.search("example.* reviewed", card["source"]["label"])


def decided(fired):
    """What an answer comes to: the outcome of its cards, or the words of an error."""
    return comparable_decisions(fired.cards) if fired.status == 200 else (fired.status, fired.body)


def test_what_is_recorded_of_it_without_a_patient_is_decided_as_before(example, scenarios, answers):
    by, otherwise = Deidentifier(example.pack, b"one key"), []
    for scenario in scenarios:
        before = answers[scenario.name]
        body = json.loads(encode(before.request))
        templates = templates_of(example.pack, example.pack.service_for(scenario.hook))
        after = fire(example, by.request(body, templates), scenario.now + timedelta(days=by.days(body)))
        if decided(after) != decided(before):
            otherwise.append(scenario.name)
    assert otherwise == []


def test_its_title_its_services_and_its_purpose_say_that_it_is_an_example(example):
    pack = example.pack
    assert "an example that nobody has reviewed" in pack.title
    assert re.search("example.*nobody has reviewed.*not for the care of", pack.intended_use, re.I)
    assert all("example" in service.title and "example" in service.description for service in pack.services.values())


def test_nobody_has_signed_it(folder):
    head, log = (yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in ("pack.yaml", "hazards.yaml"))
    for signed in (head["review"], log["sign-off"]):
        assert signed["version"] == "" and {signed[by]["person"] for by in ("authored-by", "checked-by")} == {""}


def exported(form, folder):
    done = CliRunner().invoke(main, ["export", form, "--cards", str(folder)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_its_tables_are_exported_as_dmn(folder, example):
    tables = [each for each in ElementTree.fromstring(exported("dmn", folder)).iter() if each.tag.endswith("}decision")]  # noqa: S314
    assert {table.get("id") for table in tables} == example.pack.decisions.keys()


def test_it_is_exported_as_fhir(folder, example):
    resources = [entry["resource"] for entry in json.loads(exported("plandefinition", folder))["entry"]]
    for resource in resources:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))
    assert len(resources) == len(example.pack.decisions) + len(example.pack.templates)


@pytest.mark.parametrize("form", ["statements", "clinical"])
def test_every_statement_is_exported_for_people(form, folder, example):
    text = exported(form, folder)
    assert all(statement.quote in text for statement in example.pack.statements.values())


def test_its_hazards_and_its_review_sheets_are_exported(folder, example):
    log = yaml.safe_load((folder / "hazards.yaml").read_text(encoding="utf-8"))
    hazards, sheets = exported("hazards", folder), exported("review", folder)
    assert all(name in hazards for name in log["hazards"])
    assert all(decision.question in sheets for decision in example.pack.decisions.values())
