"""What the command line writes for authors: a first pack, a card, raised versions. Nothing that is there is lost."""

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cds_service.authoring.raised_versions import raised
from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.packs import own_fixtures, pack_folder
from cds_service.content.places import files_of, schema_line
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.prove import prove
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from cds_service.vocabulary.problems import ProblemsError
from tests.support.keys import KEY


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def problems_of(cards):
    return [str(problem) for problem in prove_of(cards)]


def prove_of(cards):
    return prove(cards, site=None, fixtures=fixtures_in(cards), zone=ZoneInfo("UTC")).problems


def fixtures_in(cards):
    return own_fixtures(pack_folder(cards))


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def cards(tmp_path):
    """A pack that was just begun."""
    done = run("new", "pack", "iron-infusion", "--in", tmp_path / "own" / "cards")
    assert done.exit_code == 0, done.output
    return tmp_path / "own" / "cards"


@pytest.fixture
def released(cards):
    """A pack whose version stands for one content for ever."""
    edit(cards / "iron-infusion/pack.yaml", "version: 0.1.0", "version: 1.0.0")
    assert run("check", cards, "--update-lock").exit_code == 0
    return cards


# --- a pack ----------------------------------------------------------------------------------------------------------


def test_a_new_pack_passes_check_at_once_with_its_scenarios_and_its_lock(cards):
    assert fixtures_in(cards) == cards / "iron-infusion" / "fixtures"
    assert prove_of(cards) == ()
    pack = load_pack(cards)
    assert {decision.kind for decision in pack.decisions.values()} == {"definition", "card"}
    assert pack.templates and pack.value_sets and pack.findings


def test_a_new_pack_is_served_and_its_patient_gets_its_card(cards):
    from cds_service.content.needs import templates_of
    from cds_service.replay.scenarios import read_scenarios

    web = create_app(Settings(cards=cards, loopback=True, key=KEY)).test_client()
    pack = load_pack(cards)
    first = next(iter(read_scenarios(fixtures_in(cards))))
    request = first.request(templates_of(pack, pack.service_for("order-select")), datetime.now(UTC))
    answer = web.post("/cds-services/iron-infusion-order-select", data=encode(request), content_type="application/json")
    (card,) = answer.json["cards"]
    assert card["source"]["topic"]["code"] == "ironInfusionLevelBeforeOrderHigh"
    assert card["summary"].startswith("Placeholderite 25 µmol/L")


def test_a_new_pack_says_in_every_file_that_it_is_a_placeholder_and_has_no_clinical_word(cards, pack):
    shipped = {code.code for value_set in pack.value_sets.values() for code in value_set.codes.values()}
    for path in sorted(path for path in cards.parent.rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yaml":
            assert re.search("placeholder", text, re.I), path
        if path.parent.name != "schemas":
            assert not re.search(r"b12|cobal|folate|platelet|an[a]?emi|S23", text, re.I), path
            assert not {code for code in shipped if len(code) > 4 and f'"{code}"' in text}, path


def test_a_number_that_two_rules_hit_is_written_as_a_decimal(cards):
    edit(cards / "iron-infusion/decisions/levelBand.yaml", "'<= 20'", "'<= 25'")
    assert any("High and NotHigh both hit placeholderite 22.5" in line for line in problems_of(cards))


def test_every_file_of_a_new_pack_names_a_schema_that_is_there(cards):
    for path, kind in files_of(cards / "iron-infusion"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == schema_line(path, kind, cards)
        assert (path.parent / first.partition("$schema=")[2]).resolve() == (
            cards / "schemas" / f"{kind}.json"
        ).resolve()
    (story,) = (cards / "iron-infusion/fixtures/scenarios").glob("*.yaml")
    assert story.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=../../../schemas/scenario.")


def test_the_result_of_a_new_pack_is_called_as_its_author_says(tmp_path):
    assert run("new", "pack", "iron", "--in", tmp_path, "--result", "ferritin-level").exit_code == 0
    assert prove_of(tmp_path) == ()
    pack = load_pack(tmp_path)
    assert pack.facts["ferritin-level"].label == "Ferritin level"
    assert "placeholderite" not in "".join(path.read_text("utf-8") for path in (tmp_path / "iron").rglob("*.yaml"))


@pytest.mark.parametrize("name", ["Ferritin", "ferritin_level", "", "x" * 41])
def test_a_name_that_is_none_for_a_result_is_wrong_use(tmp_path, name):
    done = run("new", "pack", "iron", "--in", tmp_path / "cards", "--result", name)
    assert done.exit_code == 2
    assert "is no name for a result: small letters and digits with hyphens" in done.output
    assert not (tmp_path / "cards").exists()


@pytest.mark.parametrize(
    ("arguments", "offer"),
    [
        (["pack", "iron", "--result", "25-hydroxyvitamin-d"], "hydroxyvitamin-d"),
        (["pack", "iron", "--result", "Ferritin_Level"], "ferritin-level"),
        (["pack", "4-iron"], "iron"),
        (["pack", "Iron Infusion"], "iron-infusion"),
        (["pack", "4711"], "iron-infusion"),
        (["card", "dose-limit", "--content", "."], "doseLimit"),
    ],
)
def test_a_name_that_is_none_is_answered_with_the_nearest_that_is(cards, arguments, offer):
    arguments = [str(cards) if argument == "." else argument for argument in arguments]
    in_folder = ["--in", str(cards.parent / "other")] if arguments[0] == "pack" else []
    done = run("new", *arguments, *in_folder)
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert f", such as {offer}, at most" in said
    assert "a letter first" in said or "a small letter first" in said


def test_two_packs_are_begun_with_topic_systems_of_their_own(cards, tmp_path):
    assert run("new", "pack", "iron-infusion", "--in", tmp_path / "other").exit_code == 0
    systems = {load_pack(folder).topic_system for folder in (cards, tmp_path / "other")}
    assert len(systems) == 2


def test_who_replays_a_folder_of_content_is_told_how(cards):
    done = run("replay", cards)
    assert done.exit_code == 2
    assert f"{cards} is content and no scenario; replay --content {cards} takes its own" in done.output
    assert run("replay", "--content", cards).exit_code == 0


def test_a_new_pack_writes_over_nothing(cards):
    before = {path: path.read_bytes() for path in cards.parent.rglob("*") if path.is_file()}
    done = run("new", "pack", "iron-infusion", "--in", cards)
    assert done.exit_code == 1
    assert re.search(r"own/\S+: this is there already, and nothing is written over it", done.output)
    assert {path: path.read_bytes() for path in cards.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["Iron", "iron_infusion", "1iron", "iron-", "x" * 41, "../iron", ""])
def test_a_name_that_is_none_for_a_pack_is_wrong_use(tmp_path, name):
    done = run("new", "pack", name, "--in", tmp_path / "cards")
    assert done.exit_code == 2
    assert "is no name for a pack: small letters and digits with hyphens" in done.output
    assert not (tmp_path / "cards").exists()


# --- a card ----------------------------------------------------------------------------------------------------------


def test_a_new_card_is_a_draft_in_its_service_and_what_is_left_is_to_lock(cards):
    done = run("new", "card", "doseLimit", "--content", cards)
    assert done.exit_code == 0, done.output
    assert "pack.yaml:9: entered last in iron-infusion-order-select, version 0.2.0" in done.output
    left = problems_of(cards)
    assert len(left) == 2 and all(line.endswith("is not locked; run check --update-lock") for line in left)
    assert run("check", cards, "--update-lock").exit_code == 0
    assert prove_of(cards) == ()
    pack = load_pack(cards)
    assert pack.decisions["doseLimit"].status == "draft"
    assert pack.decisions["doseLimit"].title == "Dose limit"
    assert list(pack.services["iron-infusion-order-select"].decisions) == ["levelBeforeOrder", "doseLimit"]
    assert list(pack.services["iron-infusion-order-sign"].decisions) == ["levelBeforeOrder"]


def test_a_new_card_that_is_made_active_is_shown(cards):
    assert run("new", "card", "doseLimit", "--content", cards, "--service", "iron-infusion-order-sign").exit_code == 0
    edit(cards / "iron-infusion/decisions/doseLimit/table.yaml", "status: draft", "status: active")
    (story,) = (cards / "iron-infusion/fixtures/scenarios").glob("*.yaml")
    edit(story, "cases:\n", "cases:\n  - {name: signed, hook: order-sign, expect: [{topic: none, indicator: info}]}\n")
    assert run("check", cards, "--update-lock").exit_code == 1
    done = run("check", cards, "--update-lock")
    assert "signed: expect: no rule has the topic 'none'" in done.output
    assert "signed: unexpected card ironInfusionDoseLimitSpeaks" in done.output


def test_comments_and_lists_of_either_form_stay_as_they_were_written(cards):
    head = cards / "iron-infusion/pack.yaml"
    edit(head, "[levelBeforeOrder]\n", "\n      # the most important first\n      - levelBeforeOrder  # stays\n")
    before = head.read_text(encoding="utf-8")
    assert run("new", "card", "doseLimit", "--content", cards).exit_code == 0
    after = head.read_text(encoding="utf-8")
    assert after == before.replace("# stays\n", "# stays\n      - doseLimit\n").replace(
        "version: 0.1.0", "version: 0.2.0"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["dose-limit"], 2, "'dose-limit' is no name for a decision: letters and digits, a small letter first"),
        (["DoseLimit"], 2, "is no name for a decision"),
        (["levelBand"], 1, "levelBand.yaml: this is there already"),
        (["levelBeforeOrder"], 1, "levelBeforeOrder/table.yaml: this is there already"),
        (["doseLimit", "--service", "iron-infusion-sign"], 2, "there is no service 'iron-infusion-sign'; did you mean"),
        (["doseLimit", "--pack", "iron"], 2, "There is no pack 'iron'; did you mean 'iron-infusion'?"),
    ],
)
def test_a_card_that_cannot_be_begun_changes_nothing(cards, arguments, status, said):
    before = {path: path.read_bytes() for path in cards.rglob("*") if path.is_file()}
    done = run("new", "card", *arguments, "--content", cards)
    assert done.exit_code == status
    assert said in done.output
    assert {path: path.read_bytes() for path in cards.rglob("*") if path.is_file()} == before


def test_a_folder_without_a_pack_says_how_to_begin_one(tmp_path):
    for arguments in (["new", "card", "doseLimit"], ["bump"]):
        done = run(*arguments, "--content", tmp_path)
        assert done.exit_code == 1
        assert f"{tmp_path}: found no pack:" in done.output
        assert "cds-service new pack NAME writes one" in done.output


# --- before version 1.0.0 ---------------------------------------------------------------------------------------------


def test_a_pack_before_its_first_release_is_locked_after_any_change_without_a_new_version(cards):
    edit(cards / "iron-infusion/decisions/levelBeforeOrder/table.yaml", "Is it needed at all?", "Is it needed?")
    (left,) = problems_of(cards)
    assert left.endswith("lock.json:1: lock: pack:iron-infusion changed since it was locked; run check --update-lock")
    done = run("check", cards, "--update-lock")
    assert done.exit_code == 0 and "holds and is locked" in done.output
    assert prove_of(cards) == ()


def test_a_pack_before_its_first_release_that_changed_is_not_served_until_it_is_locked(cards):
    edit(cards / "iron-infusion/decisions/levelBeforeOrder/table.yaml", "Is it needed at all?", "Is it needed?")
    with pytest.raises(ProblemsError, match="changed since it was locked"):
        create_app(Settings(cards=cards, loopback=True, key=KEY))


def test_what_was_released_stays_fixed_whatever_version_follows(released):
    edit(released / "iron-infusion/pack.yaml", "version: 1.0.0", "version: 0.9.0")
    edit(released / "iron-infusion/decisions/levelBeforeOrder/table.yaml", "Is it needed at all?", "Is it needed?")
    done = run("check", released, "--update-lock")
    assert done.exit_code == 1
    assert "levelBeforeOrder changed without a new version (still 1.0.0); cds-service bump raises it" in done.output


def test_nobody_can_sign_a_pack_before_its_first_release(cards):
    signers = "{role: A, person: B, date: 2026-11-01}", "{role: C, person: D, date: 2026-11-02}"
    empty = '{role: "", person: "", date: ""}'
    head = cards / "iron-infusion/pack.yaml"
    edit(head, 'version: ""', 'version: "0.1.0"')
    edit(head, f"authored-by: {empty}", f"authored-by: {signers[0]}")
    edit(head, f"checked-by: {empty}", f"checked-by: {signers[1]}")
    edit(head, 'next-review: ""', "next-review: 2027-11-01")
    done = run("check", cards, "--update-lock")
    assert done.exit_code == 1
    assert "a pack before version 1.0.0 may still change: raise its version first" in done.output
    assert run("bump", "--part", "major", "--content", cards).exit_code == 0
    edit(head, 'version: "0.1.0"', 'version: "1.0.0"')
    edit(cards.parent / "CHANGELOG.md", "say here what changed, for whom, and why.", "the first release.")
    assert run("check", cards, "--update-lock").exit_code == 0


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "expected"), [("patch", "1.2.4"), ("minor", "1.3.0"), ("major", "2.0.0")])
def test_what_stands_behind_a_raised_number_begins_again(part, expected):
    assert raised("1.2.3", part) == expected


def test_a_bump_raises_decision_and_pack_once_and_opens_the_changelog(released):
    table = released / "iron-infusion/decisions/levelBeforeOrder/table.yaml"
    edit(table, "Is it needed at all?", "Is it needed?")
    assert any("changed without a new version" in line for line in problems_of(released))
    done = run("bump", "levelBeforeOrder", "--content", released, "--part", "patch")
    assert done.exit_code == 0, done.output
    assert "table.yaml:4: levelBeforeOrder 1.0.0 becomes 1.0.1" in done.output
    assert "pack.yaml:9: iron-infusion 1.0.0 becomes 1.0.1" in done.output
    assert "CHANGELOG.md:4: waits for a sentence" in done.output
    assert all("is not locked" in line or ": changelog: " in line for line in problems_of(released))
    log = released.parent / "CHANGELOG.md"
    first = log.read_text(encoding="utf-8")
    assert first.splitlines()[2:] == [
        "### Content: iron-infusion 1.0.1",
        "- levelBeforeOrder 1.0.1: say here what changed, for whom, and why.",
    ]
    again = run("bump", "levelBeforeOrder", "--content", released, "--part", "patch")
    assert "levelBeforeOrder stays 1.0.1, which is not locked yet" in again.output
    assert log.read_text(encoding="utf-8") == first
    more = run("bump", "levelBeforeOrder", "--content", released)
    assert "levelBeforeOrder 1.0.1 becomes 1.1.0" in more.output
    waiting = run("check", released, "--update-lock")
    assert waiting.exit_code == 1
    assert "CHANGELOG.md:4: changelog: say what changed, for whom, and why, in place of these words" in waiting.output
    log.write_text(log.read_text(encoding="utf-8").replace("say here what changed", "other words"), encoding="utf-8")
    assert run("check", released, "--update-lock").exit_code == 0
    assert json.loads((released / "iron-infusion/lock.json").read_text())["versions"]["pack:iron-infusion"] == "1.1.0"


def test_a_bump_without_a_decision_is_of_the_pack_alone_and_the_changelog_keeps_its_order(released):
    log = released.parent / "CHANGELOG.md"
    log.write_text(
        "# Changes\n\n## Service\n\n- ours\n\n### Content: iron-infusion 1.0.0\n- the first\n", encoding="utf-8"
    )
    done = run("bump", "--content", released)
    assert done.exit_code == 0
    assert "CHANGELOG.md:8: waits for a sentence" in done.output
    assert log.read_text(encoding="utf-8") == (
        "# Changes\n\n## Service\n\n- ours\n\n### Content: iron-infusion 1.1.0\n"
        "- iron-infusion 1.1.0: say here what changed, for whom, and why.\n\n"
        "### Content: iron-infusion 1.0.0\n- the first\n"
    )
    assert load_pack(released).decisions["levelBeforeOrder"].version == "1.0.0"


def test_a_bump_says_that_a_review_does_not_count_any_more(released):
    head = released / "iron-infusion/pack.yaml"
    signed = 'version: "1.0.0"\n  authored-by: {role: A, person: B, date: 2026-11-01}'
    edit(head, 'version: ""\n  authored-by: {role: "", person: "", date: ""}', signed)
    done = run("bump", "--content", released)
    assert "pack.yaml: the review of 1.0.0 does not count for 1.1.0; empty it until there is a new one" in done.output


def test_a_decision_that_is_not_there_is_wrong_use(cards):
    done = run("bump", "levelBeforeOrders", "--content", cards)
    assert done.exit_code == 2
    assert "there is no decision 'levelBeforeOrders'; did you mean 'levelBeforeOrder'?" in done.output


@pytest.mark.parametrize("verb", [["new"], ["new", "pack"], ["new", "card"], ["bump"]])
def test_the_help_of_each_has_an_example(verb):
    done = run(*verb, "--help")
    assert done.exit_code == 0
    assert f"Example: cds-service {' '.join(verb)}" in " ".join(done.output.split())


def test_check_says_that_no_case_was_answered_where_only_the_lock_is_in_the_way(cards):
    """A case that fails is not hidden unsaid."""
    scenarios = cards / "iron-infusion/fixtures/scenarios/iron-infusion-level.yaml"
    edit(scenarios, "indicator: warning", "indicator: critical")
    edit(cards / "iron-infusion/decisions/levelBeforeOrder/text.en.yaml", "PLACEHOLDER.", "PLACEHOLDER!")
    said = run("check", cards).output
    assert "changed since it was locked; run check --update-lock" in said
    assert said.endswith(
        "note: the cases of the scenarios were not answered; replay does it, and check --update-lock before it locks\n"
    )
    told = run("check", cards, "--update-lock").output
    assert "expected critical, got warning" in told
    assert "were not answered" not in told


def test_a_label_that_begins_small_is_refused_unless_it_is_an_abbreviation(cards):
    facts = cards / "iron-infusion/facts.yaml"
    edit(facts, "label: Placeholderite\n", "label: placeholder of a value\n")
    assert any("write 'Placeholder of a value'" in line for line in problems_of(cards))
    edit(facts, "label: placeholder of a value\n", "label: eGFR of a value\n")
    assert not any("stands at the beginning of a line" in line for line in problems_of(cards))


@pytest.mark.parametrize(("form", "page"), [("statements", "README.md"), ("clinical", "clinical.md")])
def test_what_is_exported_for_people_goes_into_a_new_folder_too(cards, tmp_path, form, page):
    for _ in range(2):  # the second time between the marks of the first
        done = run("export", form, "--content", cards, "--out", tmp_path / "new")
        assert done.exit_code == 0, done.output
    text = (tmp_path / "new" / page).read_text(encoding="utf-8")
    assert text.startswith("# Orders of iron-infusion (placeholder)\n")
    assert text.count(f"<!-- {form}: made by cds-service export {form} -->") == 1
    assert "S1" in text


def test_an_override_reason_goes_out_under_the_system_that_has_its_code(cards):
    pack = load_pack(cards)
    prepared = Prepared.of(pack, zone=ZoneInfo("UTC"), key=KEY.encode())
    (scenario,) = [one for one in read_scenarios(fixtures_in(cards)) if one.name.endswith("/high")]
    service = pack.service_for(scenario.hook)
    body = encode(scenario.request(templates_of(pack, service)))
    (card,) = evaluate(prepared, service, body, scenario.now).body["cards"]
    assert {reason["code"]: reason["system"] for reason in card["overrideReasons"]} == {
        "action-completed": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes",
        "needed": pack.topic_system,
    }


def test_route_and_dose_of_an_order_may_be_declared_for_the_words_alone(cards):
    pack = cards / "iron-infusion"
    (pack / "value-sets/by-mouth.yaml").write_text(
        "id: by-mouth\ntitle: By mouth\nkind: route\nsources: {A: one, B: two}\nconcepts:\n"
        '  - {system: "http://snomed.info/sct", code: "26643006", display: Oral route, verified: [A, B]}\n',
        encoding="utf-8",
    )
    facts = pack / "facts.yaml"
    route = "  order.route: {kind: order, element: route, label: Route, value-sets: {oral: by-mouth}, values: [oral]}\n"
    text = facts.read_text(encoding="utf-8")
    facts.write_text(text + route, encoding="utf-8")
    assert not any(": unread: " in line for line in problems_of(cards))
    facts.write_text(text + route.replace("order.route:", "order.again:") + route, encoding="utf-8")
    (unread,) = [line for line in problems_of(cards) if ": unread: " in line]
    assert unread.endswith("no rule reads the fact 'order.route'")
