"""The acceptance page asked for some of its rules, in one table or by decision: counts, figures, addresses, order."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from html import unescape

import pytest

from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store.entries import Entry, Origin
from cds_service.store.store import Store
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK

NOW = datetime.now(UTC)
SELECT, SIGN = "vitamin-b12-order-select", "vitamin-b12-order-sign"

# decision, rule, indicator, service: how often shown, accepted and overridden
FIGURES = {
    ("imPlatelets", "TransfusionFirst", "critical", SELECT): (9, 1, 7),
    ("imPlatelets", "TransfusionFirst", "critical", SIGN): (4, 2, 0),
    ("imPlatelets", "ThinNeedle", "warning", SELECT): (30, 1, 29),
    ("oldAllergy", "OnRecord", "critical", SIGN): (6, 0, 2),
    ("nasalRegimen", "AskNeurological", "info", SELECT): (5, 3, 1),
    ("oldDecision", "Gone", "warning", SELECT): (2, 0, 0),
    ("oldDecision", "OnlyAnswered", "", SIGN): (0, 0, 1),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    store = Store(url)
    entries = []
    for (decision, rule, indicator, service), (shown, accepted, overridden) in FIGURES.items():
        for _ in range(shown):
            store.count(service, decision, rule, "1.5.0", indicator)
        for number, outcome in enumerate(["accepted"] * accepted + ["overridden"] * overridden):
            entries.append(
                Entry(
                    received_at=NOW,
                    service=service,
                    client="",
                    card=f"{rule}{service}{number}",
                    outcome=outcome,
                    outcome_at=NOW,
                    origin=Origin(1, decision, rule, "1.5.0"),
                )
            )
    for _ in range(50):
        store.count_call(SELECT, "2.1.0")
    for _ in range(20):
        store.count_call(SIGN, "2.1.0")
    store.add(entries)
    store.close()
    return url


@pytest.fixture(scope="module")
def web(url):
    return create_app(Settings(loopback=True, key=KEY, store=url)).test_client()


def read(web, asked=""):
    answer = web.get(f"/acceptance?days=7{asked}")
    assert answer.status_code == 200
    return answer.text


def rules(page):
    return re.findall(r'<tr id="(\w+)">', page)


def facets(page):
    """By title: the address of each value and the number beside it."""
    found = {}
    for title, values in re.findall(r"<summary>(Severity|Hook|Decision)</summary>\s*<ul>(.*?)</ul>", page, re.S):
        each = re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a> <small>(\d+)</small>', values)
        found[title] = {unescape(label): (unescape(address), int(count)) for address, label, count in each}
    return found


def counts(page):
    return {title: {label: count for label, (_, count) in values.items()} for title, values in facets(page).items()}


def figure(page, rule, column):
    row = page[page.index(f'<tr id="{rule}">') :]
    (text,) = re.findall(rf'<td class="{column}" data-label="[^"]*">(.*?)</td>', row[: row.index("\n  </tr>")], re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


# --- one table --------------------------------------------------------------------------------------------------------


def test_by_itself_the_page_is_grouped_by_decision(web):
    page = read(web)
    assert page.count('<tr class="total"') == 4 and 'class="decision"' not in page
    assert read(web, "&group=decision") == page


def test_one_table_has_the_rules_of_all_decisions_in_one_order_and_names_their_decisions(web, pack):
    page = read(web, "&group=none")
    assert 'class="total"' not in page and page.count("<tbody>") - page.count('<table class="small">') == 1
    assert rules(page) == [
        "imPlateletsThinNeedle",
        "imPlateletsTransfusionFirst",
        "oldAllergyOnRecord",
        "nasalRegimenAskNeurological",
        "oldDecisionGone",
        "oldDecisionOnlyAnswered",
    ]
    assert figure(page, "nasalRegimenAskNeurological", "decision") == pack.decisions["nasalRegimen"].title
    assert figure(page, "oldDecisionGone", "decision") == "oldDecision"
    assert sorted(rules(read(web))) == sorted(rules(page))


def test_which_rules_are_surely_overridden_is_told_by_the_upper_end_of_the_interval(web):
    """29 of 30 refused is surer than 2 of 2: the share alone would put the latter first."""
    page = read(web, "&group=none&sort=at-most")
    assert rules(page)[0] == "imPlateletsThinNeedle" and figure(page, rules(page)[0], "at-most") == "17 %"
    assert rules(read(web, "&group=none&sort=accepted&order=asc"))[0] == "oldAllergyOnRecord"
    ends = [figure(page, rule, "at-most") for rule in rules(page)]
    numbers = [int(end.split()[0]) for end in ends if end != "-"]
    assert numbers == sorted(numbers) and ends.index("-") == len(numbers)  # without answers, there is nothing to say
    assert rules(read(web, "&group=none&sort=at-most&order=desc"))[-1] == "oldDecisionGone"
    assert '<th scope="col" class="at-most" aria-sort="ascending">' in page


@pytest.mark.parametrize(
    "column",
    ["rule", "decision", "severity", "shown", "per-100", "answered", "accepted", "at-most", "overridden", "reason"],
)
def test_every_column_of_the_one_table_sorts_both_ways_and_keeps_what_was_chosen(web, column):
    chosen = f"&group=none&service={SELECT}"
    page = read(web, chosen)
    heading = "spoken" if column == "rule" else column
    (link,) = re.findall(rf'<th scope="col" class="{heading}"[^>]*><a href="([^"]+)"', page)
    once = web.get(unescape(link)).text
    (link,) = re.findall(rf'<th scope="col" class="{heading}" aria-sort="\w+"><a href="([^"]+)"', once)
    back = web.get(unescape(link)).text
    assert len(rules(once)) == 4 and sorted(rules(once)) == sorted(rules(back)) and once != back
    assert once.count("aria-sort") == back.count("aria-sort") == 1
    for one in (once, back):
        assert "Hook: order-select" in one and 'class="acceptance flat"' in one


# --- some of the rules ------------------------------------------------------------------------------------------------


def test_the_values_of_a_choice_are_counted_and_their_sums_are_the_number_of_rules(web, pack):
    page = read(web)
    titles = {name: pack.decisions[name].title for name in ("imPlatelets", "nasalRegimen")}
    counted = counts(page)
    assert counted["Severity"] == {"critical": 2, "warning": 2, "info": 1, "gone": 1}
    assert counted["Decision"][titles["imPlatelets"]] == 2 and counted["Decision"]["oldDecision"] == 2
    assert sum(counted["Decision"].values()) == sum(counted["Severity"].values()) == len(rules(page)) == 6
    assert counted["Hook"] == {"order-select": 4, "order-sign": 3}  # one rule spoke at both


def test_each_value_leads_to_as_many_rules_as_stand_beside_it_also_after_another_choice(web):
    """Every value, then every value of what that leads to, and so on until all three are chosen."""
    waiting, seen = [read(web, "&group=none")], set()
    while waiting:
        for title, values in facets(waiting.pop()).items():
            for label, (address, count) in values.items():
                if address in seen:
                    continue
                seen.add(address)
                there = web.get(address).text
                assert count > 0 and len(rules(there)) == count, address
                assert f"{title}: {label} <span" in there and 'class="acceptance flat"' in there
                waiting.append(there)
    assert sum(address.count("=") == 7 for address in seen) > 5  # all three beside the days, the grouping and the order


def test_choices_are_combined_and_each_is_taken_away_by_itself(web):
    page = read(web, f"&severity=critical&service={SIGN}&decision=imPlatelets&group=none&sort=at-most")
    assert rules(page) == ["imPlateletsTransfusionFirst"]
    removed = [unescape(link) for link in re.findall(r'<a class="taken" href="([^"]+)"', page)]
    assert len(removed) == 3
    for name, link in zip(("severity", "service", "decision"), removed, strict=True):
        assert f"{name}=" not in link and link.count("=") == 6  # days, sort, order, group and the two others
        assert len(rules(web.get(link).text)) >= 1
    (everything,) = re.findall(r'<a href="([^"]+)">All rules</a>', page)
    assert len(rules(web.get(unescape(everything)).text)) == 6
    assert 'class="taken"' not in read(web)


def test_the_figures_of_a_hook_are_those_of_its_calls_alone(web):
    both, sign = read(web), read(web, f"&service={SIGN}")
    rule = "imPlateletsTransfusionFirst"
    assert (figure(both, rule, "shown"), figure(sign, rule, "shown")) == ("13", "4")
    assert (figure(both, rule, "answered"), figure(sign, rule, "answered")) == ("10", "2")
    assert (figure(both, rule, "per-100"), figure(sign, rule, "per-100")) == ("18.6 13 in 70", "20.0 4 in 20")
    assert "10 cards of 3 rules were shown: 50.0 for every 100 of 20 calls" in sign


def test_totals_and_sentences_are_of_the_chosen_rules(web):
    page = read(web, "&severity=critical")
    total = page[page.index('id="of-imPlatelets"') :].partition("</tr>")[0]
    assert '<td class="shown" data-label="Shown">13</td>' in total and "1 rule</small>" in total
    assert "In the last 7 days 19 cards of 2 rules were shown" in page


def test_the_file_to_take_along_has_the_chosen_rules_in_their_order(web):
    page = read(web, f"&group=none&sort=at-most&service={SELECT}")
    (path,) = re.findall(r'href="(/acceptance\.csv[^"]*)"', page)
    answer = web.get(unescape(path))
    lines = list(csv.DictReader(answer.data.decode("utf-8-sig").splitlines()))
    assert [line["decision"] + line["rule"] for line in lines] == rules(page)
    (line,) = [line for line in lines if line["rule"] == "TransfusionFirst"]
    assert line["shown"] == "9"
    assert web.get("/acceptance.csv?severity=none").status_code == 404


def test_a_decision_whose_cards_were_not_shown_can_be_chosen_and_is_empty(web, pack):
    page = read(web, "&decision=renalAgent")
    assert "No card of these rules was shown and no feedback on them came in the last 7 days." in page
    assert f"Decision: {pack.decisions['renalAgent'].title} <span" in page
    assert counts(page)["Severity"] == {} and counts(page)["Decision"]  # the others can be chosen instead
    empty = web.get("/acceptance.csv?days=7&decision=renalAgent")
    assert empty.status_code == 200 and len(empty.text.splitlines()) == 1


@pytest.mark.parametrize(
    "asked",
    [
        "group=rule",
        "severity=none",
        "severity=Critical",
        "decision=imPlatelet",
        "decision=<script>",
        "service=order-select",
        "service=%00",
        "severity=critical&service=nowhere",
        "group=none&sort=low",
    ],
)
def test_what_there_is_not_cannot_be_chosen_and_leads_to_the_pages(web, asked):
    for path in ("/acceptance", "/acceptance.csv"):
        answer = web.get(f"{path}?{asked}")
        assert answer.status_code == 404
        assert "This page has nothing for" in answer.text and "<script>" not in answer.text
        assert 'href="/content"' in answer.text


def test_a_choice_without_a_value_chooses_nothing(web):
    assert len(rules(read(web, "&severity=&decision=&service="))) == 6


def test_another_pack_chooses_among_its_own(url):
    """The second pack knows none of these services: they stand under their ids, and can be chosen all the same."""
    other = create_app(Settings(loopback=True, key=KEY, store=url, cards=SECOND_PACK / "cards")).test_client()
    page = other.get("/acceptance?days=7").text
    assert set(counts(page)["Hook"]) == {SELECT, SIGN}
    assert len(rules(other.get(f"/acceptance?days=7&service={SIGN}").text)) == 3
