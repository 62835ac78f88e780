"""B12 and other packs served by one process: each is as when it is alone, and a broken one takes no other along.

The second pack is invented for tests; the packs of ``examples/`` are tried after it.
"""

import json
import os
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.content.load import load_pack
from cds_service.content.lock import is_locked
from cds_service.content.packs import pack_folders
from cds_service.content.proof.versions import update_lock
from cds_service.protocol.uuids import key_of_pack, read_uuid
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings, SettingsError, read_settings
from cds_service.vocabulary.json_text import encode
from cds_service.vocabulary.problems import ProblemsError
from tests.support.keys import KEY
from tests.support.places import EXAMPLES, ROOT, SECOND_PACK
from tests.support.scenarios import by_name

B12, SECOND = ROOT / "cards/vitamin-b12", SECOND_PACK / "cards/examplol"
OURS = [by_name(name) for name in ("platelets-and-im/sample", "nasal/oneSpray", "order-sign/leber")]
THEIRS = [scenario for scenario in read_scenarios(SECOND_PACK / "fixtures") if scenario.hook != "patient-view"]
TABLE = "decisions/levelAndNeedle/table.yaml"
NOW = datetime.now(UTC)


def served(*places, **settings):
    return create_app(Settings(cards=places, loopback=True, key=KEY, **settings)).test_client()


@pytest.fixture(scope="module")
def both():
    return served(ROOT / "cards", SECOND)


@pytest.fixture(scope="module")
def alone():
    return {"vitamin-b12": served(ROOT / "cards"), "examplol": served(SECOND)}


@pytest.fixture
def packs(tmp_path):
    """A content folder with a copy of both packs, each with its fixtures in it."""
    for pack, fixtures in ((B12, ROOT / "fixtures"), (SECOND, SECOND_PACK / "fixtures")):
        shutil.copytree(pack, tmp_path / "packs" / pack.name)
        if pack is SECOND:
            shutil.copytree(fixtures, tmp_path / "packs" / pack.name / "fixtures")
    return tmp_path / "packs"


def listed(web):
    return web.get("/cds-services").json["services"]


def call(web, scenario, prefix):
    service = next(s for s in listed(web) if s["hook"] == scenario.hook and s["id"].startswith(prefix))
    body = encode(scenario.request(service["prefetch"], NOW))
    return web.post(f"/cds-services/{service['id']}", data=body, content_type="application/json")


def eventually(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def state_of(web, pack):
    return next(one for one in web.get("/readyz").json["packs"] if one["id"] == pack)


def publish(folder, *changes, path=TABLE, version="9.9.9"):
    """Edits a pack and locks it."""
    for before, after in changes:
        text = (folder / path).read_text(encoding="utf-8")
        assert before in text
        (folder / path).write_text(text.replace(before, after), encoding="utf-8")
    head = (folder / "pack.yaml").read_text(encoding="utf-8")
    (folder / "pack.yaml").write_text(re.sub(r"(?m)^version: \S+", f"version: {version}", head), encoding="utf-8")
    assert update_lock(folder) == []


# --- each as when it is alone ----------------------------------------------------------------------------------------


def test_discovery_lists_the_services_of_both(both, alone):
    assert listed(both) == [*listed(alone["vitamin-b12"]), *listed(alone["examplol"])]


@pytest.mark.parametrize(
    ("pack", "prefix", "scenario"),
    [("vitamin-b12", "vitamin-b12", s) for s in OURS] + [("examplol", "examplol", s) for s in THEIRS],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_answers_byte_for_byte_as_when_it_is_alone(both, alone, pack, prefix, scenario):
    ours, theirs = call(both, scenario, prefix), call(alone[pack], scenario, prefix)
    assert (ours.status_code, ours.data) == (theirs.status_code, theirs.data)


def test_topics_of_b12_have_no_prefix_and_those_of_others_do(both):
    codes = {
        scenario.name: [card["source"]["topic"]["code"] for card in call(both, scenario, prefix).json["cards"]]
        for prefix, scenario in (("vitamin-b12", OURS[0]), ("examplol", by_id("level-and-needle/below")))
    }
    assert codes == {
        "platelets-and-im/sample": ["imPlateletsTransfusionFirst"],
        "level-and-needle/below": ["examplolLevelAndNeedleBelow"],
    }


def by_id(name):
    return next(scenario for scenario in THEIRS if scenario.name == name)


def test_a_uuid_of_one_pack_is_not_taken_for_one_of_another(both):
    """The numbers of findings are those of a lock, and both locks begin with 1."""
    key = Settings(key=KEY).uuid_key()
    (ours,) = call(both, OURS[0], "vitamin-b12").json["cards"]
    (theirs,) = call(both, by_id("level-and-needle/below"), "examplol").json["cards"]
    assert read_uuid(key, ours["uuid"]) is not None and read_uuid(key, theirs["uuid"]) is None
    assert read_uuid(key_of_pack(key, "examplol"), theirs["uuid"]) is not None


def test_an_unknown_service_is_404_and_openapi_has_all(both):
    assert both.post("/cds-services/other", json={}).status_code == 404
    paths = both.get("/openapi.json").json["paths"]
    assert {"/cds-services/vitamin-b12-order-select", "/cds-services/examplol-select"} <= paths.keys()


def test_logs_say_the_pack_and_its_version():
    lines = []
    web = create_app(Settings(cards=(ROOT / "cards", SECOND), loopback=True, key=KEY), lines.append).test_client()
    call(web, by_id("level-and-needle/below"), "examplol")
    assert (lines[-1]["pack"], lines[-1]["content"]) == ("examplol", state_of(web, "examplol")["version"])


def test_readyz_and_metrics_tell_both(both):
    told = both.get("/readyz").json
    assert [(one["id"], one["served"], one["problem"]) for one in told["packs"]] == [
        ("vitamin-b12", True, ""),
        ("examplol", True, ""),
    ]
    assert told["content"] == told["packs"][0]
    metrics = both.get("/metrics").text
    for pack in ("vitamin-b12", "examplol"):
        assert f'cds_service_content_refused{{pack="{pack}"}} 0.0' in metrics
        assert f'cds_service_content{{pack="{pack}",version="{state_of(both, pack)["version"]}"}} 1.0' in metrics


# --- the consoles ----------------------------------------------------------------------------------------------------


PAGES = ["", "courses", "content", "content/map", "acceptance", "not-understood"]


@pytest.mark.parametrize("page", PAGES)
def test_each_pack_has_its_own_console(both, page):
    ours, theirs = both.get(f"/{page}"), both.get(f"/packs/examplol/{page}")
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert "Vitamin B12 orders <span>" in ours.text
    assert "Examplol orders (a test, no clinical content) <span>" in theirs.text


@pytest.mark.parametrize(
    "page", ["", "content", "content/decisions/levelAndNeedle", "?scenario=level-and-needle/below"]
)
def test_pages_of_a_further_pack_lead_to_its_own_pages_and_those_are_there(both, page):
    text = both.get(f"/packs/examplol/{page}").text
    links = set(re.findall(r'(?:href|action|hx-get)="(/[^"#]*)"', text.replace("&amp;", "&")))
    own = {link for link in links if link.startswith("/packs/examplol")}
    shared = {"/", "/openapi.json", "/cds-services", "/metrics"}
    assert len(own) > 4
    assert {link for link in links - own if not link.startswith("/console/")} == shared
    for link in own:
        assert both.get(link).status_code in (200, 302, 405), link


def test_no_page_names_the_console_of_one_pack():
    """Links are relative (.content), or every console would lead to the first; only static files are its own."""
    named = re.compile(r"""url_for\(\s*['"]console\.(\w+)""")
    pages = [*(ROOT / "cds_service/console").rglob("*.html"), *(ROOT / "cds_service/console").glob("*.py")]
    found = {(path.name, name) for path in pages for name in named.findall(path.read_text(encoding="utf-8"))}
    assert {name for _, name in found if name != "static"} == {"try_it"}
    assert {path for path, name in found if name != "static"} == {"preview_pages.py"}


def test_the_head_of_each_page_switches_between_packs(both, alone):
    for path, here in (("/", "Vitamin B12 orders"), ("/packs/examplol/content", "Examplol orders")):
        switch = re.search(r'<nav aria-label="Packs">(.*?)</nav>', both.get(path).text, re.S)[1]
        assert 'href="/"' in switch and 'href="/packs/examplol/"' in switch
        assert re.search(r'aria-current="true">([^<(]*)', switch)[1].strip() == here
    assert 'aria-label="Packs"' not in alone["vitamin-b12"].get("/").text


def test_a_console_shows_the_scenarios_of_its_pack_alone(both):
    assert "platelets-and-im" not in both.get("/packs/examplol/?q=platelets").text
    assert both.get("/packs/examplol/?scenario=platelets-and-im/sample").status_code == 404
    assert both.get("/?scenario=level-and-needle/below").status_code == 404


def test_a_pack_without_fixtures_has_pages_that_say_so(tmp_path):
    shutil.copytree(SECOND, tmp_path / "packs" / SECOND.name)
    web = served(tmp_path / "packs")
    for page in PAGES:
        assert web.get(f"/{page}").status_code == 200, page
    assert "No scenarios come with this pack" in web.get("/").text
    assert "patient fires this rule" in web.get("/content/decisions/levelAndNeedle/try/Below").text


def test_counts_are_shown_in_the_console_of_their_pack_alone(tmp_path):
    web = served(ROOT / "cards", SECOND, store=f"sqlite:///{tmp_path}/store.sqlite3")
    (card,) = call(web, by_id("level-and-needle/below"), "examplol").json["cards"]
    call(web, OURS[0], "vitamin-b12")
    ours, theirs = web.get("/acceptance").text, web.get("/packs/examplol/acceptance").text
    assert "1 card was shown" in ours and "1 card was shown" in theirs
    (rule,) = re.findall(r'href="(/packs/examplol/acceptance/[^"]+)"', theirs)
    assert "its card was shown 1 time" in web.get(rule).text
    assert web.get(rule.removeprefix("/packs/examplol")).status_code == 404  # ours has no such rule and counted none
    assert card["source"]["topic"]["display"] in theirs and card["source"]["topic"]["display"] not in ours


def test_what_was_not_understood_is_shown_in_the_console_of_its_pack_alone(tmp_path):
    web = served(ROOT / "cards", SECOND, store=f"sqlite:///{tmp_path}/store.sqlite3")
    scenario = by_id("level-and-needle/below")
    service = next(s for s in listed(web) if s["hook"] == scenario.hook and s["id"].startswith("examplol"))
    body = json.loads(encode(scenario.request(service["prefetch"], NOW)))
    for entry in body["prefetch"]["levels"]["entry"]:
        entry["resource"]["valueQuantity"] |= {"unit": "furlong", "code": "furlong"}
    web.post(f"/cds-services/{service['id']}", json=body)
    assert "The unit of a result" in web.get("/packs/examplol/not-understood").text
    assert "The unit of a result" not in web.get("/not-understood").text


# --- a broken pack ---------------------------------------------------------------------------------------------------


def broken(folder):
    (folder / TABLE).write_text("nonsense: [", encoding="utf-8")


def test_a_broken_pack_is_left_out_at_the_start_and_said_by_name(packs, tmp_path):
    broken(packs / "examplol")
    web = served(packs, state=tmp_path / "state")
    assert {service["id"].rpartition("-order")[0] for service in listed(web)} <= {"vitamin-b12", ""}
    assert web.post("/cds-services/examplol-select", json={}).status_code == 404
    assert call(web, OURS[0], "vitamin-b12").status_code == 200
    told = state_of(web, "examplol")
    assert not told["served"] and f"examplol/{TABLE}" in told["problem"]
    assert web.get("/readyz").status_code == 200
    assert 'cds_service_content_refused{pack="examplol"} 1.0' in web.get("/metrics").text
    assert 'cds_service_content_refused{pack="vitamin-b12"} 0.0' in web.get("/metrics").text
    page = web.get("/")  # the first by name
    assert page.status_code == 503 and TABLE in page.text and "not served" in page.text
    assert re.findall(r'<li><a href="([^"]+)">', page.text) == ["/packs/vitamin-b12/"]
    assert "examplol (not served)" in web.get("/packs/vitamin-b12/").text


def test_the_first_pack_may_be_the_broken_one(packs, tmp_path):
    broken(packs / "examplol")
    web = served(packs / "examplol", packs / "vitamin-b12", state=tmp_path / "state")
    assert web.get("/").status_code == 503
    assert web.get("/packs/vitamin-b12/").status_code == 200
    assert web.get("/readyz").json["content"]["id"] == "vitamin-b12"


def test_a_pack_that_is_mended_is_taken_up_without_a_restart(packs, tmp_path):
    good = (packs / "examplol" / TABLE).read_bytes()
    broken(packs / "examplol")
    web = served(packs, state=tmp_path / "state")
    (packs / "examplol" / TABLE).write_bytes(good)
    os.utime(packs / "examplol/lock.json")
    eventually(lambda: state_of(web, "examplol")["served"])
    assert call(web, by_id("level-and-needle/below"), "examplol").json["cards"]
    assert web.get("/").status_code == 200
    assert len(listed(web)) == 6
    assert 'cds_service_calls_total{service="examplol-select"' in web.get("/metrics").text


def test_a_pack_that_breaks_is_served_from_its_last_good_copy_even_after_a_restart(packs, tmp_path):
    web = served(packs, state=tmp_path / "state")
    broken(packs / "examplol")
    (packs / "examplol/lock.json").write_text("{", encoding="utf-8")
    eventually(lambda: state_of(web, "examplol")["problem"])
    for each in (web, served(packs, state=tmp_path / "state")):
        told = state_of(each, "examplol")
        assert told["served"] and "examplol" in told["problem"]
        assert state_of(each, "vitamin-b12")["problem"] == ""
        assert call(each, by_id("level-and-needle/below"), "examplol").status_code == 200


def test_a_copy_that_was_changed_and_locked_anew_is_not_what_was_locked(packs, tmp_path):
    before = state_of(served(packs, state=tmp_path / "state"), "examplol")
    (copy,) = (tmp_path / "state").glob("content/*/examplol/*/examplol")
    publish(copy, ("title: ", "title: The new "), ("version: 1.1.0", "version: 1.2.0"))
    assert is_locked(copy)
    assert state_of(served(packs, state=tmp_path / "state"), "examplol") == before


def test_each_pack_is_published_by_its_own_lock(packs, tmp_path):
    web = served(packs, state=tmp_path / "state")
    before = state_of(web, "vitamin-b12")
    publish(packs / "examplol", ("title: ", "title: The new "), ("version: 1.1.0", "version: 1.2.0"))
    eventually(lambda: state_of(web, "examplol")["version"] == "9.9.9")
    assert state_of(web, "vitamin-b12") == before
    assert is_locked(packs / "vitamin-b12") and is_locked(packs / "examplol")


def test_if_no_pack_can_be_served_the_start_fails(packs, tmp_path):
    broken(packs / "examplol")
    (packs / "vitamin-b12/pack.yaml").write_text("{", encoding="utf-8")
    with pytest.raises(ProblemsError) as refused:
        served(packs, state=tmp_path / "state")
    assert "vitamin-b12/pack.yaml" in str(refused.value) and TABLE in str(refused.value)


def test_a_place_without_packs_is_said_and_the_others_are_served(tmp_path):
    web = served(ROOT / "cards", tmp_path / "missing")
    assert [(one["id"], one["served"]) for one in web.get("/readyz").json["packs"]] == [
        ("vitamin-b12", True),
        ("missing", False),
    ]
    assert "there is no such folder" in state_of(web, "missing")["problem"]


# --- what two packs must not share -----------------------------------------------------------------------------------


def test_a_service_or_a_topic_in_two_packs_is_a_problem_of_the_later(packs, tmp_path):
    other = packs / "other"
    shutil.copytree(packs / "examplol", other)
    publish(other, ("id: examplol\n", "id: other\n"), path="pack.yaml")
    web = served(packs, state=tmp_path / "state")
    assert state_of(web, "examplol")["served"] and not state_of(web, "other")["served"]
    assert "examplol has a service 'examplol-select' too" in state_of(web, "other")["problem"]


def test_a_second_pack_of_the_same_id_is_not_served(packs, tmp_path):
    web = served(ROOT / "cards", packs / "vitamin-b12", state=tmp_path / "state")
    assert [one["served"] for one in web.get("/readyz").json["packs"]] == [True, False]
    assert "another pack that is served is 'vitamin-b12' too" in web.get("/readyz").json["packs"][1]["problem"]


# --- reviews and the site's file -------------------------------------------------------------------------------------


def test_an_unreviewed_pack_runs_as_shadow_alone(packs, tmp_path):
    head = packs / "examplol/pack.yaml"
    text = head.read_text(encoding="utf-8")
    version = re.search(r"(?m)^version: (\S+)", text)[1]
    signed = [f'{{role: physician, person: "{name}", date: "2026-01-01"}}' for name in ("A. B., 1", "C. D., 2")]
    text = text.replace('  version: ""', f'  version: "{version}"').replace(
        'next-review: ""', 'next-review: "2099-01-01"'
    )
    for one in signed:
        text = text.replace('{role: "", person: "", date: ""}', one, 1)
    head.write_text(text, encoding="utf-8")
    assert update_lock(packs / "examplol") == []
    web = create_app(Settings(cards=packs, insecure=True, key=KEY, state=tmp_path / "state")).test_client()
    assert state_of(web, "examplol")["shown"] and not state_of(web, "vitamin-b12")["shown"]
    assert call(web, OURS[0], "vitamin-b12").json["cards"] == []
    assert call(web, by_id("level-and-needle/below"), "examplol").json["cards"]


def with_site(tmp_path, text, *places):
    site = tmp_path / "site.toml"
    site.write_text(text, encoding="utf-8")
    return served(*places or (ROOT / "cards", SECOND), site=site, state=tmp_path / "state")


def test_a_site_names_things_of_both_packs(tmp_path):
    web = with_site(tmp_path, '[decisions]\noff = ["imPlatelets", "levelAndNeedle"]\n')
    assert web.get("/readyz").json["site"]["off"] == ["imPlatelets", "levelAndNeedle"]
    assert call(web, OURS[0], "vitamin-b12").json["cards"] == []
    assert call(web, by_id("level-and-needle/below"), "examplol").json["cards"] == []


def test_a_name_that_two_packs_have_is_written_below_the_pack(tmp_path):
    with pytest.raises(
        ProblemsError, match=r"site.toml:2: site: off: vitamin-b12 and examplol have 'suggestionLimits'"
    ):
        with_site(tmp_path, '[decisions]\noff = ["suggestionLimits"]\n')
    web = with_site(tmp_path, '[packs.examplol.decisions]\noff = ["suggestionLimits"]\n')
    assert web.get("/readyz").json["site"]["off"] == ["suggestionLimits"]
    metrics = web.get("/metrics").text
    assert 'cds_service_decision_off{decision="suggestionLimits",pack="examplol"} 1.0' in metrics
    assert 'cds_service_decision_off{decision="suggestionLimits",pack="vitamin-b12"} 0.0' in metrics


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[decisions]\noff = ["nowhere"]\n', "site.toml:2: site: off: the content has no 'nowhere'"),
        ('\n[packs.examplol.decisions]\noff = ["nowhere"]\n', "site.toml:3: site: off: the content has no 'nowhere'"),
        ('[packs.nowhere]\nplans = "stated"\n', "site.toml:1: site: packs: no pack 'nowhere' is there"),
        ('[packs.examplol]\nplan = "stated"\n', "site.toml:1: site: packs/examplol: Additional properties"),
    ],
)
def test_what_no_pack_has_is_refused(tmp_path, text, told):
    with pytest.raises(ProblemsError) as refused:
        with_site(tmp_path, text)
    assert told in str(refused.value)


def test_a_site_that_names_things_of_a_broken_pack_still_serves_the_other(packs, tmp_path):
    broken(packs / "examplol")
    web = with_site(tmp_path, '[decisions]\noff = ["imPlatelets", "levelAndNeedle"]\n', packs)
    assert web.get("/readyz").json["site"] | {"digest": ""} == {
        "digest": "",
        "off": ["imPlatelets"],
        "rules-off": [],
        "problem": "",
    }


# --- the examples ----------------------------------------------------------------------------------------------------


EXAMPLE_FOLDERS = pack_folders(EXAMPLES)
each_example = pytest.mark.parametrize("example", EXAMPLE_FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture(scope="module")
def with_examples(tmp_path_factory):
    store = f"sqlite:///{tmp_path_factory.mktemp('examples')}/store.sqlite3"
    return served(ROOT / "cards", EXAMPLES, store=store)


def sample_of(folder):
    """The scenario that ``pack.yaml`` names for those who have not chosen one."""
    name = load_pack(folder).sample
    return next(scenario for scenario in read_scenarios(folder / "fixtures") if scenario.name == name)


def test_the_examples_are_served_only_where_their_folder_is_named(monkeypatch):
    monkeypatch.delenv("CDS_SERVICE_CARDS", raising=False)
    assert [one["id"] for one in served(*Settings().cards).get("/readyz").json["packs"]] == ["vitamin-b12"]


def test_b12_and_the_examples_are_served_by_one_process(with_examples):
    told = [(one["id"], one["served"], one["problem"]) for one in with_examples.get("/readyz").json["packs"]]
    assert told == [("vitamin-b12", True, ""), *((folder.name, True, "") for folder in EXAMPLE_FOLDERS)]
    assert call(with_examples, OURS[0], "vitamin-b12").json["cards"]


@each_example
def test_an_example_has_its_own_console_lock_report_and_metrics(with_examples, example):
    pack, sample = load_pack(example), sample_of(example)
    card, *_ = call(with_examples, sample, example.name).json["cards"]
    for page in PAGES:
        read = with_examples.get(f"/packs/{example.name}/{page}")
        assert read.status_code == 200 and pack.title in read.text, page
    acceptance = with_examples.get(f"/packs/{example.name}/acceptance").text
    assert card["source"]["topic"]["display"] in acceptance
    assert card["source"]["topic"]["display"] not in with_examples.get("/acceptance").text
    assert is_locked(example)
    metrics = with_examples.get("/metrics").text
    assert f'cds_service_content{{pack="{example.name}",version="{pack.version}"}} 1.0' in metrics
    assert f'cds_service_content_refused{{pack="{example.name}"}} 0.0' in metrics
    (service,) = (one for one in pack.services.values() if one.hook == sample.hook)
    assert re.search(rf'cds_service_calls_total{{[^}}]*service="{service.id}"', metrics)


@each_example
def test_one_broken_file_of_an_example_leaves_the_others_serving_and_is_said(tmp_path, example):
    copy = shutil.copytree(EXAMPLES, tmp_path / "examples")
    (copy / example.name / "facts.yaml").write_text("facts: [", encoding="utf-8")
    web = served(ROOT / "cards", copy, state=tmp_path / "state")
    assert {one["id"] for one in web.get("/readyz").json["packs"] if not one["served"]} == {example.name}
    assert f"{example.name}/facts.yaml:" in state_of(web, example.name)["problem"]
    assert f'cds_service_content_refused{{pack="{example.name}"}} 1.0' in web.get("/metrics").text
    page = web.get(f"/packs/{example.name}/")
    assert page.status_code == 503 and "facts.yaml" in page.text
    assert call(web, OURS[0], "vitamin-b12").json["cards"]
    for other in EXAMPLE_FOLDERS:
        if other != example:
            assert call(web, sample_of(other), other.name).json["cards"]


def test_folders_are_written_as_in_path(monkeypatch):
    monkeypatch.setenv("CDS_SERVICE_CARDS", f"{ROOT / 'cards'}{os.pathsep}{SECOND}")
    assert Settings().cards == (ROOT / "cards", SECOND)
    assert Settings(cards=Path("cards")).cards == (Path("cards"),)
    monkeypatch.setenv("CDS_SERVICE_CARDS", f"packaged{os.pathsep}/etc/packs")
    assert Settings().cards == (ROOT / "cards", Path("/etc/packs"))
    monkeypatch.setenv("CDS_SERVICE_CARDS", os.pathsep)
    with pytest.raises(SettingsError, match="CDS_SERVICE_CARDS cannot be used: it names no folder"):
        read_settings()
