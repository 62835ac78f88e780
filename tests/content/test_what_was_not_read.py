"""A safety decision is never silent for want of what was not sent: check takes away every search in turn (Z75)."""

from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.prove import prove

FACTS = """\
  calcium: &of-blood
    kind: observation
    label: Calcium
    value-set: result
    analyte: result
    unit: umol/L
    look-back: P90D
  albumin: {<<: *of-blood, label: Albumin}
  reported: {<<: *of-blood, label: Reported}
  corrected: &derived
    kind: derived
    element: sum
    label: Corrected
    analyte: result
    unit: umol/L
    inputs: {total: calcium, correction: albumin}
  kidney: {<<: *derived, element: newer, inputs: {reported: reported, computed: calcium}}
  best: {<<: *derived, element: first-of, inputs: {first: corrected, second: calcium}}
"""
SPEAKS = "then: {indicator: warning, text: bad}, statement: S1, basis: reading"
TOLD = "then: {indicator: info, text: notKnown, not-checked: true}, statement: S1, basis: reading"


def definition(inputs, *rules, policy="UNIQUE"):
    return table("band", "definition", f"inputs: [{inputs}]", rules, policy)


def card(*rules, policy="COLLECT", head="safety: true\nwhy: It harms.\ninputs: [band]"):
    return table("harm", "card", head, rules, policy)


def table(name, kind, head, rules, policy):
    lines = "".join(f"  - {{{rule}}}\n" for rule in rules)
    about = f"title: {name}\nquestion: Is it so?\nhit-policy: {policy}\n{head}\nrules:\n{lines}"
    return f"id: {name}\nversion: 1.0.0\nstatus: active\nkind: {kind}\n{about}"


TEXTS = """texts:
  bad: {summary: "It is bad {whose}."}
  notKnown: {summary: "It was not read {whose}."}
override-reasons: [{code: action-completed, display: I have acted on it}]
"""
BAND = ("id: High, when: {calcium: '> 2'}, then: high", "id: Fine, when: {calcium: '<= 2'}, then: fine")
OF_BAND = f"id: Bad, when: {{band: high}}, {SPEAKS}"
NOT_KNOWN = f"id: NotKnown, when: {{band: unknown}}, {TOLD}"
REASON = 'unknown-as-absent: "what is not known is said by another card"'
SILENT = "is silent then"


@pytest.fixture
def cards(tmp_path):
    """A pack with three results, one that two of them make, and one that is the newer of two."""
    folder = tmp_path / "cards"
    done = CliRunner().invoke(main, ["new", "pack", "trial", "--result", "result", "--in", str(folder)])
    assert done.exit_code == 0, done.output
    facts = folder / "trial/facts.yaml"
    facts.write_text(facts.read_text(encoding="utf-8") + FACTS, encoding="utf-8")
    return folder


def said(cards, *tables, has_reasons=True):
    """What check says of these tables about what was not read."""
    pack = cards / "trial/pack.yaml"
    text = pack.read_text(encoding="utf-8").replace("[levelBeforeOrder]", "[levelBeforeOrder, harm]")
    assert "silence-has-reasons: true\n" in text, "new pack asks for reasons"
    pack.write_text(text if has_reasons else text.replace("silence-has-reasons: true\n", ""), encoding="utf-8")
    (cards / "trial/decisions/harm").mkdir()
    for text in tables:
        name = "harm/table" if text.startswith("id: harm") else "band"
        (cards / f"trial/decisions/{name}.yaml").write_text(text, encoding="utf-8")
    (cards / "trial/decisions/harm/text.en.yaml").write_text(TEXTS, encoding="utf-8")
    proof = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC"))
    assert proof.pack is not None, proof.problems
    assert not [problem for problem in proof.problems if problem.kind in ("gap", "overlap", "unreachable")]
    return [f"{problem.path.stem}:{problem.text}" for problem in proof.problems if problem.kind == "unknown"]


ABSENT_AND_UNKNOWN = definition(
    "calcium", *BAND, "id: None, when: {calcium: [absent, unknown, unusable, undecidable]}, then: fine"
)
DERIVED = definition(
    "kidney",
    "id: High, when: {kidney: '> 2'}, then: high",
    "id: Fine, when: {kidney: '<= 2'}, then: fine",
    "id: None, when: {kidney: [absent, unknown, unusable, undecidable]}, then: fine",
)
ALBUMIN = (
    "id: High, when: {corrected: '> 2'}, then: high",
    "id: Fine, when: {corrected: '<= 2'}, then: fine",
    "id: NotRead, when: {calcium: [unknown, unusable, undecidable]}, then: unknown",
    "id: NoneFound, when: {calcium: absent}, then: unknown",
    "id: TotalHigh, when: {calcium: '> 2'}, then: high",
)
ONE_OF_TWO = definition(
    "corrected, calcium, albumin",
    *ALBUMIN,
    "id: TotalFine, when: {calcium: '<= 2', albumin: [absent, unknown]}, then: fine",
    "id: Else, then: unknown",
    policy="FIRST",
)
NOT_NAMED = definition("corrected, calcium, albumin", *ALBUMIN, "id: TotalFine, then: fine", policy="FIRST")
NOT_ASKED = definition(
    "calcium, albumin",
    "id: High, when: {calcium: '> 2'}, then: high",
    "id: AlbuminHigh, when: {albumin: '> 2'}, then: high",
    "id: NotRead, when: {calcium: unknown}, then: unknown",
    "id: Fine, then: fine",
    policy="FIRST",
)
TELLING = definition(
    "calcium",
    *BAND,
    "id: None, when: {calcium: absent}, then: none",
    "id: Not, when: {calcium: [unknown, unusable, undecidable]}, then: unknown",
)
NEWER = (
    "id: High, when: {kidney: '> 2'}, then: high",
    "id: Fine, when: {kidney: '<= 2'}, then: fine",
    "id: Not, then: unknown",
)
FIRST_OF = (
    "id: High, when: {best: '> 2'}, then: high",
    "id: Fine, when: {best: '<= 2'}, then: fine",
    "id: Not, then: unknown",
)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ((ABSENT_AND_UNKNOWN, card(OF_BAND)), "band:rule None takes what was not read for absent (calcium)"),
        ((DERIVED, card(OF_BAND)), "band:rule None takes what was not read for absent (kidney)"),
        (
            (ONE_OF_TWO, card(OF_BAND, NOT_KNOWN)),
            "band:rule TotalFine answers 'fine' where albumin was not read, and harm is silent",
        ),
        ((TELLING, card(OF_BAND)), "table:no rule speaks where calcium was not read, and one could if it were"),
    ],
)
@pytest.mark.parametrize("has_reasons", [True, False])
def test_unknown_beside_absent_and_a_missing_rule_are_refused_in_every_pack(cards, tables, expected, has_reasons):
    found = said(cards, *tables, has_reasons=has_reasons)
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ((NOT_NAMED, card(OF_BAND, NOT_KNOWN)), "band:rule TotalFine answers 'fine' where albumin was not read"),
        ((NOT_ASKED, card(OF_BAND, NOT_KNOWN)), "band:rule Fine answers 'fine' where albumin was not read"),
        (
            (definition("kidney", *NEWER, policy="FIRST"), card(OF_BAND, NOT_KNOWN)),
            "band:rule Fine answers 'fine' where calcium, reported was not read",
        ),
        (
            (definition("best", *FIRST_OF, policy="FIRST"), card(OF_BAND, NOT_KNOWN)),
            "band:rule Fine answers 'fine' where albumin was not read",
        ),
        (
            (TELLING, card(OF_BAND, "id: Silent, then: silent", policy="FIRST")),
            "table:rule Silent is silent where calcium was not read",
        ),
        (
            (
                card(
                    OF_BAND.replace("band: high", "calcium: '> 2'"),
                    "id: Silent, then: silent",
                    policy="FIRST",
                    head="safety: true\nwhy: It harms.\ninputs: [calcium]",
                ),
            ),
            "table:rule Silent is silent where calcium was not read",
        ),
        (
            (
                TELLING,
                card(
                    OF_BAND.replace("band: high", "albumin: '> 2'"),
                    NOT_KNOWN.replace("band", "albumin"),
                    "id: Silent, then: silent",
                    policy="FIRST",
                    head="safety: true\nwhy: It harms.\napplies-when: {band: [high, fine]}\ninputs: [albumin]",
                ),
            ),
            "table:the table does not apply where calcium was not read",
        ),
    ],
)
def test_a_pack_that_has_reasons_for_silence_needs_one_for_every_search(cards, tables, expected):
    found = said(cards, *tables)
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    "tables",
    [
        (TELLING, card(OF_BAND, NOT_KNOWN)),
        # what is read tells, whatever the other is
        (
            definition(
                "calcium, albumin",
                "id: High, when: {calcium: '> 2'}, then: high",
                "id: Not, when: {albumin: unknown}, then: unknown",
                "id: NotRead, when: {calcium: unknown}, then: unknown",
                "id: Fine, then: fine",
                policy="FIRST",
            ),
            card(OF_BAND, NOT_KNOWN),
        ),
        # the operand that was not read is asked for before the newer of two is believed
        (
            definition(
                "kidney, reported, calcium",
                NEWER[0],
                "id: ReportedNotRead, when: {reported: unknown}, then: unknown",
                "id: CalciumNotRead, when: {calcium: unknown}, then: unknown",
                *NEWER[1:],
                policy="FIRST",
            ),
            card(OF_BAND, NOT_KNOWN),
        ),
        (TELLING, card(OF_BAND, f"id: Silent, then: silent, {REASON}", policy="FIRST")),
        (definition("kidney", NEWER[0], f"{NEWER[1]}, {REASON}", NEWER[2], policy="FIRST"), card(OF_BAND, NOT_KNOWN)),
        # no decision about harm rests on it
        (NOT_ASKED, card(OF_BAND, NOT_KNOWN, head="why: It costs.\ninputs: [band]")),
    ],
)
def test_what_is_told_or_has_a_reason_is_right(cards, tables):
    assert said(cards, *tables) == []


@pytest.mark.parametrize(
    "tables",
    [
        (TELLING, card(OF_BAND, f"{NOT_KNOWN}, {REASON}")),
        (
            definition("calcium", f"{BAND[0]}, {REASON}", BAND[1], "id: Not, then: unknown", policy="FIRST"),
            card(OF_BAND, NOT_KNOWN),
        ),
    ],
)
def test_a_reason_that_nothing_needs_is_refused(cards, tables):
    (found,) = said(cards, *tables)
    assert "says unknown-as-absent and takes nothing unread for absent" in found
