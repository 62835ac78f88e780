"""The pages about what became of the cards and what was not understood: words, order, counts, a store that is down."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from cds_service.console.acceptance_rows import trend_of
from cds_service.console.not_understood_page import kind_rows
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store.entries import Entry, Origin
from cds_service.store.figures import NotUnderstoodDay
from cds_service.store.store import Store
from cds_service.vocabulary.accounting import Kind
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK

NOW = datetime.now(UTC)
SELECT, SIGN = "vitamin-b12-order-select", "vitamin-b12-order-sign"


def answered(card, outcome, rule, version="1.5.0", code="", display="", decision="imPlatelets"):
    return Entry(
        received_at=NOW,
        service=SELECT,
        client="",
        card=card,
        outcome=outcome,
        outcome_at=NOW,
        origin=Origin(1, decision, rule, version),
        reason_code=code,
        reason_display=display,
        comment="<b>given</b> today" if card == "a" else "",
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A store with figures of three rules, one of them in two versions and one of no content."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    store = Store(url)
    for version, times in (("1.4.0", 2), ("1.5.0", 3)):
        for _ in range(times):
            store.count(SELECT, "imPlatelets", "TransfusionFirst", version, "critical")
    store.count(SIGN, "nasalRegimen", "AskNeurological", "1.0.0", "info")
    store.count(SELECT, "oldDecision", "Gone", "0.9.0", "warning")
    for _ in range(10):
        store.count_call(SELECT, "2.1.0", [("code", "SNOMED CT"), ("code", "other")])
    store.count_call(SIGN, "2.1.0", [("unit", "none")])
    store.add(
        [
            answered("a", "overridden", "TransfusionFirst", code="action-completed", display="as sent"),
            answered("b", "overridden", "TransfusionFirst", "1.4.0", "action-completed", "Platelets were given"),
            answered("c", "overridden", "TransfusionFirst", "1.4.0", "action-completed", "Platelets were given"),
            answered("d", "accepted", "TransfusionFirst"),
            answered("e", "accepted", "Gone", "0.9.0", decision="oldDecision"),
        ]
    )
    store.close()
    return url


@pytest.fixture(scope="module")
def pages(url):
    return create_app(Settings(loopback=True, key=KEY, store=url)).test_client()


def rules(page):
    """The ids of the rows of the table, in their order."""
    return re.findall(r'<tr id="(\w+)">', page)


def cells(page, rule):
    """The figures in the row of a rule, by the class of their cell, without markup."""
    row = page[page.index(f'<tr id="{rule}">') :]
    found = re.findall(r'<td class="([a-z0-9-]+)" data-label="[^"]*">(.*?)</td>', row[: row.index("\n  </tr>")], re.S)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", text).split()) for name, text in found}


def test_the_versions_of_a_rule_are_one_row_with_its_words(pages, pack):
    page = pages.get("/acceptance?days=7").text
    assert rules(page) == ["imPlateletsTransfusionFirst", "nasalRegimenAskNeurological", "oldDecisionGone"]
    told = cells(page, "imPlateletsTransfusionFirst")
    reason = told.pop("reason")
    assert told == {
        "severity": "critical",
        "shown": "5",
        "per-100": "50.0 5 in 10",
        "answered": "4",
        "accepted": "25 % 1 of 4",
        "at-most": "70 %",
        "overridden": "3",
        "trend": "",
    }
    assert reason == "Platelets were given"  # in the words of the version that they were chosen in
    title = pack.decisions["imPlatelets"].title
    assert f"{title} <small>1 rule</small></th>" in page
    assert "<summary>Platelets …, IM injection ordered or if given IM: consider platelet transfusion" in page
    own = "I have acted on it: platelets are given, or a newer count is higher"
    assert f"<li>{own}: 1 of 3, 33 %" in page and "<li>Platelets were given: 2 of 3, 67 %" in page
    assert "action-completed" not in page and "as sent" not in page
    assert re.search(r'<th scope="row">1.4.0</th><td>2</td><td>2</td><td>0, 0 % ', page)


def test_a_rule_leads_on_to_its_table_its_example_and_its_sheet_and_one_that_is_no_more_does_not(pages):
    page = pages.get("/acceptance?days=7").text
    rows = {rule: page[page.index(f'<tr id="{rule}">') :].partition("\n  </tr>")[0] for rule in rules(page)}
    links = re.findall(r'href="([^"]+)"', rows["imPlateletsTransfusionFirst"])
    at, over_time = "/content/decisions/imPlatelets", "/acceptance/imPlatelets/TransfusionFirst"
    assert links == [over_time, f"{at}#TransfusionFirst", f"{at}/try/TransfusionFirst", f"{at}/review"]
    assert [pages.get(link).status_code for link in links] == [200, 200, 302, 200]
    assert re.findall(r'href="([^"]+)"', rows["oldDecisionGone"]) == ["/acceptance/oldDecision/Gone"]


def test_rules_of_the_same_words_are_told_apart_by_their_names(tmp_path, pack):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    for rule in pack.decisions["imPlatelets"].rules:
        if rule.then.text:
            store.count(SELECT, "imPlatelets", rule.id, "1.5.0", rule.then.indicator)
    store.close()
    page = create_app(Settings(loopback=True, key=KEY, store=url)).test_client().get("/acceptance").text
    said = re.findall(r"<summary>(Platelets.*?|IM .*?)</summary>", page)
    assert len(said) > 5 and len(set(said)) == len(said)
    assert "Usable count needed</span>" in page


def test_a_decision_says_what_became_of_its_cards_and_leads_to_the_row(pages):
    page = pages.get("/content/decisions/imPlatelets").text
    assert '<a href="/acceptance?days=30#of-imPlatelets">shown 5 times, accepted 1 of 4 in the last 30 days</a>' in page
    assert '<a href="/acceptance?days=30#imPlateletsTransfusionFirst">Shown 5 times, accepted 1 of 4 in' in page
    assert "Its cards were not shown in the last 30 days." in pages.get("/content/decisions/renalAgent").text


def test_a_decision_is_shown_while_the_store_is_down(tmp_path):
    (tmp_path / "file").write_text("")
    web = create_app(Settings(loopback=True, key=KEY, store=f"sqlite:///{tmp_path}/file/store.sqlite3")).test_client()
    answer = web.get("/content/decisions/imPlatelets")
    assert answer.status_code == 200 and "in the last 30 days" not in answer.text


def taken_along(web, path):
    """The lines of a table to take along, each by its heads."""
    answer = web.get(path)
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(answer.data.decode("utf-8-sig").splitlines()))


def test_the_figures_can_be_taken_along_as_they_are_sorted_and_without_comments(pages, pack):
    page = pages.get("/acceptance?days=7&sort=shown&order=asc").text
    (path,) = re.findall(r'href="(/acceptance\.csv[^"]*)"', page)
    lines = taken_along(pages, path.replace("&amp;", "&"))
    order = dict.fromkeys(line["decision"] + line["rule"] for line in lines)
    assert list(order) == rules(page)
    (now,) = [line for line in lines if line["version"] == "1.5.0"]
    assert now["decision in words"] == pack.decisions["imPlatelets"].title and now["severity"] == "critical"
    assert (now["shown"], now["answered"], now["accepted"], now["overridden"]) == ("3", "2", "1", "1")
    assert float(now["low"]) < float(now["accepted share"]) == 0.5 < float(now["high"])
    assert "given</b> today" not in pages.get("/acceptance.csv?days=7").text
    assert pages.get("/acceptance.csv?days=8").status_code == 404


def test_what_was_not_understood_can_be_taken_along(pages):
    (path,) = re.findall(r'href="(/not-understood\.csv[^"]*)"', pages.get("/not-understood?days=7").text)
    lines = taken_along(pages, path)
    assert [(line["kind"], line["code system"], line["times"], line["calls"]) for line in lines] == [
        ("code", "SNOMED CT", "10", "11"),
        ("code", "other", "10", "11"),
        ("unit", "none", "1", "11"),
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", " =", "\t="])
def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(tmp_path, sign):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    store.count(SELECT, f"{sign}1+1", "Gone", "0.9.0", "warning")
    store.close()
    web = create_app(Settings(loopback=True, key=KEY, store=url)).test_client()
    (line,) = taken_along(web, "/acceptance.csv")
    assert line["decision"] == f"'{sign}1+1"


def test_cards_are_reckoned_for_the_calls_of_the_hooks_at_which_they_were_shown(pages):
    page = pages.get("/acceptance?days=7").text
    assert cells(page, "nasalRegimenAskNeurological")["per-100"] == "100.0 1 in 1"  # one card, one call of order-sign
    assert "7 cards of 3 rules were shown: 63.6 for every 100 of 11 calls (calls are counted since" in page
    said = page.replace("\u00a0%", " %")  # a number is not parted from its sign
    assert "5 of them were answered: 2 accepted, which is 40 % (95 % interval 12 % to 77 %), and 3 overridden." in said
    assert "12\u00a0% to 77\u00a0%" in page


def test_the_rules_of_a_decision_stand_together_under_their_total(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    for rule, indicator, times in (("TransfusionFirst", "critical", 1), ("ThinNeedle", "warning", 4)):
        for _ in range(times):
            store.count(SELECT, "imPlatelets", rule, "1.5.0", indicator)
    for _ in range(3):
        store.count(SIGN, "nasalRegimen", "AskNeurological", "1.0.0", "info")
    for _ in range(20):
        store.count_call(SELECT, "2.1.0", [])
    store.add(
        [
            answered("a", "overridden", "TransfusionFirst", code="action-completed", display="as sent"),
            answered("b", "accepted", "ThinNeedle"),
            answered("c", "overridden", "ThinNeedle", code="action-completed", display="as sent"),
        ]
    )
    store.close()
    page = create_app(Settings(loopback=True, key=KEY, store=url)).test_client().get("/acceptance?days=7").text
    order = re.findall(r'<tr (?:class="total" )?id="([\w-]+)">', page)
    assert order == [
        "of-imPlatelets",
        "imPlateletsThinNeedle",
        "imPlateletsTransfusionFirst",
        "of-nasalRegimen",
        "nasalRegimenAskNeurological",
    ]
    total = page.replace('<tr class="total" id="of-imPlatelets">', '<tr id="total">')
    figures = cells(total, "total")
    assert (figures["shown"], figures["answered"], figures["overridden"]) == ("5", "3", "2")
    assert figures["per-100"] == "25.0 5 in 20" and figures["accepted"] == "33 % 1 of 3"
    assert "2 rules</small>" in page
    descending = create_app(Settings(loopback=True, key=KEY, store=url)).test_client()
    turned = descending.get("/acceptance?days=7&sort=shown&order=asc").text
    assert rules(turned) == [
        "nasalRegimenAskNeurological",
        "imPlateletsTransfusionFirst",
        "imPlateletsThinNeedle",
    ]


def test_where_comments_are_not_kept_the_page_says_so_and_where_they_are(url, tmp_path):
    def page(store, **settings):
        web = create_app(Settings(loopback=True, key=KEY, store=store, **settings)).test_client()
        return web.get("/acceptance?days=7").text.partition("Comments of clinicians</h2>")[2]

    empty = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    assert "not kept here, because they may name the patient. They stay in the EHR" in page(empty)
    assert "No comment has come yet." in page(empty, keep_comments=True)
    assert "These were kept before:" in page(url) and "given&lt;/b&gt; today" in page(url)
    kept = page(url, keep_comments=True)
    assert "not kept" not in kept and "given&lt;/b&gt; today" in kept


def test_accepted_and_overridden_are_explained_in_plain_words(pages):
    said = pages.get("/acceptance").text.partition("How this is counted")[2].partition("</details>")[0]
    for words in (
        "<strong>Accepted</strong>: the clinician took one of the card",
        "<strong>Overridden</strong>: the clinician closed the card without taking a suggestion",
        "acts on it by hand and closes it is counted as overridden too",
        "a card without a suggestion can only be overridden",
    ):
        assert words in said


def test_of_reasons_that_were_given_equally_often_none_is_the_top_one(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    store.count(SELECT, "imPlatelets", "TransfusionFirst", "1.5.0", "critical")
    store.add(
        [
            answered("a", "overridden", "TransfusionFirst", code="action-completed", display="as sent"),
            answered("b", "overridden", "TransfusionFirst", code="judged-safe", display="Judged safe"),
        ]
    )
    store.close()
    page = create_app(Settings(loopback=True, key=KEY, store=url)).test_client().get("/acceptance?days=7").text
    assert cells(page, "imPlateletsTransfusionFirst")["reason"] == "2 reasons equally often"


def test_a_rule_that_is_no_more_has_the_severity_it_was_shown_with(pages):
    page = pages.get("/acceptance?days=7").text
    assert cells(page, "oldDecisionGone")["severity"] == "warning"
    assert "Gone, a rule that the present content no longer has" in page


@pytest.mark.parametrize(
    ("asked", "first", "last", "sort"),
    [
        ("", "imPlateletsTransfusionFirst", "oldDecisionGone", "descending"),
        ("&sort=shown&order=asc", "nasalRegimenAskNeurological", "imPlateletsTransfusionFirst", "ascending"),
        ("&sort=severity", "imPlateletsTransfusionFirst", "nasalRegimenAskNeurological", "descending"),
        ("&sort=accepted", "oldDecisionGone", "nasalRegimenAskNeurological", "descending"),
        ("&sort=accepted&order=asc", "imPlateletsTransfusionFirst", "nasalRegimenAskNeurological", "ascending"),
        ("&sort=per-100&order=asc", "oldDecisionGone", "nasalRegimenAskNeurological", "ascending"),
        ("&sort=rule", "nasalRegimenAskNeurological", "imPlateletsTransfusionFirst", "ascending"),
        ("&sort=reason", "imPlateletsTransfusionFirst", "oldDecisionGone", "ascending"),
    ],
)
def test_the_table_is_sorted_by_links_and_rows_without_a_value_come_last(pages, asked, first, last, sort):
    page = pages.get(f"/acceptance?days=7{asked}").text
    assert (rules(page)[0], rules(page)[-1]) == (first, last)
    (column,) = re.findall(r'<th scope="col" class="([a-z0-9-]+)" aria-sort="' + sort, page)
    assert page.count("aria-sort") == 1
    name = {"spoken": "rule"}.get(column, column)
    turned = "asc" if sort == "descending" else "desc"
    assert f"sort={name}&amp;order={turned}" in page  # the heading turns the order round
    assert f"/acceptance?days=365&amp;sort={name}" in page  # and another time keeps it


@pytest.mark.parametrize("asked", ["sort=overridden", "sort=overridden&order=asc", "sort=accepted", "sort=reason"])
def test_of_rows_that_are_equal_the_one_shown_most_often_comes_first(tmp_path, asked):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    often = {
        ("imPlatelets", "OldLow"): 2,
        ("imPlatelets", "TransfusionFirst"): 4,
        ("nasalRegimen", "AskNeurological"): 9,
    }
    for (decision, rule), times in often.items():
        for _ in range(times):
            store.count(SELECT, decision, rule, "1.5.0", "info")
    store.close()
    page = create_app(Settings(loopback=True, key=KEY, store=url)).test_client().get(f"/acceptance?{asked}").text
    assert rules(page) == ["nasalRegimenAskNeurological", "imPlateletsTransfusionFirst", "imPlateletsOldLow"]


@pytest.mark.parametrize("asked", ["sort=none", "order=up", "days=5", "sort=shown&order=", "days=-7"])
def test_what_cannot_be_asked_for_is_said_and_leads_to_the_pages(pages, asked):
    answer = pages.get(f"/acceptance?{asked}")
    assert answer.status_code == 404
    assert "This page has nothing for" in answer.text and asked.split("&")[-1].split("=")[0] in answer.text
    assert 'href="/not-understood"' in answer.text and 'href="/content"' in answer.text


def test_a_comment_stays_text_and_names_its_rule(pages):
    page = pages.get("/acceptance?days=7").text
    assert "&lt;b&gt;given&lt;/b&gt; today" in page and "<b>given" not in page
    assert re.search(r"UTC, [^<]*: Platelets …, IM injection ordered", page)


def test_what_was_not_understood_is_counted_by_kind_and_system_and_never_by_text(pages):
    page = pages.get("/not-understood?days=7").text
    assert "11 calls were answered. 21 times something was sent and not understood, 190.9 for every 100 calls" in page
    code, unit = page.index("<strong>Code</strong>"), page.index("<strong>Unit</strong>")
    assert code < unit  # the most frequent first
    assert "SNOMED CT 10, other systems 10" in page and "without a system 1" in page
    assert "cds-service coverage" in page
    assert pages.get("/not-understood?days=5").status_code == 404


def test_a_call_is_counted_with_what_it_sent_that_nothing_understood_and_nothing_of_it_is_shown(tmp_path, request_for):
    ours = create_app(Settings(loopback=True, key=KEY, store=f"sqlite:///{tmp_path / 'store.sqlite3'}")).test_client()
    assert "No call was counted" in ours.get("/not-understood").text
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    assert ours.post(f"/cds-services/{SELECT}", json=body).status_code == 200
    assert "Everything that the 1 call of the last 30 days sent was understood" in ours.get("/not-understood").text
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"] = {
        "coding": [{"system": "urn:oid:1.2.3", "code": "SECRET"}],
        "text": "Secret B12",
    }
    assert ours.post(f"/cds-services/{SELECT}", json=body).status_code == 200
    assert ours.post(f"/cds-services/{SELECT}", json=body, headers={"CDS-Service-Replay": "true"}).status_code == 200
    page = ours.get("/not-understood").text
    assert "2 calls were answered. 1 time something" in page and "<strong>Drug</strong>" in page
    assert "SECRET" not in page.upper() and "1.2.3" not in page


def test_every_kind_has_its_words():
    today = date(2026, 11, 26)
    rows = kind_rows([NotUnderstoodDay(today, kind, "none", 1) for kind in Kind], today, today)
    assert sorted(row.kind for row in rows) == sorted(Kind)
    assert all(row.words.means and row.words.do and row.words.title != row.kind for row in rows)
    (later,) = kind_rows([NotUnderstoodDay(today, "of newer software", "none", 1)], today, today)
    assert later.words.title == "of newer software"


@pytest.mark.parametrize("path", ["/acceptance", "/not-understood", "/acceptance.csv", "/not-understood.csv"])
def test_a_store_that_is_down_is_a_page_that_says_what_to_do(tmp_path, path):
    (tmp_path / "file").write_text("")
    down = create_app(Settings(loopback=True, key=KEY, store=f"sqlite:///{tmp_path}/file/store.sqlite3")).test_client()
    answer = down.get(path)
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert f"sqlite:///{tmp_path}/file/store.sqlite3" in answer.text
    assert "Look whether the database runs" in answer.text and "no card is missing" in answer.text


def test_the_password_of_a_store_that_is_down_is_not_shown():
    url = "postgresql+psycopg://cds:secret-word@127.0.0.1:1/cds"
    down = create_app(Settings(loopback=True, key=KEY, store=url)).test_client()
    answer = down.get("/acceptance")
    assert answer.status_code == 503 and "secret-word" not in answer.text and "127.0.0.1:1/cds" in answer.text


def test_another_pack_has_the_same_pages(url):
    other = create_app(Settings(loopback=True, key=KEY, store=url, cards=SECOND_PACK / "cards")).test_client()
    page = other.get("/acceptance?days=7")
    assert page.status_code == 200 and len(rules(page.text)) == 3
    assert "a rule that the present content no longer has" in page.text
    assert other.get("/not-understood?days=7").status_code == 200


@pytest.mark.parametrize(
    ("path", "said", "near"),
    [
        ("/content/decisions/imPlatelet", "There is no decision “imPlatelet”", "/content/decisions/imPlatelets"),
        (
            "/content/value-sets/platelets-count",
            "There is no value set “platelets-count”",
            "/value-sets/platelet-count",
        ),
        ("/content/decisions/<script>", "There is no decision “&lt;script&gt;”", "/content"),
        ("/courses/none", "There is no course “none”", "/courses"),
    ],
)
def test_a_page_that_is_not_there_says_what_was_looked_for_and_what_is_near(pages, path, said, near):
    answer = pages.get(path)
    assert answer.status_code == 404
    assert said in answer.text and re.search(f'href="[^"]*{near}"', answer.text)
    assert "<script>" not in answer.text


def test_a_form_of_another_page_is_told_what_to_do(pages):
    answer = pages.post("/", data={"request": "{}"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "Nothing was done" in answer.text


@pytest.mark.parametrize(("days", "points", "span"), [(7, 7, 1), (90, 90, 1), (365, 52, 7)])
def test_a_trend_ends_today_and_counts_everything_in_its_spans(days, points, span):
    last = date(2026, 11, 26)
    first = last - timedelta(days=days - 1)
    trend = trend_of({last: 3, last - timedelta(days=1): 2}, first, last)
    assert (len(trend.counts), trend.days) == (points, span)
    assert trend.counts[-1] == (3 if span == 1 else 5) and sum(trend.counts) == 5
    heights = [float(point.split(",")[1]) for point in trend.points.split()]
    assert all(0 <= height <= 20 for height in heights) and min(heights) == heights[-1]
