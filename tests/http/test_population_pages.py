"""The pages on population runs, the line on a decision's page, and what metrics and the report say of drift."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.population.drift import RuleDrift
from cds_service.service.app import create_app
from cds_service.service.drift_watch import DriftWatch
from cds_service.service.metrics import Metrics
from cds_service.service.served_content import ServedContent
from cds_service.settings import Settings
from cds_service.store.store import Store
from tests.conftest import ORDER_SELECT
from tests.support.judged_runs import RULE, events, run_in
from tests.support.keys import KEY
from tests.support.places import ROOT, SECOND_PACK

SIGN = "vitamin-b12-order-sign"
OTHER = ("nasalRegimen", "AskNeurological")


def served(runs, store, **settings):
    return create_app(Settings(loopback=True, key=KEY, runs=runs, store=store, **settings)).test_client()


def filled(url, version, judged, cards):
    """A store in which calls were judged and cards shown, today."""
    store = Store(url)
    for _ in range(judged):
        store.count_call(SIGN, version, judged_under="")
    for _ in range(cards):
        store.count(SIGN, *RULE, "1.0.0", "critical")
    store.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run_in(folder, "last-year", [*events(40, 100), *events(3, 8, hook="patient-view"), *events(1, 2, rule=OTHER)])
    run_in(folder, "before", events(1, 9), until="2025-12-01T00:00:00Z", version="1.9.0")
    run_in(folder, "theirs", events(1, 9), id="examplol")
    (folder / "no run").mkdir()
    return folder


@pytest.fixture(scope="module")
def pages(runs, tmp_path_factory, pack):
    """A service that has judged as many orders as the run, and has not shown one card of the rule."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    filled(url, pack.version, 102, 0)
    return served(runs, url)


def value(pages, name, label=""):
    """What a metric says of the rule."""
    told = pages.get("/metrics").text
    lines = re.findall(rf"^cds_service_rule_{name}\{{(.*)\}} (\S+)$", told, re.M)
    (found,) = [number for labels, number in lines if 'rule="TransfusionFirst"' in labels and label in labels]
    return float(found)


def plain(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_runs_are_listed_from_the_newest_on_with_what_they_come_to(pages, pack):
    page = pages.get("/population")
    assert page.status_code == 200
    assert re.findall(r'href="/population/([\w%-]+)">[\d-]+ to', page.text) == ["last-year", "before"]
    said = plain(page.text)
    assert f"2025-11-01 to 2026-11-01 last-year , vitamin-b12 {pack.version}" in said
    assert "102 orders of" in said and "sets of orders signed together get a card" in said
    assert "vitamin-b12 1.9.0" in said and said.count("as served") == 1


def test_the_tag_stands_with_the_version_that_is_served_and_a_comparison_says_what_changes(tmp_path, pack):
    rows = [row | {"content": name} for name in ("old", "new") for row in events(1, 2)]
    run = run_in(tmp_path / "runs", "compared", rows, "old", "new")
    manifest = json.loads((run / "run.json").read_text())
    manifest["contents"]["new"]["version"] = "99.0.0"
    manifest["made"] = "2026-11-30T19:19:58Z"
    (run / "run.json").write_text(json.dumps(manifest))
    said = plain(served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}").get("/population").text)
    assert "compared, made 2026-11-30 19:19 UTC ," in said
    note = manifest["contents"]["old"]["review"]
    assert f"vitamin-b12 {pack.version}, {note} as served , against vitamin-b12 99.0.0, {note} " in said
    assert "Nothing changes: every event has the same rules on its cards" in said


def test_a_folder_that_is_no_run_is_named_with_the_reason(pages):
    said = plain(pages.get("/population").text)
    assert "no run : this is not the folder of a run: it has no run.json that can be read" in said


def test_a_run_is_a_page_that_the_policy_of_the_console_allows(pages):
    page = pages.get("/population/last-year")
    assert page.status_code == 200 and "Whom the rules interrupt, 2025-11-01 to 2026-11-01" in page.text
    assert "From orders to cards" in page.text and "What this run cannot know" in page.text
    assert 'href="/console/population.css"' in page.text and "style=" not in page.text and "<style" not in page.text
    with pages.get("/console/population.css") as style:
        assert style.status_code == 200
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_run_folds_the_rules_that_never_spoke_and_says_nothing_in_words(pages):
    page = pages.get("/population/last-year").text
    folded = re.findall(r'<details class="silent-rules"><summary>(\d+) of (\d+) rules never spoke</summary>', page)
    (on_orders, of_orders), (on_charts, of_charts) = [(int(silent), int(of)) for silent, of in folded]
    assert on_orders == of_orders - 1 and on_charts == of_charts > 0
    said = plain(page)
    assert "warning Platelets and IM injection:" in said and "imPlateletsThinNeedle" in said
    assert "What the rules could not rest on" in said and "were known and could be used." in said


def test_charts_that_are_opened_once_have_no_column_of_repeats(pages):
    orders, _, charts = pages.get("/population/last-year").text.partition("Charts as they were at the end")
    assert re.findall(r'<th scope="col" class="number">(\w+)</th>', orders.partition("<h3>Where")[0]) == [
        "Fired", "Shown", "First", "Repeated", "Patients",
    ]  # fmt: skip
    assert re.findall(r'<th scope="col" class="number">(\w+)</th>', charts.partition("<h3>")[0]) == [
        "Fired", "Shown", "Patients",
    ]  # fmt: skip


def test_orders_that_were_selected_have_a_part_of_their_own_and_no_place_is_there_twice(tmp_path):
    rows = [*events(3, 5), *events(4, 5, hook="order-select"), *events(1, 2, hook="patient-view")]
    run_in(tmp_path / "runs", "all", rows)
    page = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}").get("/population/all").text
    assert "80.0 % of 5 sets of orders selected together get a card" in plain(page)
    places = re.findall(r' id="([^"]+)"', page.partition("Charts as they were")[0])
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    "name", ["none", "no%20run", "theirs", ".", "..", "%2e%2e", "..%2Flast-year", "..%2f..%2fetc", "last-year%00"]
)
def test_only_a_run_that_is_listed_has_a_page(pages, name):
    answer = pages.get(f"/population/{name}")
    assert answer.status_code in (404, 308) and "Whom the rules interrupt, " not in answer.text


EXAMPLE = "order-sign-imPlatelets-TransfusionFirst-0"


def test_an_example_of_a_rule_opens_in_why(pages, pack):
    run = pages.get("/population/last-year").text
    row = run.partition('<tr id="imPlateletsTransfusionFirst">')[2].partition("</tr>")[0]
    links = re.findall(r'href="(/population/last-year/event/[^"]+)"', row)
    assert len(links) == 10 and links[0].endswith(EXAMPLE)
    page = pages.get(links[0])
    said = plain(page.text)
    assert page.status_code == 200 and "Orders signed on 2026-01-05" in said
    assert "Platelet count: 22 ×10⁹/L , asked for: below 25 ×10⁹/L" in said and "from Age: 65-79" in said
    assert (
        "Platelet count platelets 22 ×10⁹/L A newer result, 1 day before, was not used: The unit … is not known for "
        "it. Observation 3 days before"
    ) in said
    assert (
        "on record MedicationRequest 1319 days before MedicationAdministration 25 of them, 20 to 1332 days before"
        in said
    )
    assert "An order that was still active counts, however long ago it was written." in said
    assert "not usable The route … is not known." in said
    assert f"Looked for, and not there {pack.facts['thrombocytopenia'].label}" in said
    assert "It rests on S12" in said
    assert 'href="/content/decisions/imPlatelets?fired=TransfusionFirst#TransfusionFirst"' in page.text
    assert "style=" not in page.text and "<style" not in page.text and "of-order-sign" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "last-year/event/none",
        "last-year/event/order-sign-imPlatelets-TransfusionFirst-99",  # in the tables, and no example
        "last-year/event/patient-view-imPlatelets-TransfusionFirst",
        f"theirs/event/{EXAMPLE}",
        f"none/event/{EXAMPLE}",
        "last-year/event/..%2f..%2f..%2fetc%2fpasswd",
        "last-year/event/%22",
        f"..%2Flast-year/event/{EXAMPLE}",
    ],
)
def test_only_an_example_of_a_run_of_the_pack_has_a_page(pages, path):
    assert pages.get(f"/population/{path}").status_code == 404


def test_a_link_to_an_example_says_which_event_it_is(pages):
    links = re.findall(r'href="/population/last-year/event/[^"]+">(.*?)</a>', pages.get("/population/last-year").text)
    assert links and all(
        re.fullmatch(r"(orders signed|charts opened), Jan 2026 <code>.{8}</code>", one) for one in links
    )


GROUNDS = {
    "statement": "S12",
    "quote": "Other words",
    "whose": "a rule of then",
    "asks": {
        "platelets": {
            "words": "below 30 ×10⁹/L",
            "own": [{"words": "the limit is ours", "why": "they bleed.", "decided_by": "the committee"}],
        }
    },
}


@pytest.mark.parametrize("version", ["0.0.1", None])
def test_an_example_of_a_rule_that_is_not_served_is_told_with_the_words_of_its_own_content(tmp_path, pack, version):
    """Its decision is served in another version, or in the same one with other rules."""
    now = pack.decisions["imPlatelets"].version
    rows = events(1, 1, version=version or now)
    run_in(tmp_path / "runs", "old", rows, grounds={"imPlateletsTransfusionFirst": GROUNDS})
    web = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}")
    page = web.get(f"/population/old/event/{EXAMPLE}").text
    said = plain(page)
    assert "It rests on S12: &ldquo;Other words&rdquo; (a rule of then)" in said
    assert "Platelet count: 22 ×10⁹/L , asked for: below 30 ×10⁹/L (the limit is ours: they bleed; decided by: " in said
    assert 'href="/content/decisions/imPlatelets"' in page and "imPlatelets?fired" not in page
    if version:
        assert f"The run judged version 0.0.1 of this decision; version {now} is served." in said
    else:
        assert f"The run judged a version {now} of this decision that differs from the one that is served ." in said


def test_an_example_of_a_decision_that_is_gone_says_so(tmp_path):
    rows = [row | {"cards": [row["cards"][0] | {"decision": "gone"}]} for row in events(1, 1)]
    run_in(tmp_path / "runs", "old", rows)
    web = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}")
    page = web.get(f"/population/old/event/{EXAMPLE}")
    assert page.status_code == 200 and "of a decision that is not served." in plain(page.text)


def test_a_run_of_an_earlier_software_is_told_with_the_words_of_what_is_served(tmp_path, pack):
    run_in(tmp_path / "runs", "old", events(1, 1), grounds={})
    web = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}")
    page = web.get(f"/population/old/event/{EXAMPLE}").text
    assert "It rests on S12" in page and "asked for: below 25 ×10⁹/L" in plain(page)
    assert 'href="/content/decisions/imPlatelets?fired=TransfusionFirst#TransfusionFirst"' in page


def test_an_example_of_a_comparison_has_both_answers(tmp_path, pack):
    old = [row | {"content": "old"} for row in events(1, 1)]
    new = [row | {"content": "new", "event": old[0]["event"]} for row in events(0, 1)]
    run_in(tmp_path / "runs", "compared", [*old, *new], "old", "new")
    web = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}")
    said = plain(web.get(f"/population/compared/event/{EXAMPLE}").text)
    assert said.index("Old: vitamin-b12") < said.index("Platelet count: 22") < said.index("New: vitamin-b12")
    assert "New: vitamin-b12" in said.partition("No card.")[0]


def test_no_file_outside_the_folder_is_read(runs, tmp_path, pages):
    run_in(runs.parent, "outside", events(1, 2))
    assert pages.get("/population/..%2Foutside").status_code == 404
    assert pages.get("/population/../outside").status_code == 404


def test_a_pack_has_the_runs_that_judged_it(runs, tmp_path):
    both = served(runs, f"sqlite:///{tmp_path / 's'}", cards=(ROOT / "cards", SECOND_PACK / "cards/examplol"))
    theirs = both.get("/packs/examplol/population")
    assert "theirs" in theirs.text and "last-year" not in theirs.text
    assert both.get("/packs/examplol/population/theirs").status_code == 200
    assert both.get("/packs/examplol/population/last-year").status_code == 404
    assert "theirs" not in both.get("/population").text


def test_without_the_setting_there_is_no_page_no_entry_and_no_line(tmp_path):
    without = served(None, f"sqlite:///{tmp_path / 's'}")
    assert without.get("/population").status_code == 404
    assert "Population" not in without.get("/content").text
    assert "would have spoken" not in plain(without.get("/content/decisions/imPlatelets").text)


def test_the_entry_leads_there_and_is_the_present_one_on_its_pages(pages):
    assert '<a href="/population">Population</a>' in pages.get("/content").text
    for path in ("/population", "/population/last-year"):
        assert '<a href="/population" aria-current="page">Population</a>' in pages.get(path).text


def test_a_folder_that_is_not_there_is_said_and_every_other_page_goes_on(tmp_path):
    web = served(tmp_path / "none", f"sqlite:///{tmp_path / 's'}")
    answer = web.get("/population")
    assert answer.status_code == 503 and "none: no such file or directory" in answer.text
    assert web.get("/population/last-year").status_code == 404
    assert web.get("/content/decisions/imPlatelets").status_code == 200
    assert web.get("/metrics").status_code == 200


def test_an_empty_folder_says_how_a_run_is_made(tmp_path):
    (tmp_path / "runs").mkdir()
    said = plain(served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}").get("/population").text)
    assert "No run of this content is there yet." in said and "cds-service population run export" in said


def test_the_page_of_a_decision_says_how_often_its_rules_would_have_spoken(pages, runs):
    page = pages.get("/content/decisions/imPlatelets").text
    assert (
        "In the orders of 2025-11-01 to 2026-11-01 its rules would have spoken 40 times, and on 3 charts when each was "
        "opened once (run last-year )." in plain(page)
    )
    assert 'href="/population/last-year"' in page
    said = plain(pages.get("/content/decisions/nasalRegimen").text)
    assert "its rules would have spoken once (run last-year )." in said
    assert "its rules would not have spoken (run last-year )." in plain(pages.get("/content/decisions/doseUnit").text)
    assert "would have spoken" not in plain(pages.get("/content/decisions/neurologicalInvolvement").text)


def test_a_run_of_another_version_is_said_to_be_one(tmp_path):
    run_in(tmp_path / "runs", "before", events(7, 9), version="1.9.0")
    web = served(tmp_path / "runs", f"sqlite:///{tmp_path / 's'}")
    said = plain(web.get("/content/decisions/imPlatelets").text)
    assert "have spoken 7 times (run before , which judged vitamin-b12 1.9.0" in said
    assert "No run is of the version that is served, so nothing is expected." in plain(web.get("/population").text)
    assert "cds_service_rule_drift{" not in web.get("/metrics").text


def test_a_rule_that_fell_silent_is_told_in_metrics_page_and_report(pages, pack, runs, tmp_path, monkeypatch):
    assert value(pages, "drift", 'drift="silent"') == 1
    assert value(pages, "drift", 'drift="doubled"') == 0
    assert value(pages, "expected") == 40
    assert 0 == value(pages, "ratio", 'bound="low"') < value(pages, "ratio", 'bound="high"') < 0.5
    said = plain(pages.get("/population").text)
    assert f"{SIGN} 1 of 2 rules has drifted: fallen silent or doubled, in 102 calls with orders on 1 day since" in said
    assert "fell silent Platelets" in said and "40.0 0 0.00 to 0.1" in said
    assert "1 rule too seldom to tell: fewer than 10 cards were expected, and fewer shown" in said
    assert "1.0 0 too few to tell" in said and "have not drifted" not in said

    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    filled(url, pack.version, 102, 1)
    monkeypatch.setenv("CDS_SERVICE_STORE", url)
    monkeypatch.setenv("CDS_SERVICE_RUNS", str(runs))
    text = CliRunner().invoke(main, ["report"])
    assert text.exit_code == 0, text.output
    assert f"{SIGN}: 1 of 2 rules fell silent or doubled, in 102 calls with orders on 1 day since" in text.output
    assert text.output.count("; 1 too seldom to tell") == 1
    assert re.search(r"fell silent, 1 shown of 40\.0 expected \(0\.00 to 0\.2\d times\): Platelets", text.output)
    (drift,) = json.loads(CliRunner().invoke(main, ["report", "--format", "json"]).output)["drift"]
    assert (drift["pack"], drift["run"]) == ("vitamin-b12", "last-year")
    (service,) = drift["services"]
    first = service["rules"][0]
    assert (first["decision"], first["rule"], first["shown"], first["drift"]) == (*RULE, 1, "silent")
    assert 0 < first["low"] < first["high"] < 0.5 and first["expected"] == 40.0


def test_where_all_is_as_expected_nothing_is_said_to_have_drifted(runs, pack, tmp_path):
    url = f"sqlite:///{tmp_path / 's'}"
    filled(url, pack.version, 51, 20)
    web = served(runs, url)
    said = plain(web.get("/population").text)
    assert "None of 2 rules has drifted" in said
    assert "1 rule that has not drifted, as far as can be told" in said and "1 rule too seldom to tell" in said
    told = web.get("/metrics").text
    assert "cds_service_rule_drift{" in told
    assert not re.search(r"^cds_service_rule_drift\{.*\} 1\.0$", told, re.M)


def test_that_every_rule_is_too_seldom_is_not_told_as_being_as_expected(tmp_path, pack):
    run_in(tmp_path / "runs", "run", events(1, 100))
    url = f"sqlite:///{tmp_path / 's'}"
    filled(url, pack.version, 51, 1)
    said = plain(served(tmp_path / "runs", url).get("/population").text)
    assert "1 rule speaks too seldom to tell whether it has drifted, in 51 calls" in said
    assert "0.5 1 too few to tell" in said and "not drifted" not in said and not re.search(r"\d times", said)


def test_the_report_without_runs_of_the_version_says_so_and_without_the_setting_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CDS_SERVICE_STORE", f"sqlite:///{tmp_path / 's'}")
    without = CliRunner().invoke(main, ["report"]).output
    assert "expected" not in without
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("CDS_SERVICE_RUNS", str(tmp_path / "runs"))
    text = CliRunner().invoke(main, ["report"]).output
    assert "No population run in CDS_SERVICE_RUNS is of vitamin-b12" in text
    monkeypatch.setenv("CDS_SERVICE_RUNS", str(tmp_path / "none"))
    failed = CliRunner().invoke(main, ["report"])
    assert failed.exit_code == 1 and "CDS_SERVICE_RUNS" in failed.output and "no such file" in failed.output


def test_a_store_that_is_down_hides_no_run(runs, tmp_path):
    (tmp_path / "file").write_text("")
    page = served(runs, f"sqlite:///{tmp_path}/file/store.sqlite3").get("/population")
    assert page.status_code == 200 and "last-year" in page.text
    assert "it cannot be reached" in plain(page.text)


def test_only_calls_whose_orders_were_judged_and_could_be_shown_are_held_against_a_run(tmp_path, request_for, pack):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    url = f"sqlite:///{tmp_path / 's'}"

    def judged(web):
        assert web.get("/acceptance").status_code == 200  # which has counts written
        store = Store(url)
        found = store.watched(datetime.now(UTC), pack.version, ["vitamin-b12-order-select"])
        store.close()
        return [(each.judged, each.cards) for each in found]

    shadow = create_app(Settings(key=KEY, store=url, console="on")).test_client()
    assert shadow.post(ORDER_SELECT, json=body).json == {"cards": []}
    assert judged(shadow) == []
    web = served(None, url)
    assert web.post(ORDER_SELECT, json=body, headers={"CDS-Service-Replay": "true"}).status_code == 200
    assert judged(web) == []
    assert web.post(ORDER_SELECT, json=body).status_code == 200
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"] = {"coding": [{"system": "http://www.whocc.no/atc", "code": "C10AA01"}]}
    assert web.post(ORDER_SELECT, json=body).json == {"cards": []}
    assert web.post(ORDER_SELECT, json={}).status_code == 400
    assert judged(web) == [(1, {RULE: 1})]


def test_metrics_look_at_the_counts_every_five_minutes_at_most(runs, pack, tmp_path):
    url = f"sqlite:///{tmp_path / 's'}"
    settings = Settings(loopback=True, key=KEY, store=url)
    store, moment = Store(url), [0.0]
    asked = []
    read = store.watched
    store.watched = lambda *arguments: asked.append(arguments) or read(*arguments)
    drift = DriftWatch(runs, ServedContent(settings, store.key), store, clock=lambda: moment[0])
    store.count_call(SIGN, pack.version, judged_under="")
    assert [rule.rule for _, rule in drift.rules()]
    moment[0] = 299.0
    drift.rules()
    assert len(asked) == 1
    moment[0] = 300.0
    drift.rules()
    assert len(asked) == 2
    store.close()


def test_what_was_expected_of_a_run_that_is_gone_is_expected_no_more():
    metrics = Metrics()
    metrics.set_drift([("p", RuleDrift("s", "d", "R", 0, 40.0, 0.0, 0.1))])
    assert re.search(r'^cds_service_rule_drift\{.*drift="silent".*\} 1\.0$', metrics.text().decode(), re.M)
    metrics.set_drift([])
    told = metrics.text().decode()
    assert not re.search(r"^cds_service_rule_drift\{.*\} 1\.0$", told, re.M)
    assert re.search(r'^cds_service_rule_ratio\{bound="high".*\} \+Inf$', told, re.M)
