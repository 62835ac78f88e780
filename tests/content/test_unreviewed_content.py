"""Content that two people have not reviewed shows itself on a laptop only, unless a deployer accepts it (Z15)."""

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.content.proof.versions import update_lock
from cds_service.content.reviews import Review, ReviewState, Signature, better, standing
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.reviews import EMPTY, review, with_review

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()  # in every time zone


@pytest.fixture(scope="module")
def request_body(request_for):
    return request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")


@pytest.fixture
def cards(tmp_path):
    return shutil.copytree(packaged("cards"), tmp_path / "cards")


@pytest.fixture
def reviewed(cards):
    """A folder of content whose pack is reviewed as is written."""

    def write(written, version="9.0.0"):
        pack = cards / "vitamin-b12/pack.yaml"
        pack.write_text(with_review(pack.read_text(), written, version))
        assert update_lock(cards) == []
        return cards

    return write


def client_of(cards, **settings):
    return create_app(Settings(cards=cards, key=KEY, **settings)).test_client()


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (Settings(), False),
        (Settings(loopback=True), True),
        (Settings(accept_unreviewed_content=True), True),
    ],
)
def test_unreviewed_content_runs_as_shadow_beyond_loopback(request_body, settings, shown):
    client = create_app(settings).test_client()
    assert bool(client.post(ORDER_SELECT, json=request_body).json["cards"]) is shown
    ready = client.get("/readyz")
    assert ready.status_code == 200
    content = ready.json["content"]
    assert (content["id"], content["reviewed"], content["shown"]) == ("vitamin-b12", False, shown)
    assert content["review"] == {"state": "none", "next-review": ""}


def test_a_recorded_review_shows_the_content_and_ends_the_notice(request_body, reviewed):
    client = client_of(reviewed(review()))
    (card,) = client.post(ORDER_SELECT, json=request_body).json["cards"]
    assert "has not been reviewed" not in card["detail"]
    assert "review" not in card["detail"].lower()
    assert card["source"]["label"] == "Dr.Oracle article (AI-written)"
    content = client.get("/readyz").json["content"]
    assert content["reviewed"] is True
    assert content["review"] == {"state": "current", "next-review": "2999-01-01"}


def test_a_review_needs_no_new_version_and_is_taken_up_when_it_is_locked(request_body, cards):
    """Who signs needs to know what is signed: the version that is locked."""
    assert update_lock(cards) == []
    before = client_of(cards).get("/readyz").json["content"]
    pack = cards / "vitamin-b12/pack.yaml"
    pack.write_text(pack.read_text().replace(EMPTY, review(before["version"])))
    done = CliRunner().invoke(main, ["check", str(cards)])
    assert "a review or the sign-off of the hazards is not locked" in done.output
    assert update_lock(cards) == []
    client = client_of(cards)
    after = client.get("/readyz").json["content"]
    assert (before["version"], before["reviewed"]) == (after["version"], False)
    assert after["reviewed"] is True
    assert client.post(ORDER_SELECT, json=request_body).json["cards"]


@pytest.mark.parametrize("changed", ["title: x", "# a comment"])
def test_beside_a_review_any_other_change_needs_a_new_version(cards, changed):
    assert update_lock(cards) == []
    pack = cards / "vitamin-b12/pack.yaml"
    version = load_pack(cards).version
    text = pack.read_text().replace(EMPTY, review(version))
    pack.write_text(re.sub("^title: .*$", changed, text, flags=re.M) if "title" in changed else f"{text}{changed}\n")
    (problem,) = update_lock(cards)
    assert f"vitamin-b12 changed without a new version (still {version})" in problem.text


@pytest.mark.parametrize("file", ["pack.yaml", "decisions/imPlatelets/table.yaml", "hazards.yaml"])
def test_a_review_that_the_version_has_left_behind_is_not_lost_unnoticed(cards, file):
    path = cards / "vitamin-b12" / file
    text = path.read_text()
    if file == "hazards.yaml":
        text = text.replace(
            EMPTY.replace("review:", "sign-off:", 1), review("1.0.0").replace("review:", "sign-off:", 1)
        )
    elif file == "pack.yaml":
        text = text.replace(EMPTY, review("1.0.0"))
    else:
        text += review("1.0.0")
    path.write_text(text)
    done = CliRunner().invoke(main, ["check", str(cards), "--update-lock"])
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if "counts for no other" in line]
    assert line.startswith(str(path)) and "it is of 1.0.0" in line


def test_a_review_of_an_older_version_does_not_count(request_body, reviewed):
    client = client_of(reviewed(review("9.0.0"), "9.0.1"))
    assert client.post(ORDER_SELECT, json=request_body).json["cards"] == []
    assert client.get("/readyz").json["content"]["reviewed"] is False


def test_a_review_of_one_decision_ends_the_notice_on_its_cards_only(request_body, cards):
    pack, table = (cards / "vitamin-b12" / name for name in ("pack.yaml", "decisions/imPlatelets/table.yaml"))
    for path in (pack, table):
        path.write_text(re.sub(r"\nversion: \S+", "\nversion: 9.0.0", path.read_text(), count=1))
    table.write_text(table.read_text() + review())
    assert update_lock(cards) == []
    client = client_of(cards, loopback=True)
    (card,) = client.post(ORDER_SELECT, json=request_body).json["cards"]
    assert "has not been reviewed" not in card["detail"]
    assert client.get("/readyz").json["content"]["reviewed"] is False


def test_an_expired_review_is_said_and_takes_no_card_away(request_body, reviewed):
    """Cards that vanish on a day of the calendar would be silence that nobody meant."""
    written = review(
        next_review=YESTERDAY,
        authored="{role: Pharmacist, person: A. B., date: 2020-01-01}",
        checked="{role: Physician, person: C. D., date: 2020-01-02}",
    )
    cards = reviewed(written)
    client = client_of(cards, console="on")
    (card,) = client.post(ORDER_SELECT, json=request_body).json["cards"]
    assert f"The clinical review of this content has expired: the next was due by {YESTERDAY}." in card["detail"]
    content = client.get("/readyz").json["content"]
    assert (content["reviewed"], content["shown"]) == (False, True)
    assert content["review"] == {"state": "expired", "next-review": YESTERDAY}
    told = client.get("/metrics").text
    assert 'cds_service_content_review{pack="vitamin-b12",state="expired"} 1.0' in told
    assert 'cds_service_content_review{pack="vitamin-b12",state="current"} 0.0' in told
    said = f"its clinical review has expired, the next was due by {YESTERDAY}"
    for page in ("/", "/content/decisions/imPlatelets"):
        assert said in client.get(page).text
    checked = CliRunner().invoke(main, ["check", str(cards)])
    assert checked.exit_code == 0
    assert f"The content holds; {said}" in checked.output
    assert re.search(rf"pack\.yaml:\d+: review: {said}", checked.output)
    reported = CliRunner().invoke(main, ["report"], env={"CDS_SERVICE_CARDS": str(cards)})
    assert f"vitamin-b12 9.0.0: {said}" in reported.output


def test_the_report_says_that_nobody_has_reviewed_the_content():
    assert "not reviewed by a clinician" in CliRunner().invoke(main, ["report"]).output


def test_an_expired_review_of_one_decision_is_said_where_it_would_have_counted(request_body, cards):
    pack, table = (cards / "vitamin-b12" / name for name in ("pack.yaml", "decisions/imPlatelets/table.yaml"))
    for path in (pack, table):
        path.write_text(re.sub(r"\nversion: \S+", "\nversion: 9.0.0", path.read_text(), count=1))
    dates = {"authored": "{role: a, person: a, date: 2020-01-01}", "checked": "{role: b, person: b, date: 2020-01-01}"}
    table.write_text(table.read_text() + review(next_review="2021-01-01", **dates))
    assert update_lock(cards) == []
    (card,) = client_of(cards, loopback=True).post(ORDER_SELECT, json=request_body).json["cards"]
    assert "the next was due by 2021-01-01" in card["detail"]
    checked = CliRunner().invoke(main, ["check", str(cards)])
    assert re.search(r"imPlatelets/table\.yaml:\d+: review: its clinical review has expired", checked.output)


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        ("2026-12-31T12:00:00+00:00", False),
        ("2027-01-01T10:59:00+00:00", False),  # the last minute of the first of January in Auckland
        ("2027-01-01T11:01:00+00:00", True),
    ],
)
def test_a_review_counts_to_the_end_of_its_day_at_the_hospital(reviewed, scenarios, now, expired):
    """Deciding knows no clock: the time is that of the call, the day that of the hospital."""
    pack = load_pack(reviewed(review(next_review="2027-01-01")))
    prepared = Prepared.of(pack, zone=ZoneInfo("Pacific/Auckland"), key=KEY.encode())
    scenario = next(one for one in scenarios if one.name == "iv-cyanocobalamin/nothingSent")
    service = pack.service_for(scenario.hook)
    answer = evaluate(prepared, service, encode(scenario.request({})), datetime.fromisoformat(now))
    assert [("has expired" in card["detail"]) for card in answer.body["cards"]] == [expired]


DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))
SIGNED = Signature("Pharmacist", "register 1", date(2020, 1, 1))


@given(DAYS, DAYS, st.sampled_from(["1.0.0", "1.0.1"]))
def test_a_review_is_current_to_its_day_and_of_no_other_version(until, today, version):
    state = standing(Review("1.0.0", SIGNED, SIGNED, until), version, today).state
    in_time = ReviewState.CURRENT if today <= until else ReviewState.EXPIRED
    assert state is (in_time if version == "1.0.0" else ReviewState.NONE)


@given(DAYS, DAYS, DAYS)
def test_of_two_reviews_the_current_one_counts_else_the_later(one, other, today):
    both = [standing(Review("1.0.0", SIGNED, SIGNED, until), "1.0.0", today) for until in (one, other)]
    assert better(*both).until == max(one, other)
    assert better(both[0], standing(None, "1.0.0", today)) == both[0]


FAULTS = [
    (
        review(checked='{role: "", person: register 2, date: 2026-11-23}'),
        "checked-by role is empty; a review is",
    ),
    (review(version='""'), "version is empty; a review is filled in whole, or left empty"),
    (review(next_review='""'), "next-review is empty"),
    (
        review(checked="{role: Physician, person: Register  1, date: 2026-11-23}"),
        "one person both authored and",
    ),
    (review(next_review="soon"), "'soon' is no date of the form YYYY-MM-DD"),
    (review(next_review='"20270101"'), "'20270101' is no date of the form YYYY-MM-DD"),
    (review(authored="{role: a, person: a, date: 2026-02-30}"), "'2026-02-30' is no date of the form YYYY-MM-DD"),
    (review(authored="{role: a, person: a, date: 2026-11-24}"), "it was checked before it was authored"),
    (review(next_review="2026-11-23"), "the next review is not later than this one"),
]


@pytest.mark.parametrize(("written", "expected"), FAULTS)
@pytest.mark.parametrize("file", ["pack.yaml", "decisions/imPlatelets/table.yaml", "hazards.yaml"])
def test_a_review_that_is_none_is_refused_with_file_and_line(cards, written, expected, file):
    path = cards / "vitamin-b12" / file
    text = path.read_text()
    if file == "pack.yaml":
        text = with_review(text, written, load_pack(cards).version)
    elif file == "hazards.yaml":
        empty = text[text.index("sign-off:") : text.index("\n\n# The risk")]
        text = text.replace(empty, written.replace("review:", "sign-off:", 1))
    else:
        text += written
    path.write_text(text)
    lines = CliRunner().invoke(main, ["check", str(cards)]).output.splitlines()
    (named,) = [line for line in lines if ": review: " in line]
    place, line, _ = named.split(":", 2)
    assert place == str(path)
    assert expected in named
    begins = text.splitlines().index("sign-off:" if file == "hazards.yaml" else "review:") + 1
    assert begins < int(line) <= begins + 4


def test_a_day_needs_no_quotation_marks(reviewed):
    assert load_pack(reviewed(review(next_review="2027-01-01"))).review.next_review == date(2027, 1, 1)
