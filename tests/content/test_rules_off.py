"""A single rule that a hospital switches off is judged and counted, and shown to nobody; no other takes its cases."""

import re
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.judge.evaluate import evaluate
from cds_service.judge.explanation import explain
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.sample import sampled

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


def off(*topics, reason="It contradicts our guideline.", day='"2026-11-29"'):
    return "".join(f'[rules.off.{topic}]\nreason = "{reason}"\ndate = {day}\n' for topic in topics)


@pytest.fixture
def site(tmp_path):
    def write(text):
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def answer_at(site, scenarios):
    """The answer to a scenario at a site that has switched something off."""

    def answer(name, text):
        pack = load_pack(packaged("cards"), read_site(site(text)))
        scenario = next(one for one in scenarios if one.name == name)
        service = pack.service_for(scenario.hook)
        body = encode(scenario.request(templates_of(pack, service)))
        prepared = Prepared.of(pack, zone=ZoneInfo("UTC"), key=KEY.encode())
        return prepared, body, scenario.now, evaluate(prepared, service, body, scenario.now)

    return answer


def topics(answer):
    return [card["source"]["topic"]["code"] for card in answer.body["cards"]]


def test_a_withdrawn_rule_is_counted_and_shown_to_nobody_and_no_other_takes_its_case(answer_at):
    """A card that gives way to it stays silent, unlike where its whole decision is off."""
    scenario, topic = "nasal/neurologicalAtStart", "neurologicalLoadingAlternateDays"
    *_, before = answer_at(scenario, "")
    assert topics(before) == [topic]
    *_, withdrawn = answer_at(scenario, off(topic))
    assert topics(withdrawn) == []
    (finding,) = withdrawn.judged[0].decided.cards
    assert (finding.topic, finding.status) == (topic, "withdrawn")
    *_, without = answer_at(scenario, '[decisions]\noff = ["neurologicalLoading"]\n')
    assert topics(without) == ["nasalRegimenNeurological"]


def test_every_rule_that_shows_a_card_can_be_withdrawn_and_nothing_else_changes(scenarios, answers, site):
    """Of every card of the scenarios: it is gone, and each other card is there as it was, its suggestions apart."""
    shown = {}
    for scenario in scenarios:
        answer = answers[scenario.name].answer
        if answer is not None and len(answer.body["cards"]) > 1:
            shown.setdefault(tuple(topics(answer)), scenario)
    assert len(shown) > 10
    for of_cards, scenario in sampled(list(shown.items()), 4):
        pack = load_pack(packaged("cards"), read_site(site(off(of_cards[0]))))
        service = pack.service_for(scenario.hook)
        body = encode(scenario.request(templates_of(pack, service)))
        left = evaluate(Prepared.of(pack, zone=ZoneInfo("UTC"), key=KEY.encode()), service, body, scenario.now)
        assert topics(left) == [topic for topic in of_cards if topic != of_cards[0]], scenario.name


def test_what_a_withdrawn_rule_would_say_of_a_suggestion_still_keeps_it_back_and_is_not_said(answer_at):
    """The way around it would be to offer with one click what it warned of (Z1)."""
    scenario, topic = "iv-cyanocobalamin/lowPlatelets", "imPlateletsTransfusionFirst"
    *_, before = answer_at(scenario, "")
    *_, withdrawn = answer_at(scenario, off(topic))
    (card,), (later,) = before.body["cards"], withdrawn.body["cards"]
    assert "It would raise: " in card["detail"]
    assert "It would raise something that is switched off at this site." in later["detail"]
    assert "It would raise: " not in later["detail"]
    assert [s["label"] for s in later.get("suggestions", [])] == [s["label"] for s in card.get("suggestions", [])]


def test_explain_says_that_a_rule_is_off_why_and_since_when(answer_at, tmp_path, site):
    scenario, topic = "platelets-and-im/justBelow", "imPlateletsTransfusionFirst"
    prepared, body, now, _ = answer_at(scenario, off(topic))
    (order,) = explain(prepared, body, now)["orders"]
    (fired,) = next(d for d in order["decisions"] if d["decision"] == "imPlatelets")["fired"]
    assert fired["withdrawn"] == {"reason": "It contradicts our guideline.", "date": "2026-11-29"}
    request = tmp_path / "request.json"
    request.write_bytes(body)
    environment = {"CDS_SERVICE_SITE": str(site(off(topic)))}
    told = CliRunner().invoke(main, ["explain", str(request), "--now", now.isoformat()], env=environment).output
    assert "the site has switched it off since 2026-11-29: It contradicts our guideline." in " ".join(told.split())


def test_a_rule_that_is_off_is_said_where_the_service_is_watched(site, request_for):
    topic = "imPlateletsTransfusionFirst"
    client = create_app(Settings(site=site(off(topic)), loopback=True, key=KEY)).test_client()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    assert client.post(ORDER_SELECT, json=body).json == {"cards": []}
    assert client.get("/readyz").json["site"]["rules-off"] == [topic]
    told = client.get("/metrics").text
    assert f'cds_service_rule_off{{pack="vitamin-b12",rule="{topic}"}} 1.0' in told
    counted = r'findings_total\{decision="imPlatelets",.*rule="TransfusionFirst",.*status="withdrawn",.*\} 1\.0'
    assert re.search(counted, told)
    page = client.get("/content/decisions/imPlatelets").text
    assert "Switched off by the site on 2026-11-29: It contradicts our guideline." in page


def test_a_withdrawn_rule_that_asks_for_data_refuses_no_call(answer_at):
    """What a refusal would ask for would be shown to nobody."""
    with pytest.raises(Fault) as refused:
        answer_at("bad-data/nothingSent", "")
    assert refused.value.status == 412
    *_, answer = answer_at("bad-data/nothingSent", off("imPlateletsNotChecked"))
    assert topics(answer) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (off("imPlateletsThickNeedle"), "site.toml:1: site: off: the content has no 'imPlateletsThickNeedle'"),
        (off("adultChild"), "site.toml:1: site: adultChild is a rule of a definition; others rest on it"),
        (off("imPlateletsAbove"), "site.toml:1: site: imPlateletsAbove is silent; there is nothing to withdraw"),
        (
            off("suggestionLimitsAllergic"),
            "site.toml:1: site: suggestionLimitsAllergic keeps suggestions back, which nobody would notice to be gone",
        ),
        (off("imPlateletsThinNeedle", day='"2026-02-30"'), "site.toml:3: site: there is no day 2026-02-30"),
        (off("imPlateletsThinNeedle", day='"soon"'), "site.toml:3: site: rules/off/imPlateletsThinNeedle/date: 'soon'"),
        (off("imPlateletsThinNeedle", reason=" "), "site.toml:2: site: rules/off/imPlateletsThinNeedle/reason: ' '"),
        ('[rules.off.imPlateletsThinNeedle]\nreason = "x"\n', "'date' is a required property"),
        ('[rules]\noff = ["imPlateletsThinNeedle"]\n', "site.toml:2: site: rules/off: "),
    ],
)
def test_a_rule_that_cannot_be_switched_off_is_refused_with_its_line(site, text, said):
    checked = CliRunner().invoke(main, ["check", "--site", str(site(text))])
    assert checked.exit_code == 1
    assert said in checked.output


def test_a_day_of_toml_is_a_day(site):
    assert read_site(site(off("imPlateletsThinNeedle", day="2026-11-29"))).rules_off["imPlateletsThinNeedle"].date == (
        "2026-11-29"
    )


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        (off("imPlateletsThinNeedle"), 1, "imPlateletsThinNeedle is missing as a control of HAZ-01: An injection into"),
        (off("imPlateletsFlaggedLow"), 1, "imPlateletsFlaggedLow is missing as a control of HAZ-02: A platelet count"),
        ('[decisions]\noff = [\n  "imPlatelets",\n]\n', 3, "imPlatelets is missing as a control of HAZ-05: Platelet"),
        ('[decisions]\noff = ["maintenance"]\n', 2, "maintenance is missing as a control of HAZ-14: Treatment that"),
    ],
)
def test_check_names_the_hazards_that_lose_a_control_and_passes(site, text, line, named):
    path = site(text)
    checked = CliRunner().invoke(main, ["check", "--site", str(path)])
    assert checked.exit_code == 0, checked.output
    assert f"{path}:{line}: site: switched off, {named}" in checked.output


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            off("imPlateletsThinNeedle"),
            1,
            "imPlateletsThinNeedle is off, and no other rule takes its place. Nobody is told any more: “Platelets …, "
            "IM injection ordered or if given IM: thin 25-27G needle, prolonged pressure.” The case: ",
        ),
        (off("imPlateletsThinNeedle"), 1, "Platelet count: 25 to 50 ×10⁹/L."),
        (
            off("imPlateletsThinNeedle", "plateletsUnderTreatmentThinNeedle"),
            1,
            "on the same limit as imPlateletsThinNeedle: imPlateletsTransfusionFirst, ",
        ),
        (
            '[decisions]\noff = [\n  "imPlatelets",\n]\n',
            3,
            "imPlatelets is off, and nobody is told any more what it found: Platelets and IM injection. May this",
        ),
    ],
)
def test_check_says_in_words_what_nobody_is_told_any_more(site, text, line, said):
    path = site(text)
    told = CliRunner().invoke(main, ["check", "--site", str(path)]).output.splitlines()
    (note,) = [one for one in told if said in one]
    assert note.startswith(f"note: {path}:{line}: site: ")
    assert "plateletsUnderTreatmentThinNeedle" not in note or "plateletsUnderTreatmentThinNeedle" not in text


def test_nothing_is_named_where_nothing_is_off(site):
    assert "switched off" not in CliRunner().invoke(main, ["check", "--site", str(site('plans = "stated"\n'))]).output
