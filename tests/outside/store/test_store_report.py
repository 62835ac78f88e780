"""The report: what became of the cards, and how sure its shares are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from math import isclose, sqrt

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine
from cds_service.store.entries import Origin
from cds_service.store.intervals import wilson
from cds_service.store.store import Store
from cds_service.store.tables import metadata
from tests.outside.store.test_store_feedback import NOW, OURS, entry
from tests.support.servers import Service, status_of

OTHER = Origin(8, "oneDecision", "FirstRule", "1.1.0")
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def filled(store_url):
    store = Store(store_url)
    refuses = {"reason_system": "s", "reason_code": "refuses", "reason_display": "Patient refuses"}
    store.add(
        [
            entry("a"),
            entry("b", "overridden", suggestions=(), **refuses),
            entry("c", "overridden", suggestions=(), **refuses),
            entry("d", "overridden", suggestions=()),
            entry("e", "overridden", suggestions=(), **refuses),
            entry("e", "accepted", at=LATER, suggestions=("t", "u")),  # thought better of it
            entry("f", origin=OTHER, suggestions=("v",)),
            entry("g", origin=Origin(), suggestions=()),
            entry("h", origin=Origin(99), suggestions=()),
        ]
    )
    for _ in range(7):
        store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "info")
    store.count("b-service", "oneDecision", "FirstRule", "1.0.0", "info")
    store.count("a-service", "oneDecision", "Silent", "1.0.0", "info")
    store.close()
    store = Store(store_url)
    yield store
    store.close()


def test_a_card_counts_once_with_its_last_outcome_per_rule_and_version(filled):
    report = filled.report()
    assert report.since is None and report.unmatched == 2
    first, newer, silent = report.rules
    assert (first.decision, first.rule, first.version) == (OURS.decision, OURS.rule, OURS.version)
    assert (first.shown, first.accepted.count, first.accepted.of, first.overridden) == (8, 2, 5, 3)
    assert first.suggestions_accepted == 4  # of the cards a, e and, from another rule's card, f
    assert [(r.code, r.display, r.share.count, r.share.of) for r in first.reasons] == [
        ("refuses", "Patient refuses", 2, 3),
        ("", "", 1, 3),
    ]
    assert (newer.version, newer.accepted.count, newer.accepted.of) == ("1.1.0", 1, 1)
    assert (silent.rule, silent.shown, silent.accepted.of) == ("Silent", 1, 0)
    assert (silent.accepted.low, silent.accepted.high) == (0.0, 1.0)


def test_since_looks_at_when_things_came(filled):
    assert filled.report(NOW + timedelta(seconds=1)).unmatched == 0
    assert filled.report(NOW).unmatched == 2
    assert filled.report(datetime.now(UTC) + timedelta(days=2)).rules == []


def test_the_command_prints_it_for_people_and_programs(filled, store_url):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "cds_service", "report", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=__import__("os").environ | {"CDS_SERVICE_STORE": store_url},
        )

    text = run()
    assert text.returncode == 0, text.stderr
    assert "oneDecision FirstRule 1.0.0" in text.stdout and "2 of 5 = 40% (12% to 77%)" in text.stdout
    assert "Patient refuses, 2 of 3" in text.stdout and "No reason given" in text.stdout
    assert "2 cards with feedback are not known to be ours" in text.stdout
    assert "the latest cards may be missing" in text.stdout
    printed = json.loads(run("--format", "json").stdout)
    assert printed["rules"][0]["accepted"] == {"count": 2, "of": 5, "low": 0.1176, "high": 0.7693}
    for kept, told in zip(msgspec.to_builtins(filled.report())["rules"], printed["rules"], strict=True):
        words = {name: told.pop(name) for name in ("pack", "title", "says")}
        assert words["title"] == told["decision"] and told["rule"] in words["says"]
        assert [reason.pop("words") for reason in told["reasons"]] == [
            reason["display"] or "No reason given" for reason in told["reasons"]
        ]
        assert told == kept
    assert json.loads(run("--format", "json", "--since", "2100-01-01").stdout)["rules"] == []
    assert run("--since", "never").returncode == 2


def test_the_command_says_rules_and_reasons_in_the_words_of_the_content(store_url, pack):
    """Of the present version in the content's words; what an older version was answered with, as it was sent (Z80)."""
    decision = pack.decisions["imPlatelets"]
    store = Store(store_url)
    sent = {"reason_code": "action-completed", "reason_display": "Platelets were given"}
    for card, version in (("a", decision.version), ("b", "1.0.0")):
        origin = Origin(1, "imPlatelets", "TransfusionFirst", version)
        store.add([entry(card, "overridden", origin=origin, suggestions=(), **sent)])
        store.count("a-service", "imPlatelets", "TransfusionFirst", version, "critical")
    for _ in range(50):
        store.count_call("a-service", pack.version, [("drug", "none")])
    store.close()

    def run(*arguments):
        done = CliRunner().invoke(main, ["report", *arguments], env={"CDS_SERVICE_STORE": store_url})
        assert done.exit_code == 0, done.output
        return done.stdout

    text, data = run(), json.loads(run("--format", "json"))
    title = f"{decision.title}: Platelets …, IM injection ordered or if given IM: consider platelet transfusion first."
    assert text.count(title) == 1 and f"{title} (4.0 for every 100 calls)\n" in text
    assert "50 calls answered since" in text and re.search(r"drug +50 +without a system 50\n", text)
    own = "I have acted on it: platelets are given, or a newer count is higher"
    assert [rule["reasons"][0]["words"] for rule in data["rules"]] == ["Platelets were given", own]
    assert text.count(own) == 1 and "action-completed" not in text
    assert [(rule["title"], rule["says"]) for rule in data["rules"]] == [tuple(title.split(": ", 1))] * 2
    assert data["calls"] == [{"service": "a-service", "version": pack.version, "times": 50}]


def test_Z85_counts_of_the_same_process_are_written_before_they_are_read(store_url):
    store = Store(store_url, flush_seconds=1_000)
    store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "info")
    assert [rule.shown for rule in store.report().rules] == [1]
    store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "info")
    read = store.acceptance(datetime.now(UTC) - timedelta(days=1), 5)
    assert [rule.shown for rule in read.report.rules] == [day.shown for day in read.days] == [2]
    store.close()


def test_calls_are_counted_by_service_and_version_and_what_was_not_understood_by_kind_and_system(store_url):
    store = Store(store_url)
    for version in ("2.0.0", "2.1.0", "2.1.0"):
        store.count_call("a-service", version, [("code", "SNOMED CT"), ("code", "SNOMED CT"), ("unit", "none")])
    store.count_call("b-service", "2.1.0")
    store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "warning")
    store.count("a-service", "oneDecision", "FirstRule", "1.0.0", "info")
    store.close()
    store = Store(store_url)
    report = store.report()
    assert [(c.service, c.version, c.times) for c in report.calls] == [
        ("a-service", "2.0.0", 1),
        ("a-service", "2.1.0", 2),
        ("b-service", "2.1.0", 1),
    ]
    (rule,) = report.rules
    assert (rule.shown, rule.indicators, rule.at) == (2, {"info": 1, "warning": 1}, {"a-service": 2})
    found = [(day.kind, day.system, day.times) for day in report.not_understood]
    assert found == [("code", "SNOMED CT", 6), ("unit", "none", 3)]
    days, calls = store.not_understood(datetime.now(UTC) - timedelta(days=1))
    assert (days, calls) == (report.not_understood, report.calls)
    assert store.not_understood(datetime.now(UTC) + timedelta(days=2)) == ([], [])
    store.close()


def test_cards_of_the_days_before_calls_were_counted_are_not_reckoned_per_call(store_url):
    """A store that was in use before calls were counted: on the first day only a part of the calls was counted."""
    store = Store(store_url)
    today = datetime.now(UTC).date()
    cards = [("shown", {"day": today - timedelta(days=ago), "times": 10 ** (4 - ago)}) for ago in (4, 3, 2, 1, 0)]
    calls = [("call", {"day": today - timedelta(days=ago), "times": 100}) for ago in (3, 2, 1, 0)]
    rest = {
        "shown": {"service": "a", "decision": "d", "rule": "R", "version": "1", "indicator": "info"},
        "call": {"service": "a", "version": "2"},
    }
    engine = open_engine(read_url(store_url))
    with engine.begin() as connection:
        for name, row in cards + calls:
            connection.execute(metadata.tables[name].insert(), {**rest[name], **row})
    engine.dispose()
    report = store.report()
    assert (report.rules[0].shown, report.rules[0].at) == (11111, {"a": 11100})
    assert ([call.times for call in report.calls], report.calls_from) == ([300], today - timedelta(days=2))
    latest = store.report(datetime.now(UTC) - timedelta(days=1))
    assert (latest.rules[0].shown, latest.rules[0].at, latest.calls[0].times) == (11000, {"a": 11000}, 200)
    store.close()


def test_Z85_a_replay_against_a_live_service_is_not_in_the_report(tmp_path, request_for):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    story = packaged("fixtures") / "scenarios" / "oral.yaml"

    def report():
        store = Store(url)
        told = store.report()
        store.close()
        calls = {call.service: call.times for call in told.calls}
        return {rule.rule: rule.shown for rule in told.rules}, calls, [day.kind for day in told.not_understood]

    with Service(url, tmp_path / "log") as service:
        done = CliRunner().invoke(main, ["replay", str(story), "--against", service.base])
        assert done.exit_code == 0, done.output
    assert report() == ({}, {}, [])
    with Service(url, tmp_path / "log") as service:
        body = json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()
        assert status_of(f"{service.base}/cds-services/vitamin-b12-order-select", body)[0] == 200
    assert report() == ({"TransfusionFirst": 1}, {"vitamin-b12-order-select": 1}, [])


def test_the_command_says_when_there_is_nothing_to_read(tmp_path):
    (tmp_path / "file").write_text("")
    for url, code in [(f"sqlite:///{tmp_path}/file/x", 1), ("mysql://x", 2)]:
        done = subprocess.run(
            [sys.executable, "-m", "cds_service", "report"],
            capture_output=True,
            text=True,
            timeout=60,
            env=__import__("os").environ | {"CDS_SERVICE_STORE": url},
        )
        assert done.returncode == code and "Traceback" not in done.stderr


# R. G. Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_the_literature(count, total, low, high):
    assert [round(bound, 4) for bound in wilson(count, total)] == [low, high]


@given(total=st.integers(1, 100_000), data=st.data())
def test_wilson_bounds_are_where_the_score_test_just_rejects(total, data):
    count = data.draw(st.integers(0, total))
    low, high = wilson(count, total)
    rate = count / total
    assert 0 <= low <= rate + 1e-12 and rate - 1e-12 <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert isclose(abs(rate - bound), 1.959963985 * sqrt(bound * (1 - bound) / total), abs_tol=1e-8)
    mirrored = wilson(total - count, total)
    assert isclose(mirrored[0], 1 - high, abs_tol=1e-12) and isclose(mirrored[1], 1 - low, abs_tol=1e-12)


def test_the_history_of_a_rule_is_of_all_days_and_of_the_calls_at_which_it_was_shown(filled, store_url):
    today = datetime.now(UTC).date()
    engine = open_engine(read_url(store_url))
    row = {"service": "a-service", "decision": "oneDecision", "rule": "FirstRule", "indicator": "info"}
    earlier = today - timedelta(days=400)
    calls = [{"day": day, "version": "2.0.0", "times": 10} for day in (earlier, today)]
    with engine.begin() as connection:
        connection.execute(metadata.tables["shown"].insert(), [{**row, "day": earlier, "version": "0.9.0", "times": 3}])
        connection.execute(
            metadata.tables["call"].insert(),
            [{**each, "service": service} for each in calls for service in ("a-service", "b-service", "c-service")],
        )
    engine.dispose()
    history = filled.rule_history("oneDecision", "FirstRule")
    shown = {day.version: (day.day, day.shown) for day in history.days if day.shown}
    assert shown == {"0.9.0": (earlier, 3), "1.0.0": (today, 8)}
    report = {(rule.rule, rule.version): rule for rule in filled.report().rules}
    for version in ("1.0.0", "1.1.0"):
        days = [day for day in history.days if day.version == version]
        assert sum(day.accepted for day in days) == report["FirstRule", version].accepted.count
        assert sum(day.overridden for day in days) == report["FirstRule", version].overridden
    assert history.versions == [(earlier, "0.9.0"), (today, "1.0.0")]
    assert (history.calls, history.calls_from) == ({earlier: 20, today: 20}, earlier)
    of_one = filled.rule_history("oneDecision", "FirstRule", {"b-service"})
    assert [day.shown for day in of_one.days if day.shown] == [1] and of_one.calls == {earlier: 10, today: 10}
    assert filled.rule_history("oneDecision", "NoRule").days == []


def test_it_is_told_at_which_services_a_rule_was_counted(filled):
    read = filled.acceptance(NOW - timedelta(days=1), 0)
    assert read.services["oneDecision", "Silent"] == {"a-service"}
    assert {"a-service", "b-service"} <= read.services["oneDecision", "FirstRule"]
    alone = filled.acceptance(NOW - timedelta(days=1), 0, {"b-service"})
    assert alone.services == {("oneDecision", "FirstRule"): {"b-service"}}
