"""Whether rules speak as often as a run led to expect: like against like, and small numbers allowed for."""

from dataclasses import replace
from datetime import UTC, date, datetime
from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.load import load_pack
from cds_service.content.site import read_site
from cds_service.packaged import packaged
from cds_service.population.drift import Drift, RuleDrift, watch
from cds_service.store.figures import WatchedService
from tests.support.judged_rows import event
from tests.support.judged_runs import RULE, events, run_in, spoken_card

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SIGN, SELECT = "vitamin-b12-order-sign", "vitamin-b12-order-select"
OTHER = ("nasalRegimen", "AskNeurological")


class Counted:
    """A store in which so many calls were judged, with so many cards."""

    def __init__(self, judged, cards, services=(SIGN,)):
        self.judged, self.cards, self.services, self.asked = judged, cards, services, ()

    def watched(self, since, version, services):
        self.asked = services
        return [
            WatchedService(name, date(2026, 11, 5), 20, self.judged, self.cards)
            for name in services
            if name in self.services
        ]


def rules_of(tmp_path, pack, rows, judged, cards):
    run_in(tmp_path, "run", rows)
    (service,) = watch(tmp_path, pack, Counted(judged, cards), NOW).services
    return {(rule.decision, rule.rule): rule for rule in service.rules}


def test_a_rule_is_expected_as_often_for_a_judged_call_as_for_an_answered_event_of_the_hook(tmp_path, pack):
    rows = [
        *events(30, 100),
        *events(90, 90, hook="order-select"),
        *[event(f"refused-{n}", outcome="not-judged") for n in range(500)],
        *[event(f"defect-{n}", outcome="defect") for n in range(500)],
    ]
    rule = rules_of(tmp_path, pack, rows, 50, {RULE: 15})[RULE]
    assert (rule.expected, rule.shown, rule.drift) == (15.0, 15, None)
    assert rule.low < 1 < rule.high


@pytest.mark.parametrize(
    ("shown", "drift"),
    [(0, Drift.SILENT), (14, Drift.SILENT), (40, None), (60, None), (120, None), (240, Drift.DOUBLED)],
)
def test_a_rule_drifts_if_the_whole_interval_lies_below_a_half_or_above_two(tmp_path, pack, shown, drift):
    rule = rules_of(tmp_path, pack, events(300, 1000), 200, {RULE: shown})[RULE]
    assert isclose(rule.expected, 60) and rule.drift is drift


@pytest.mark.parametrize(("cards", "judged"), [(1, 4000), (3, 60)])
def test_a_rule_that_is_seldom_is_not_said_to_be_silent(tmp_path, pack, cards, judged):
    rule = rules_of(tmp_path, pack, events(cards, 100), judged, {})[RULE]
    assert rule.shown == 0 and rule.drift is None


def test_that_few_events_were_in_the_run_is_allowed_for(tmp_path, pack):
    """Four of ten against forty of four hundred: a quarter of it, and still nobody can say."""
    rule = rules_of(tmp_path, pack, events(4, 10), 400, {RULE: 40})[RULE]
    assert rule.expected == 160 and rule.drift is None and rule.high > 0.5


@given(st.integers(0, 9), st.floats(0, 9.9), st.floats(0, inf), st.floats(0, inf))
def test_of_fewer_than_ten_cards_nobody_is_told(shown, expected, low, high):
    rule = RuleDrift("s", "d", "R", shown, expected, low, high)
    assert rule.drift is None and rule.is_seldom
    assert not RuleDrift("s", "d", "R", shown + 10, expected, low, high).is_seldom


def test_a_rule_that_never_spoke_in_the_run_and_speaks_now_has_doubled(tmp_path, pack):
    found = rules_of(tmp_path, pack, events(300, 1000), 1000, {RULE: 300, OTHER: 30})
    assert found[OTHER].drift is Drift.DOUBLED and found[OTHER].high == inf and found[OTHER].expected == 0
    assert next(iter(found)) == OTHER  # what drifted comes first


def test_a_rule_that_nobody_is_shown_now_is_not_missed(tmp_path, pack):
    site = tmp_path / "site.toml"
    site.write_text('[rules.off.imPlateletsTransfusionFirst]\nreason = "A drill."\ndate = 2026-11-29\n')
    switched_off = load_pack(packaged("cards"), read_site(site))
    (tmp_path / "runs").mkdir()
    found = rules_of(tmp_path / "runs", switched_off, [*events(300, 1000), *events(9, 9, rule=OTHER)], 1000, {})
    assert RULE not in found and OTHER in found
    site.write_text('[decisions]\noff = ["imPlatelets"]\n')
    switched_off = load_pack(packaged("cards"), read_site(site))
    (service,) = watch(tmp_path / "runs", switched_off, Counted(1000, {}), NOW).services
    assert "imPlatelets" not in {rule.decision for rule in service.rules}


def test_a_rule_that_nobody_would_have_been_shown_in_the_run_is_not_expected_to_be_silent(tmp_path, pack):
    """It ran in the shadow then, or the site had switched it off: what it would have shown is not what it is shown."""
    rows = [event(f"e-{n}", spoken_card(status="withdrawn", shown=False)) for n in range(100)]
    assert RULE not in rules_of(tmp_path, pack, rows, 1000, {RULE: 500})


def test_charts_that_are_opened_are_not_watched_nor_hooks_that_the_run_did_not_judge(tmp_path, pack):
    run_in(tmp_path, "run", [*events(5, 50), *events(5, 50, hook="patient-view")])
    store = Counted(10, {}, (SIGN, SELECT, "vitamin-b12-patient-view"))
    found = watch(tmp_path, pack, store, NOW)
    assert [service.service for service in found.services] == [SIGN] == list(store.asked)


def test_only_a_run_of_the_served_version_is_an_expectation(tmp_path, pack):
    run_in(tmp_path, "run", events(300, 1000))
    store = Counted(1000, {})
    assert [rule.rule for rule in watch(tmp_path, pack, store, NOW).drifted] == ["TransfusionFirst"]
    assert watch(tmp_path, replace(pack, version="99.0.0"), store, NOW) is None
