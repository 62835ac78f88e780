"""Several packs served by the real server, and what the commands do of them."""

import json
import os
import re
import shutil
import urllib.request

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.packs import pack_folders
from tests.support.keys import KEY
from tests.support.places import EXAMPLES, ROOT, SECOND_PACK
from tests.support.servers import Service

SECOND = SECOND_PACK / "cards/examplol"
SERVE = ("-m", "cds_service", "serve", "--port", "{port}")
BOTH = f"{ROOT / 'cards'}{os.pathsep}{SECOND}"


def run(*arguments, status=0, **environment):
    done = CliRunner().invoke(main, [str(word) for word in arguments], env=environment)
    assert done.exit_code == status, done.output
    return done


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return answer.read().decode()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    store = f"sqlite:///{folder}/store.sqlite3"
    made = Service(store, folder / "log", SERVE, CDS_SERVICE_CARDS=BOTH, CDS_SERVICE_STATE=str(folder / "state"))
    with made:
        yield made


def test_one_server_answers_for_both_packs(service):
    listed = {one["id"] for one in json.loads(read(f"{service.base}/cds-services"))["services"]}
    assert {"vitamin-b12-order-select", "examplol-select"} <= listed and len(listed) == 6
    assert "Examplol orders" in read(f"{service.base}/packs/examplol/content")
    assert "Vitamin B12 orders" in read(f"{service.base}/content")


def test_replay_and_fire_call_the_services_of_their_pack(service):
    told = run("replay", "--against", service.base, "--pack", "examplol", CDS_SERVICE_CARDS=BOTH).stdout
    assert re.search(r"^[1-9]\d* as expected, 0 different", told, re.M)
    told = run("fire", "--pack", "examplol", "--url", service.base, CDS_SERVICE_CARDS=BOTH).stdout
    assert told.startswith("level-and-needle/below at ") and "CRITICAL" in told
    told = run("fire", "nasal/oneSpray", "--url", service.base, CDS_SERVICE_CARDS=BOTH).stdout
    assert told.startswith("nasal/oneSpray at ") and "No card" not in told


def test_b12_and_the_examples_are_served_as_their_readme_says(tmp_path):
    """``packaged`` and the folder of the examples: each answers its own scenarios, has its console and its report."""
    assert f"CDS_SERVICE_CARDS=packaged{os.pathsep}examples " in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    examples = {folder.name for folder in pack_folders(EXAMPLES)}
    settings = {
        "CDS_SERVICE_CARDS": f"packaged{os.pathsep}{EXAMPLES}",
        "CDS_SERVICE_STORE": f"sqlite:///{tmp_path}/store.sqlite3",
        "CDS_SERVICE_KEY": KEY,
        "CDS_SERVICE_STATE": str(tmp_path / "state"),
    }
    with Service(settings["CDS_SERVICE_STORE"], tmp_path / "log", SERVE, **settings) as made:
        for example in examples:
            told = run("replay", "--against", made.base, "--pack", example, **settings).stdout
            assert re.search(r"^[1-9]\d* as expected, 0 different", told, re.M)
            assert "example that nobody has reviewed" in read(f"{made.base}/packs/{example}/content")
            sample = json.loads(run("sample", "--pack", example, **settings).stdout)
            listed = json.loads(read(f"{made.base}/cds-services"))["services"]
            of_its_hook = (one["id"] for one in listed if one["hook"] == sample["hook"])
            url = f"{made.base}/cds-services/{next(name for name in of_its_hook if name.startswith(example))}"
            body, kind = json.dumps(sample).encode(), {"Content-Type": "application/json"}
            assert json.loads(read(urllib.request.Request(url, body, kind)))["cards"]  # noqa: S310
    told = json.loads(run("report", "--format", "json", **settings).stdout)
    assert {rule["pack"] for rule in told["rules"]} == examples


def test_a_broken_pack_is_said_on_stderr_and_the_other_is_served(tmp_path):
    """By the command and its workers, with what a client may call named for both."""
    shutil.copytree(SECOND, tmp_path / "packs/examplol")
    (tmp_path / "packs/examplol/facts.yaml").write_text("facts: [", encoding="utf-8")
    places = f"{ROOT / 'cards'}{os.pathsep}{tmp_path / 'packs'}"
    log = tmp_path / "log"
    made = Service(
        f"sqlite:///{tmp_path}/s.sqlite3", log, SERVE, CDS_SERVICE_CARDS=places, CDS_SERVICE_STATE=str(tmp_path / "s")
    )
    with made:
        told = json.loads(read(f"{made.base}/readyz"))
        assert [(one["id"], one["served"]) for one in told["packs"]] == [("vitamin-b12", True), ("examplol", False)]
    said = log.read_text(encoding="utf-8")
    assert "Refused, and nothing of examplol is served: " in said and "examplol/facts.yaml:" in said


def test_a_start_says_that_files_are_not_as_they_were_locked(tmp_path):
    """What was locked is served from its copy; who has edited and forgotten to lock gets to know."""
    shutil.copytree(SECOND, tmp_path / "packs/examplol")
    settings = {"CDS_SERVICE_CARDS": str(tmp_path / "packs"), "CDS_SERVICE_STATE": str(tmp_path / "state")}
    log, said = tmp_path / "log", "examplol is served as it was locked; its files have changed since"
    for text in ("", "facts: ["):
        with (tmp_path / "packs/examplol/facts.yaml").open("a", encoding="utf-8") as facts:
            facts.write(text)
        with Service(f"sqlite:///{tmp_path}/s.sqlite3", log, SERVE, **settings) as made:
            assert json.loads(read(f"{made.base}/readyz"))["content"]["served"]
        assert (said in log.read_text(encoding="utf-8")) is bool(text)


# --- commands, without a server --------------------------------------------------------------------------------------


def test_a_sample_is_of_the_pack_that_is_named_or_has_it():
    several = run("sample", status=2, CDS_SERVICE_CARDS=BOTH).output
    assert "There are several packs, vitamin-b12, examplol: name one with --pack" in several
    named = json.loads(run("sample", "--pack", "examplol", CDS_SERVICE_CARDS=BOTH).stdout)
    assert "examplol" in json.dumps(named).lower()
    found = json.loads(run("sample", "level-and-needle/below", CDS_SERVICE_CARDS=BOTH).stdout)
    assert found["context"]["patientId"] == named["context"]["patientId"]
    assert "no pack 'other'" in run("sample", "--pack", "other", status=2, CDS_SERVICE_CARDS=BOTH).output


def test_replay_without_paths_replays_every_pack_by_its_own_scenarios():
    told = run("replay", CDS_SERVICE_CARDS=BOTH).stdout
    ours, _, theirs = told.partition("examplol:\n")
    assert re.match(r"vitamin-b12:\n\d{3,} as expected, 0 different", ours)
    assert re.match(r"\d\d as expected, 0 different", theirs)


def test_a_pack_without_fixtures_is_not_judged_by_those_of_another(tmp_path):
    shutil.copytree(SECOND, tmp_path / "packs/examplol")
    for arguments in (
        ["replay"],
        ["sample"],
        ["impact", tmp_path / "packs", tmp_path / "packs"],
        ["export", "clinical"],
    ):
        told = run(*arguments, status=2, CDS_SERVICE_CARDS=str(tmp_path / "packs")).output
        assert "The pack examplol has no scenarios" in told, arguments
    assert "holds" in run("check", tmp_path / "packs").stdout


def test_fixtures_in_the_folder_of_a_pack_are_its_own_and_not_of_its_digest(tmp_path):
    shutil.copytree(SECOND, tmp_path / "packs/examplol")
    shutil.copytree(ROOT / "cards/vitamin-b12", tmp_path / "packs/vitamin-b12")
    shutil.copytree(SECOND_PACK / "fixtures", tmp_path / "packs/examplol/fixtures")
    assert run("check", tmp_path / "packs").stdout.count("holds") == 2
    story = tmp_path / "packs/examplol/fixtures/scenarios/level-due.yaml"
    story.write_text(
        story.read_text(encoding="utf-8").replace("examplolLevelDue", "examplolLevelGone"), encoding="utf-8"
    )
    told = run("check", tmp_path / "packs", status=1).stdout
    assert "level-due.yaml" in told and "fixture" in told and "version" not in told
    assert "holds" in run("check", tmp_path / "packs/vitamin-b12").stdout


def test_check_names_a_lock_of_the_old_place_and_what_to_do(tmp_path):
    cards = tmp_path / "cards"
    shutil.copytree(SECOND_PACK / "cards", cards)
    (cards / "examplol/lock.json").rename(cards / "lock.json")
    told = run("check", cards, status=1).stdout
    assert (
        f"cards/lock.json:1: lock: the lock of a pack stands in its own folder, as {cards}/examplol/lock.json" in told
    )
    assert f"mv {cards}/lock.json {cards}/examplol/lock.json" in told
    (cards / "lock.json").rename(cards / "examplol/lock.json")
    assert "holds" in run("check", cards).stdout


def test_check_locks_each_pack_by_itself(tmp_path):
    cards = tmp_path / "cards"
    for pack in (SECOND, ROOT / "cards/vitamin-b12"):
        shutil.copytree(pack, cards / pack.name)
    before = (cards / "vitamin-b12/lock.json").read_bytes()
    head = cards / "examplol/pack.yaml"
    head.write_text(re.sub(r"(?m)^version: \S+", "version: 9.9.9", head.read_text(encoding="utf-8")), encoding="utf-8")
    (cards / "vitamin-b12/facts.yaml").write_text("facts: [", encoding="utf-8")
    told = run("check", cards, "--update-lock", status=1).stdout
    assert "vitamin-b12/facts.yaml" in told and "examplol" not in told
    assert (
        json.loads((cards / "examplol/lock.json").read_text(encoding="utf-8"))["versions"]["pack:examplol"] == "9.9.9"
    )
    assert (cards / "vitamin-b12/lock.json").read_bytes() == before


def test_check_says_what_two_packs_must_not_share(tmp_path):
    cards = tmp_path / "cards"
    for name in ("examplol", "other"):
        shutil.copytree(SECOND, cards / name)
    head = cards / "other/pack.yaml"
    text = head.read_text(encoding="utf-8").replace("id: examplol\n", "id: other\ntopic-prefix: examplol\n")
    head.write_text(text.replace("version: 1.1.0", "version: 1.1.1", 1), encoding="utf-8")
    told = run("check", cards, status=1).stdout
    assert "other/pack.yaml:4: packs: the topic-prefix of examplol is 'examplol' too" in told
    assert "packs: examplol has a service 'examplol-select' too" in told
    assert "packs: examplol has the topic examplolLevelAndNeedleBelow too" in told


def test_check_takes_a_site_for_several_packs(tmp_path):
    cards = tmp_path / "cards"
    for pack in (SECOND, ROOT / "cards/vitamin-b12"):
        shutil.copytree(pack, cards / pack.name)
    site = tmp_path / "site.toml"
    site.write_text('[decisions]\noff = ["levelAndNeedle", "imPlatelets"]\n', encoding="utf-8")
    assert run("check", cards, "--site", site).stdout.count("holds") == 2
    site.write_text('[decisions]\noff = ["levelAndNeedle", "nowhere"]\n', encoding="utf-8")
    assert "the content has no 'nowhere'" in run("check", cards, "--site", site, status=1).stdout


def test_the_report_tells_each_pack_its_own(tmp_path, service):
    """The counts of a service that nobody replays at: its own store, written through the application."""
    from datetime import UTC, datetime

    from cds_service.replay.scenarios import read_scenarios
    from cds_service.service.app import create_app
    from cds_service.settings import Settings
    from cds_service.vocabulary.json_text import encode
    from tests.support.scenarios import by_name

    store = f"sqlite:///{tmp_path}/store.sqlite3"
    web = create_app(
        Settings(cards=(ROOT / "cards", SECOND), loopback=True, key=KEY, store=store, state=tmp_path / "state")
    ).test_client()
    needle = next(s for s in read_scenarios(SECOND_PACK / "fixtures") if s.name == "level-and-needle/below")
    for scenario, name in (
        (by_name("platelets-and-im/sample"), "vitamin-b12-order-select"),
        (needle, "examplol-select"),
    ):
        asked = next(s for s in web.get("/cds-services").json["services"] if s["id"] == name)["prefetch"]
        body = encode(scenario.request(asked, datetime.now(UTC)))
        web.post(f"/cds-services/{name}", data=body, content_type="application/json")
    web.get("/acceptance")  # which has the counts written
    settings = {"CDS_SERVICE_CARDS": BOTH, "CDS_SERVICE_STORE": store, "CDS_SERVICE_KEY": KEY}
    told = run("report", **settings).stdout
    ours, _, theirs = told.partition("Examplol orders (a test, no clinical content) (examplol)")
    assert ours.startswith("Vitamin B12 orders (vitamin-b12)")
    assert "imPlatelets TransfusionFirst" in ours and "levelAndNeedle" not in ours
    assert "levelAndNeedle Below" in theirs and "imPlatelets" not in theirs
    data = json.loads(run("report", "--format", "json", **settings).stdout)
    assert [(rule["pack"], rule["decision"]) for rule in data["rules"]] == [
        ("vitamin-b12", "imPlatelets"),
        ("examplol", "levelAndNeedle"),
    ]
    only = json.loads(run("report", "--format", "json", "--pack", "examplol", **settings).stdout)
    assert [rule["pack"] for rule in only["rules"]] == ["examplol"]


def test_help_names_no_drug():
    said = run("--help").output + "".join(run(verb, "--help").output for verb in ("sample", "fire", "serve", "check"))
    assert not re.search(r"b12|vitamin|nasal", said, re.I)
