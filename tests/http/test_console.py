"""The console over HTTP: who sees it, what it forbids, what it does not keep."""

import json
import re
import shutil
from datetime import UTC, date, datetime, timedelta

import pytest
from markupsafe import escape

from cds_service.console.calendar import calendar_of
from cds_service.content.lock import folder_digests
from cds_service.judge.explanation import explain
from cds_service.packaged import packaged
from cds_service.replay.courses import read_courses
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK
from tests.support.scenarios import by_name, request_of

PATHS = ["/", "/content", "/content/decisions/imPlatelets", "/content/value-sets/platelet-count", "/acceptance"]
PATHS += ["/courses", "/courses/falling-platelets"]
COURSES = read_courses(packaged("fixtures"))
OWN_SCRIPT = re.compile(r'<script src="/console/[a-z0-9.-]+" defer></script>')


def service(**settings):
    return create_app(Settings(key=KEY, **settings)).test_client()


def statuses(client, paths=PATHS):
    return {client.get(path).status_code for path in paths}


def test_it_is_off_beyond_loopback_unless_it_is_wanted(client):
    """The first page reads all scenarios once for each service; where it must be shown, one service shows it."""
    assert statuses(client) == {200}
    assert statuses(service(loopback=False)) == {404}
    assert statuses(service(loopback=True, console="off")) == {404}
    assert statuses(service(loopback=False, console="on"), PATHS[1:]) == {200}


def test_it_is_off_where_clients_are_named_for_a_proxy_may_stand_before_loopback(tmp_path):
    named = tmp_path / "clients.toml"
    named.write_text(
        'base-urls = ["https://cds.example"]\n[clients.ehr]\nissuer = "https://ehr.example"\n'
        'jwks-url = "https://ehr.example/jwks"\n'
    )
    assert statuses(service(loopback=True, clients=named)) == {404}
    assert statuses(service(loopback=True, clients=named, console="on"), PATHS[1:]) == {200}


def test_the_page_of_a_card_says_why_there_is_one_and_to_which_it_gives_way(client, pack):
    page = client.get("/content/decisions/nasalRegimen").text
    assert escape(pack.decisions["nasalRegimen"].why) in page
    assert re.search(r'href="[^"]*/content/decisions/neurologicalLoading"', page)
    assert "no card" in page


@pytest.mark.parametrize(
    "path", [*PATHS, "/content/decisions/none", "/content/value-sets/none", "/acceptance?days=5", "/courses/none"]
)
def test_a_page_may_load_nothing_from_elsewhere_and_nothing_is_written_into_it(client, path):
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in answer.headers
    text = OWN_SCRIPT.sub("", answer.text)
    assert not re.search(
        r"<script|<style|\son\w+=|\sstyle=|https?://(?!www.w3.org|loinc|snomed|unitsofmeasure)", text
    ) or ("value-sets" in path or path == "/")
    assert not re.search(r"<script|<style|\sonclick=|\sstyle=", text)


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_a_form_of_another_page_is_refused(client, headers):
    form = {"request": "{}", "now": "2026-11-23T12:00:00Z", "profile": "2.0"}
    assert client.post("/", data=form, headers=headers).status_code == 403
    assert client.post("/", data=form).status_code == 400


def without_order_sign(folder, pack):
    """A service of a copy of a content folder, which holds this pack, without the pack's service for order-sign."""
    head = folder / pack / "pack.yaml"
    text = head.read_text(encoding="utf-8")
    shortened = re.sub(rf"  - id: {pack}-(order-)?sign\n(?:    .*\n)+", "", text)
    assert shortened != text
    head.write_text(shortened, encoding="utf-8")
    lock = json.loads((folder / pack / "lock.json").read_text(encoding="utf-8"))
    lock["digests"] = folder_digests(folder / pack)
    (folder / pack / "lock.json").write_text(json.dumps(lock), encoding="utf-8")
    return service(loopback=True, cards=folder)


@pytest.mark.parametrize(
    "query",
    [
        {"scenario": "level-and-needle/belowBeforeSigning"},
        {"by": "form", "hook": "order-sign"},
    ],
    ids=["scenario", "form"],
)
def test_a_hook_that_no_service_answers_is_a_page_that_says_so(hospital, query):
    answer = without_order_sign(hospital / "cards", "examplol").get("/", query_string=query)
    assert answer.status_code == 404
    assert "No service of this content answers the hook order-sign." in answer.text


@pytest.fixture
def hospital(tmp_path):
    """A copy of the second pack with its examples."""
    return shutil.copytree(SECOND_PACK, tmp_path / "hospital")


def test_examples_are_those_beside_the_content_that_is_served(hospital):
    own = service(loopback=True, cards=hospital / "cards")
    page = own.get("/").text
    names = re.findall(r'href="/\?scenario=([^"]+)"', page)
    assert names
    assert all((hospital / "fixtures/scenarios" / f"{name.partition('/')[0]}.yaml").is_file() for name in names)
    assert "Ada Sample" in page and "Kwame Mensah" not in page
    assert own.get("/", query_string={"scenario": "platelets-and-im/sample"}).status_code == 404
    assert "scenario=level-and-needle/below" in own.get("/content/decisions/levelAndNeedle").text


def test_examples_that_cannot_be_read_are_said_with_their_file_and_calls_go_on(hospital):
    file = hospital / "fixtures/scenarios/course.yaml"
    file.write_text("cases: [", encoding="utf-8")
    own = service(loopback=True, cards=hospital / "cards")
    for path in ("/", "/content/decisions/howGiven"):
        answer = own.get(path)
        assert answer.status_code == 503
        assert f"{file}:" in answer.text
    assert own.get("/content").status_code == 200
    assert own.get("/cds-services").status_code == 200


def test_a_folder_of_examples_without_any_is_a_page_to_fill_in(hospital):
    for file in (hospital / "fixtures").rglob("*.*"):
        file.unlink()
    answer = service(loopback=True, cards=hospital / "cards").get("/")
    assert answer.status_code == 200
    assert "There is no such scenario" not in answer.text


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"hook": 1}', '{"hook": "order-select"}', "\x00", "ä" * 1000])
@pytest.mark.parametrize("now", ["2026-11-23T12:00:00Z", "2026-11-23", "now", ""])
def test_what_cannot_be_read_is_a_page_and_never_500(client, text, now):
    answer = client.post("/", data={"request": text, "now": now, "profile": "none"})
    assert answer.status_code == 400
    assert "<h1>" in answer.text


@pytest.mark.parametrize("now", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1899-12-31T00:00:00+14:00"])
def test_a_time_near_the_ends_of_the_calendar_is_refused_in_words(client, request_for, now):
    text = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    answer = client.post("/", data={"request": text, "now": now, "profile": "2.0"})
    assert answer.status_code == 400
    assert "The time must lie between the years 1900 and 2200." in answer.text


def test_a_request_that_is_fired_leads_to_its_answer_or_to_what_is_wrong_with_it(client):
    said = 'role="alert"'
    for page in (client.get("/?scenario=none").text, client.post("/", data={"request": "{}", "now": "x"}).text):
        assert '<form method="post" action="/#answer">' in page
        assert (page.index(said) > page.index('<div id="answer">')) == ("ISO 8601" in page)
        assert re.search(r'<a href="/" aria-current="page">Try</a>', page)


def test_a_client_is_called_by_its_name(client):
    page = client.get("/").text
    assert "Answered as for a client of <strong>CDS Hooks 2.0</strong>" in page
    assert '<option value="epic">Epic</option>' in page


def test_a_form_too_large_is_refused(client):
    assert client.post("/", data={"request": "x" * 3_000_000, "now": "", "profile": ""}).status_code == 413


def test_the_answer_is_that_of_the_service(client, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    (card,) = client.post("/cds-services/vitamin-b12-order-select", json=body).json["cards"]
    text = json.dumps(body)
    days = re.search(r"Platelet count: 22 ×10⁹/L, (\d{4}-\d\d-\d\d)", card["detail"])
    page = client.post("/", data={"request": text, "now": f"{days[1]}T23:00:00Z", "profile": "2.0"})
    assert card["summary"] in page.text


def test_nothing_that_is_tried_is_counted_or_kept(tmp_path, request_for):
    store = tmp_path / "store.sqlite3"
    ours = service(loopback=True, store=f"sqlite:///{store}")
    text = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    assert ours.post("/", data={"request": text, "now": "2026-11-23T12:00:00Z", "profile": "2.0"}).status_code == 200
    assert 'findings_total{decision="imPlatelets"' not in ours.get("/metrics").text
    assert "No card was shown" in ours.get("/acceptance").text


def order(*repeats):
    return {"dosageInstruction": [{"sequence": n, "timing": {"repeat": one}} for n, one in enumerate(repeats, 1)]}


def days(calendar):
    return [
        (month.name, day.number, day.step)
        for month in calendar.months
        for week in month.weeks
        for day in week
        if day is not None and day.step
    ]


def test_a_calendar_has_the_doses_of_each_step_in_turn():
    bounds = {"boundsDuration": {"value": 7, "unit": "d", "code": "d"}}
    daily = {"frequency": 1, "period": 1, "periodUnit": "d"} | bounds
    alternate = {"frequency": 1, "period": 2, "periodUnit": "d", "count": 3}
    found = calendar_of(order(daily, alternate), date(2026, 11, 25), UTC, {})
    assert days(found) == [
        *(("November 2026", day, 1) for day in range(25, 31)),
        ("December 2026", 1, 1),
        ("December 2026", 2, 2),
        ("December 2026", 4, 2),
        ("December 2026", 6, 2),
    ]
    assert found.notes == ()


def test_a_calendar_of_long_intervals_shows_a_year_and_says_what_it_leaves_out():
    found = calendar_of(
        order({"frequency": 1, "period": 2, "periodMax": 3, "periodUnit": "mo"}), date(2026, 1, 31), UTC, {}
    )
    assert [month.name for month in found.months] == [
        f"{month} 2026" for month in ("January", "March", "May", "July", "September", "November")
    ]  # the months between have no dose
    assert len(days(found)) == 6
    assert found.notes == (
        "The order leaves a range; the picture shows its nearest end.",
        "The order has no end; the picture shows its first twelve months.",
    )


def test_a_calendar_ends_with_its_last_dose_and_marks_today():
    bounds = {"boundsDuration": {"value": 7, "code": "d"}}
    found = calendar_of(order({"frequency": 1, "period": 1, "periodUnit": "d"} | bounds), date(2026, 11, 2), UTC, {})
    assert [month.name for month in found.months] == ["November 2026"]
    firsts = [day.number for week in found.months[0].weeks for day in week if day is not None and day.is_first]
    assert firsts == [2]


def test_a_calendar_has_the_dates_that_the_schedule_says():
    monthly = calendar_of(order({"frequency": 1, "period": 1, "periodUnit": "mo"}), date(2026, 1, 31), UTC, {})
    assert [day for _, day, _ in days(monthly)][:4] == [31, 28, 31, 30]
    weekdays = {"dayOfWeek": ["mon", "wed", "fri"], "boundsDuration": {"value": 2, "code": "wk"}}
    for month in calendar_of(order(weekdays), date(2026, 11, 25), UTC, {}).months:
        on = [index for week in month.weeks for index, cell in enumerate(week) if cell and cell.step]
        assert set(on) <= {0, 2, 4}
    period = {"boundsPeriod": {"start": "2027-02-01", "end": "2027-02-05"}, "period": 2, "periodUnit": "d"}
    bounded = calendar_of(order(period), date(2026, 11, 25), UTC, {})
    assert [(name, day) for name, day, _ in days(bounded)] == [("February 2027", day) for day in (1, 3, 5)]
    assert bounded.notes == ()


def test_a_calendar_takes_the_words_of_the_hospital():
    own = {"dosageInstruction": [{"timing": {"code": {"text": "b12 load"}}}]}
    assert calendar_of(own, date(2026, 11, 23), UTC, {}) is None
    assert [day for _, day, _ in days(calendar_of(own, date(2026, 11, 23), UTC, {"b12 load": "3 per wk"}))][:3] == [
        23,
        25,
        27,
    ]


@pytest.mark.parametrize(
    "repeat", [{}, {"period": 0, "periodUnit": "d"}, {"period": 1, "periodUnit": "fortnight"}, {"frequency": 1}]
)
def test_what_has_no_days_has_no_calendar(repeat):
    assert calendar_of(order(repeat), date(2026, 1, 1), UTC, {}) is None


@pytest.mark.parametrize(
    "repeat",
    [
        {"boundsPeriod": {"start": "9999-12-01", "end": "9999-12-31"}},
        {"boundsPeriod": {"start": "9999-06-01"}},
        {"boundsPeriod": {"start": "9990-06-01", "end": "9999-12-31"}},
    ],
)
def test_days_at_the_end_of_the_calendar_are_no_fault(repeat):
    found = calendar_of(order({"period": 1, "periodUnit": "d"} | repeat), date(2026, 1, 1), UTC, {})
    assert found is None or found.months


def test_a_value_set_without_codes_says_so_and_has_no_empty_table(client):
    page = client.get("/content/value-sets/ileal-resection-length").text
    assert "This set holds no codes" in page and "<th" not in page


def test_an_answer_shows_the_history_and_a_moment_leads_back_to_its_course(client):
    page = client.get("/?scenario=falling-platelets/renewalAtTwentyOne").text
    assert 'href="/courses/falling-platelets"' in page
    history = page[page.index('id="history"') : page.index('id="results"')]
    for lane in ("Problems", "Orders", "Doses ordered", "Doses given", "Platelet count, ×10⁹/L"):
        assert f"<title>{lane}</title>" in history
    assert history.count('class="stroke"') == 11 + 1  # the doses given by then, and the legend
    assert "MedicationAdministration/bernard-okoth-dose-11" in history
    assert "Methotrexate" in history  # facts ask for it too


def test_history_and_plots_name_the_unit_in_which_the_values_stand(client):
    page = client.get("/?scenario=platelets-and-im/sample").text
    history = page[page.index('id="history"') : page.index('id="results"')]
    plots = page[page.index('id="results"') :].partition("</details>\n\n<details")[0]
    assert "<title>Total vitamin B12 in serum, plasma or blood, ng/L</title>" in history and "pg/mL" not in history
    assert "<figcaption>Total vitamin B12 in serum, plasma or blood, ng/L</figcaption>" in plots
    assert "<title>Creatinine, µmol/L</title>" in history and "mg/dL" not in history


BUNDLE = {"resourceType": "Bundle", "type": "searchset"}


def page_of(client, request_for, **sent):
    """The page of an answer to a request whose record has these resources under the keys of the prefetch."""
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for key, resources in sent.items():
        body["prefetch"][key] = {**BUNDLE, "entry": [{"resource": each} for each in resources]}
    today = datetime.now(UTC).isoformat()
    answer = client.post("/", data={"request": json.dumps(body), "now": today, "profile": "2.0"})
    assert answer.status_code == 200
    return answer.text


def treatment(kind, identity, **members):
    return {
        "resourceType": kind,
        "id": identity,
        "status": "completed",
        "medicationCodeableConcept": {"text": "Hydroxocobalamin"},
        "subject": {"reference": "Patient/kwame-mensah"},
        **members,
    }


def test_hostile_and_undated_entries_are_said_as_text(client, request_for):
    hostile = "<script>alert(1)</script><img src=x>"
    drug = {"text": f"hydroxocobalamin {hostile}"}
    orders = [
        treatment("MedicationRequest", '"><b>', status="active", intent="order", medicationCodeableConcept=drug),
        treatment("MedicationRequest", "undated", status="active", intent="order", authoredOn=hostile),
    ]
    problem = {"resourceType": "Condition", "id": "p", "code": {"text": hostile}, "recordedDate": "2026-01-01"}
    page = page_of(client, request_for, medicationRequests=orders, conditions=[problem])
    assert "<script" not in OWN_SCRIPT.sub("", page) and "<img" not in page and '"><b>' not in page
    history = page[page.index('id="history"') :]
    assert "The date could not be read." in history
    assert "&lt;script&gt;" in history


def test_a_dose_that_was_recorded_twice_is_one_mark_that_names_both(client, request_for):
    days = [(datetime.now(UTC) - timedelta(days=ago)).date().isoformat() for ago in (40, 30, 20)]
    doses = [treatment("MedicationAdministration", f"g{n}", effectiveDateTime=day) for n, day in enumerate(days)]
    doses.append(treatment("MedicationAdministration", "not", status="not-done", effectiveDateTime=days[0]))
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "308752009"}]}
    injection = treatment("Procedure", "p", code=code, performedDateTime=days[1])
    page = page_of(client, request_for, medicationAdministrations=[*doses, doses[0]], procedures=[injection])
    history = page[page.index('id="history"') :]
    assert history.count('class="stroke"') == 3 + 1  # and the legend
    assert "<code>MedicationAdministration/g1, Procedure/p</code>" in history
    assert (
        "<code>MedicationAdministration/not</code> Hydroxocobalamin: Its status says that it was not given." in history
    )


def test_the_history_on_the_page_is_that_which_explain_tells(client, prepared):
    """Both are of the service's own reading, so neither has an event that the other has not."""
    scenario = by_name("falling-platelets/renewalAtTwentyOne")
    body = json.dumps(request_of(prepared, scenario)).encode()
    told = {entry["reference"] for entry in explain(prepared, body, scenario.now)["history"]}
    page = client.get(f"/?scenario={scenario.name}").text
    shown = set(
        re.findall(r"<code>(Medication\w+/[^<,]+)", page[page.index('id="history"') : page.index('id="results"')])
    )
    assert len(told) > 10
    assert shown == told
