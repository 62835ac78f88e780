"""Feedback (docs/conformance.md#feedback): what is accepted, what is refused, what is kept of it and whose it is."""

from __future__ import annotations

import copy
import itertools
import json
import logging
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading

SERVICE = "/cds-services/vitamin-b12-order-select"
FEEDBACK = f"{SERVICE}/feedback"
OTHER = "/cds-services/vitamin-b12-patient-view/feedback"
SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
AT = "2026-01-05T09:30:00Z"
COMMENT = "the patient Jane Q. Marker would rather not"
_EPIC = "com.epic.cdshooks.feedback.overrideReason."


class Deployment:
    """A service with a store of its own, and what stands in that store."""

    def __init__(self, folder, **more):
        self.url = f"sqlite:///{folder / f'{uuid4()}.sqlite3'}"
        self.settings = Settings(loopback=True, store=self.url, **more)
        self.client = create_app(self.settings).test_client()

    def send(self, *entries, path=FEEDBACK, **more):
        body = entries[0] if len(entries) == 1 and isinstance(entries[0], bytes) else json.dumps({"feedback": entries})
        return self.client.post(path, data=body, content_type="application/json", **more)

    def rows(self, table=tables.feedback):
        engine = open_engine(read_url(self.url))
        with reading(engine) as connection:
            found = [dict(row._mapping) for row in connection.execute(select(table))]
        engine.dispose()
        return found

    def row(self, card):
        (found,) = (row for row in self.rows() if row["card"] == card)
        return found


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Deployment(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def talkative(tmp_path_factory):
    """A service whose deployer keeps comments."""
    return Deployment(tmp_path_factory.mktemp("store"), keep_comments=True)


@pytest.fixture(scope="module")
def card(ours, request_for):
    """A card as it was really shown, with its suggestions."""
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    (shown,) = ours.client.post(SERVICE, json=body).json["cards"]
    return shown


def overridden(card=None, reason=None, name="overrideReason", **more):
    entry = {"card": card or str(uuid4()), "outcome": "overridden", "outcomeTimestamp": AT}
    return entry | ({name: reason} if reason is not None else {}) | more


def accepted(card=None, *suggestions, **more):
    ids = [{"id": suggestion} for suggestion in suggestions or [str(uuid4())]]
    entry = {"card": card or str(uuid4()), "outcome": "accepted", "acceptedSuggestions": ids, "outcomeTimestamp": AT}
    return entry | more


def test_FB_01_every_service_takes_feedback_and_no_other(ours, assert_outcome):
    for service in ours.client.get("/cds-services").json["services"]:
        for slash in ("", "/"):
            assert ours.send(overridden(), path=f"/cds-services/{service['id']}/feedback{slash}").status_code == 200
    assert_outcome(ours.send(overridden(), path="/cds-services/none/feedback"), 404)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"null", b'{"feedback": null}', b'{"feedback": {}}', b"{", b"", b"\xff"]
)
def test_FB_02_a_body_without_a_feedback_array_is_400(ours, assert_outcome, body):
    assert_outcome(ours.send(body), 400, "feedback" if body[:1] == b"{" and body != b"{" else None)


def test_FB_02_an_empty_array_is_accepted(ours):
    assert ours.send(b'{"feedback": []}').status_code == 200


@pytest.mark.parametrize("value", [None, "", " ", 7, {}, [], "x" * 1025])
def test_FB_03_a_missing_or_mistyped_card_is_400(ours, assert_outcome, value):
    entry = overridden() | {"card": value}
    assert_outcome(ours.send(overridden(), entry), 400, "feedback[1].card")
    del entry["card"]
    assert_outcome(ours.send(entry), 400, "feedback[0].card")


@pytest.mark.parametrize("value", ["ignored", "Accepted", "", None, 1, ["accepted"]])
def test_FB_04_any_other_outcome_is_400(ours, assert_outcome, value):
    assert_outcome(ours.send(accepted(outcome=value)), 400, "feedback[0].outcome")
    assert_outcome(ours.send({"card": "x", "outcomeTimestamp": AT}), 400, "feedback[0].outcome")


@pytest.mark.parametrize("value", [None, [], {}, "x", [{}], [{"id": None}], [{"id": ""}], ["x"], [None]])
def test_FB_05_accepted_without_a_suggestion_is_400(ours, assert_outcome, value):
    assert_outcome(ours.send(accepted(acceptedSuggestions=value)), 400, "feedback[0].acceptedSuggestions")


def test_FB_05_accepted_without_the_member_is_400(ours, assert_outcome):
    entry = {"card": str(uuid4()), "outcome": "accepted", "outcomeTimestamp": AT}
    assert_outcome(ours.send(entry), 400, "feedback[0].acceptedSuggestions")


def test_FB_05_accepted_suggestions_are_attributed_like_cards(ours):
    sent = (packaged("fixtures") / "captured" / "sandbox" / "order-select.json").read_bytes()
    cards = ours.client.post(SERVICE, data=sent, content_type="application/json").json["cards"]
    card = next(card for card in cards if "suggestions" in card)
    suggestion = card["suggestions"][0]["uuid"]
    assert ours.send(accepted(card["uuid"], suggestion)).status_code == 200
    (row,) = (row for row in ours.rows(tables.accepted_suggestion) if row["suggestion"] == suggestion)
    assert row["decision"] + row["rule"] == card["source"]["topic"]["code"]
    assert row["finding"] and row["version"]


@pytest.mark.parametrize("first", ["accepted", "overridden"])
@pytest.mark.parametrize("together", [True, False])
def test_FB_04_FB_05_FB_10_one_card_may_be_accepted_and_overridden(ours, request_for, first, together):
    """Suggestions are taken one by one, a card is overridden as a whole: a clinician may do both."""
    shown = ours.client.post(SERVICE, json=request_for("amara-okafor", "hydroxocobalamin-100-im")).json["cards"]
    card = next(card for card in shown if "suggestions" in card)
    both = [accepted(card["uuid"], card["suggestions"][0]["uuid"]), overridden(card["uuid"])]
    both = both if first == "accepted" else both[::-1]
    for call in [both] if together else [[entry] for entry in both]:
        assert ours.send(*call).status_code == 200
    kept = [row["outcome"] for row in ours.rows() if row["card"] == card["uuid"]]
    assert sorted(kept) == ["accepted", "overridden"]
    assert card["suggestions"][0]["uuid"] in [row["suggestion"] for row in ours.rows(tables.accepted_suggestion)]


def test_FB_06_a_reason_is_not_demanded(ours):
    for entry in (overridden(), overridden(overrideReason=None), overridden(overrideReason={})):
        assert ours.send(entry).status_code == 200
        assert ours.row(entry["card"])["reason_code"] == ""


def test_FB_07_a_reason_needs_no_display(ours):
    entry = overridden(reason={"reason": {"code": "patient-refuses", "system": SYSTEM}})
    assert ours.send(entry).status_code == 200
    row = ours.row(entry["card"])
    assert (row["reason_system"], row["reason_code"], row["reason_display"]) == (SYSTEM, "patient-refuses", "")


SPELLINGS = {
    "specification": overridden(reason={"reason": {"code": "a", "system": SYSTEM, "display": "A"}}),
    "epic-reason": overridden(
        name="overrideReasons", reason={"reason": {"code": "a", "system": SYSTEM, "display": "A"}}
    ),
    "sandbox-early": overridden(reason={"code": "a", "system": SYSTEM, "display": "A"}),
    "wintehr": overridden(reason={"key": "a", "system": SYSTEM, "display": "A"}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_FB_07_every_spelling_in_use_means_the_same(talkative, spelling):
    entry = copy.deepcopy(SPELLINGS[spelling])
    reason = entry.get("overrideReason") or entry["overrideReasons"]
    reason["userComment"] = COMMENT
    assert talkative.send(entry).status_code == 200
    row = talkative.row(entry["card"])
    assert (row["reason_system"], row["reason_code"], row["reason_display"]) == (SYSTEM, "a", "A")
    assert row["comment"] == COMMENT
    assert json.loads(row["raw"]) == entry


def test_FB_07_reasons_built_in_epic_come_as_an_extension(ours):
    said = {"reasonCategory": "45", "reasonDisplay": "Does not meet criteria", "reasonTitle": "Does not meet criteria"}
    reason = {"extension": {_EPIC + name: value for name, value in said.items()}, "userComment": COMMENT}
    entry = overridden(name="overrideReasons", reason=reason)
    assert ours.send(entry).status_code == 200
    row = ours.row(entry["card"])
    assert (row["reason_code"], row["reason_display"]) == ("45", "Does not meet criteria")
    assert row["reason_system"] == _EPIC + "reasonCategory"
    assert json.loads(row["raw"])["overrideReasons"] == {"extension": reason["extension"]}


@pytest.mark.parametrize(
    ("reason", "path"),
    [
        ("text", "overrideReason"),
        ([], "overrideReason"),
        ({"reason": "text"}, "overrideReason.reason"),
        ({"reason": {"code": 7}}, "overrideReason.reason.code"),
        ({"reason": {"code": "x" * 1025}}, "overrideReason.reason.code"),
        ({"code": {}}, "overrideReason.code"),
        ({"key": "k", "display": "x" * 1025}, "overrideReason.display"),
        ({"userComment": {}}, "overrideReason.userComment"),
    ],
)
def test_FB_07_a_reason_of_the_wrong_shape_is_400(ours, assert_outcome, reason, path):
    assert_outcome(ours.send(overridden(reason=reason)), 400, f"feedback[0].{path}")


def test_FB_08_T_16_a_comment_alone_is_enough_and_one_beside_the_reason_is_not_read(talkative):
    inside, beside = overridden(reason={"userComment": "inside"}), overridden(userComment="beside")
    assert talkative.send(inside, beside).status_code == 200
    assert talkative.row(inside["card"])["comment"] == "inside"
    assert talkative.row(beside["card"])["comment"] == ""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-01-05T09:31:12.5Z", datetime(2026, 1, 5, 9, 31, 12, 500_000, UTC)),
        ("2026-01-05T09:30:00+00:00", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("2026-01-05t09:30:00z", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("2026-01-05T11:30:00.1234567+02:00", datetime(2026, 1, 5, 9, 30, 0, 123_456, UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_FB_09_every_rfc_3339_time_is_brought_to_utc(ours, said, meant):
    entry = overridden(outcomeTimestamp=said)
    assert ours.send(entry).status_code == 200
    assert ours.row(entry["card"])["outcome_at"] == meant


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-05", "2026-01-05T09:30:00", "2026-01-05T09:30Z", "2026-02-30T09:30:00Z", "20260105T093000Z"),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z", "2026-01-05T09:30:00+99:99"),
        *("\u0662026-01-05T09:30:00Z", "now", "", None, 1767605400),
    ],
)
def test_FB_09_any_other_time_is_400(ours, assert_outcome, value):
    assert_outcome(ours.send(overridden(outcomeTimestamp=value)), 400, "feedback[0].outcomeTimestamp")


def test_FB_10_T_16_many_cards_in_one_call_and_the_same_call_twice(ours):
    batch = [accepted(), overridden(reason={"reason": {"code": "a"}}), overridden()]
    before = len(ours.rows())
    for _ in range(3):
        assert ours.send(*batch).status_code == 200
    assert len(ours.rows()) == before + 3


def test_FB_10_another_outcome_for_the_same_card_is_kept_beside_the_first(ours):
    card = str(uuid4())
    for entry in (accepted(card), overridden(card), overridden(card, outcomeTimestamp="2026-01-05T09:31:00Z")):
        assert ours.send(entry).status_code == 200
    assert [row["outcome"] for row in ours.rows() if row["card"] == card].count("overridden") == 2


def test_FB_11_Z18_feedback_is_attributed_by_the_uuid_alone_at_any_service(ours, card):
    topic = card["source"]["topic"]["code"]
    for number, (path, spelled) in enumerate(
        itertools.product((FEEDBACK, OTHER), (str, str.upper, lambda uuid: f"urn:uuid:{uuid}"))
    ):
        at = f"2026-01-05T10:00:{number:02}Z"
        assert ours.send(overridden(spelled(card["uuid"]), outcomeTimestamp=at), path=path).status_code == 200
    rows = [row for row in ours.rows() if row["card"] == card["uuid"] and row["outcome"] == "overridden"]
    assert len(rows) == 6
    assert {row["decision"] + row["rule"] for row in rows} == {topic}
    assert {row["service"] for row in rows} == {path.split("/")[2] for path in (FEEDBACK, OTHER)}


def test_FB_11_Z18_a_card_of_an_older_content_version_is_still_attributed(ours, pack):
    from cds_service.protocol.uuids import make_uuid
    from cds_service.store.store import Store

    store = Store(ours.url)
    uuids = {make_uuid(store.key, number, "x"): known for known, number in pack.findings.items()}
    store.close()
    topics = [topic for topic, _ in uuids.values()]
    assert len(set(topics)) < len(topics), "the lock holds older versions too"
    assert ours.send(*map(overridden, uuids)).status_code == 200
    rows = {row["card"]: row for row in ours.rows()}
    assert {uuid: (rows[uuid]["decision"] + rows[uuid]["rule"], rows[uuid]["version"]) for uuid in uuids} == uuids


@pytest.mark.parametrize(
    "card", ["0f3b0c0e-5d52-4c3a-9a53-3f0f3ab0e0b1", "no-uuid", "x" * 900, "\u0000", "'; DROP TABLE feedback; --"]
)
def test_FB_12_Z18_what_is_not_ours_is_accepted_and_stored_as_unmatched(ours, card):
    assert ours.send(accepted(card, "neither")).status_code == 200
    row = ours.row(card.replace("\0", "\ufffd"))
    assert row["finding"] is None and row["decision"] == ""


def test_FB_12_Z18_a_forged_uuid_is_stored_as_unmatched(ours, card):
    forged = card["uuid"][:-1] + ("0" if card["uuid"][-1] != "0" else "1")
    assert ours.send(overridden(forged)).status_code == 200
    assert ours.row(forged)["finding"] is None


def test_FB_13_reasons_that_were_not_offered_and_without_a_system_are_accepted(ours):
    entry = overridden(reason={"reason": {"code": "our-own", "display": "Our own"}})
    assert ours.send(entry).status_code == 200
    assert ours.row(entry["card"])["reason_code"] == "our-own"


def test_FB_14_the_answer_is_200_without_a_body(ours):
    answer = ours.send(overridden())
    assert answer.status_code == 200 and answer.data == b"" and "Content-Type" not in answer.headers


def test_FB_15_one_invalid_entry_and_nothing_is_stored(ours, assert_outcome):
    before = len(ours.rows())
    assert_outcome(ours.send(overridden(), accepted(), overridden(outcome="ignored")), 400, "feedback[2].outcome")
    assert len(ours.rows()) == before


def test_Z91_every_wrong_entry_is_named(ours, assert_outcome):
    wrong = overridden(outcome="ignored")
    answer = ours.send(wrong, overridden(), overridden() | {"card": 7}, wrong)
    assert_outcome(answer, 400)
    places = [place for issue in answer.json["issue"] for place in issue["expression"]]
    assert places == ["feedback[0].outcome", "feedback[2].card", "feedback[3].outcome"]


def test_FB_16_T_10_the_same_cors_as_every_service(ours):
    origin = {"Origin": "http://127.0.0.1:8080"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = ours.client.options(FEEDBACK, headers=origin | asked)
    assert preflight.status_code in (200, 204)
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for answer in (preflight, ours.send(overridden(), headers=origin), ours.send(b"{", headers=origin)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ours.send(overridden(), headers={"Authorization": "Bearer garbage"}).status_code == 200


def test_FB_16_other_methods_types_and_sizes_are_refused_like_elsewhere(ours, assert_outcome):
    assert "POST" in ours.client.get(FEEDBACK).headers["Allow"]
    assert_outcome(ours.client.get(FEEDBACK), 405)
    assert_outcome(ours.client.post(FEEDBACK, data=b"{}", content_type="text/plain"), 415)
    assert_outcome(ours.send(b'{"feedback": []}' + b" " * 1_000_000), 413)
    assert ours.send(b'{"feedback": []}' + b" " * 900_000).status_code == 200


def test_FB_17_silence_is_no_rejection_in_the_report(tmp_path, request_for):
    ours = Deployment(tmp_path)
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    uuids = []
    for number in range(4):
        body["hookInstance"] = f"d1577c69-dfbe-44ad-ba6d-3e05e953b2{number:02}"
        uuids.append(ours.client.post(SERVICE, json=body).json["cards"][0]["uuid"])
    ours.send(accepted(uuids[0]))
    from cds_service.store.store import Store

    store = Store(ours.url)
    (rule,) = store.report().rules
    assert (rule.accepted.count, rule.accepted.of, rule.overridden) == (1, 1, 0)
    store.close()


def test_FB_18_comments_are_not_kept_unless_the_deployer_says_so(ours):
    entry = overridden(reason={"reason": {"code": "a"}, "userComment": COMMENT}, note=COMMENT, extension={"x": COMMENT})
    assert ours.send(entry).status_code == 200
    row = ours.row(entry["card"])
    assert COMMENT not in str(row)
    assert json.loads(row["raw"]) == overridden(entry["card"], {"reason": {"code": "a"}})


def test_FB_18_a_long_comment_is_cut_and_nothing_else_is_lost(talkative):
    entry = overridden(reason={"reason": {"code": "a"}, "userComment": "x" * 100_000})
    assert talkative.send(entry).status_code == 200
    row = talkative.row(entry["card"])
    assert len(row["comment"]) == 4000 and len(row["raw"]) < 16_000 and row["reason_code"] == "a"


def test_FB_18_neither_comments_nor_uuids_are_logged_or_repeated(talkative, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    marker = f"{COMMENT} {uuid4()}"
    good = overridden(reason={"userComment": marker}, extension={"note": marker})
    answers = [
        talkative.send(good),
        talkative.send(good, overridden(marker, outcome=marker)),
        talkative.send(overridden(marker, outcomeTimestamp=marker)),
        talkative.send(overridden(reason={"reason": {"code": [marker]}, "userComment": marker})),
        talkative.send(f'{{"feedback": [{{"card": "{marker}"'.encode()),
        talkative.client.get("/metrics"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 400, 400, 200]
    said = "".join(answer.text for answer in answers) + caplog.text + "".join(capfd.readouterr())
    assert "Jane" not in said


def test_EXT_01_J_08_unknown_members_are_ignored_at_every_depth(ours):
    entry = accepted(x=1, extension={"org.example.thing": {"a": 1}})
    entry["acceptedSuggestions"][0]["x"] = 1
    body = json.dumps({"feedback": [entry], "x": 1, "extension": {"y": 2}}).encode()
    assert ours.send(body).status_code == 200
    assert ours.row(entry["card"])["outcome"] == "accepted"


@pytest.mark.parametrize("name", ["feedback-accepted", "feedback-overridden"])
def test_what_the_public_sandbox_really_sent_is_stored(tmp_path, name):
    ours = Deployment(tmp_path)
    sent = (packaged("fixtures") / "captured" / "sandbox" / f"{name}.json").read_bytes()
    assert ours.client.post(FEEDBACK, data=sent, content_type="application/json").status_code == 200
    (row,) = ours.rows()
    (entry,) = json.loads(sent)["feedback"]
    assert (row["card"], row["outcome"]) == (entry["card"], entry["outcome"])
    assert row["reason_code"] == entry.get("overrideReason", {}).get("reason", {}).get("code", "")


_MEMBERS = (
    *("feedback", "card", "outcome", "outcomeTimestamp", "acceptedSuggestions", "id", "overrideReason"),
    *("overrideReasons", "reason", "code", "key", "system", "display", "userComment", "extension"),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "accepted", "overridden", AT, "\0", "\ud7ff", "x" * 1025, "a" * 32]),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([*_MEMBERS, "\0"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
FULL = accepted(overrideReason={"reason": {"code": "a", "system": "b", "display": "c"}, "userComment": "d"})


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(member=st.sampled_from([*FULL, "overrideReasons", "reason", "code", "userComment", ""]), value=JSON)
def test_REQ_15_any_json_is_answered_with_200_or_400(talkative, assert_outcome, member, value):
    entry = copy.deepcopy(FULL)
    if member in entry or member == "overrideReasons":
        entry[member] = value
    elif member == "code":
        entry["overrideReason"]["reason"]["code"] = value
    elif member:
        entry["overrideReason"][member] = value
    body = value if member == "" else {"feedback": [entry]}
    answer = talkative.send(json.dumps(body).encode())
    if answer.status_code != 200:
        assert_outcome(answer, 400)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200))
def test_J_05_any_bytes_are_answered_with_200_or_400(ours, assert_outcome, body):
    assert_outcome(ours.send(body), 400) if ours.send(body).status_code != 200 else None


@pytest.mark.parametrize("body", ['"\\ud800"', "[" * 100_000, '{"a":' * 50_000, "1e999", "NaN"])
def test_J_05_hostile_values_are_400_or_kept_as_they_are(talkative, assert_outcome, body):
    whole = f'{{"feedback": [{{"card": "x", "outcome": "overridden", "outcomeTimestamp": "{AT}", "x": {body}}}]}}'
    answer = talkative.send(whole.encode())
    if answer.status_code != 200:
        assert_outcome(answer, 400)
    assert_outcome(talkative.send(whole.replace('"x", "outcome"', f'{body}, "outcome"').encode()), 400)
