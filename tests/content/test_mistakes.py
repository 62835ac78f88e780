"""What authors of content get wrong at first, and the sentence that says what to write instead, with file and line."""

import shutil
from zoneinfo import ZoneInfo

import pytest

from cds_service.content.nearest import instead, nearest
from cds_service.prove import prove
from tests.support.places import SECOND_PACK

DUE, WORDS = "decisions/levelDue/table.yaml", "decisions/levelDue/text.en.yaml"
DAILY, FACTS, PACK, SOURCES = "decisions/dailyAmount.yaml", "facts.yaml", "pack.yaml", "sources.yaml"
DRUGS, ORDER, UNITS = "value-sets/examplol-medication.yaml", "orders/exampliteLevel.yaml", "units.yaml"
RELEVANT = (
    "relevant: {MedicationRequest: [examplol-medication], ServiceRequest: [examplite], NutritionOrder: [examplol-food]}"
)
LEVEL_ORDER, LEVEL_ORDER_WORDS = "decisions/levelOrder/table.yaml", "decisions/levelOrder/text.en.yaml"
# The file of the second pack, what stands there, the mistake, the line on which it is said to be, and the sentence.
MISTAKES = [
    (
        DAILY,
        "step.daily: '> 50'",
        "step.daily: > 50",
        13,
        "this is not YAML (column 35): a cell that compares stands in quotation marks: '> 50'",
    ),
    (
        DUE,
        "    when: {level-days: ['> 45', absent]}",
        "    when:\n      level-days: > 45",
        16,
        "this is not YAML (column 21): a cell that compares stands in quotation marks: '> 45'",
    ),
    (
        DUE,
        "['> 45', absent]",
        "[> 45, absent]",
        15,
        "this is not YAML (column 25): a cell that compares stands in quotation marks: '> 45'",
    ),
    (
        DUE,
        "'> 45'",
        "'> 45 days'",
        15,
        "'> 45 days' is not a unary test; a cell is without a unit, in the unit of its fact: '> 45'",
    ),
    (
        DUE,
        "'> 45'",
        "'> 4,5'",
        15,
        "'> 4,5' is not a unary test; write > 4.5 with a point; alternatives stand in a list",
    ),
    (DUE, "'> 45'", "'> 45 000'", 15, "'> 45 000' is not a unary test; write > 45000 without a blank"),
    (
        DUE,
        "'> 45'",
        "'[45 000..60 000]'",
        15,
        "'[45 000..60 000]' is not a unary test; write [45000..60000] without a blank",
    ),
    (
        DUE,
        "'> 45'",
        "'> 45,000'",
        15,
        (
            "'> 45,000' is not a unary test; write > 45000 without a comma, or > 45.000 with a point; "
            "alternatives stand in a list"
        ),
    ),
    (
        SOURCES,
        "numbers: [45]",
        "numbers: [45 000]",
        9,
        "statements/E-5/numbers/0: '45 000' is no number; write 45000 without a blank",
    ),
    (
        FACTS,
        "results-per-page: 5",
        "results-per-page: 2,5",
        2,
        "results-per-page: '2,5' is no number; write 2.5 with a point",
    ),
    (DUE, "'> 45'", "'≥ 45'", 15, "'≥ 45' is not a unary test; write '>= 45'"),
    (DUE, "'> 45'", "'45-60'", 15, "'45-60' is not a unary test; a range is written '[45..60]', in quotation marks"),
    (
        DUE,
        "['> 45', absent]",
        "[45..60]",
        15,
        "'45..60' is not a unary test; a range is written '[45..60]', in quotation marks",
    ),
    (
        DUE,
        "['> 45', absent]",
        "(45..60]",
        15,
        "this is not YAML (column 31): a range stands in quotation marks: '(45..60]'",
    ),
    (DUE, "'> 45', absent", "'> 45, absent'", 15, "'> 45, absent' is not a unary test; alternatives stand in a list"),
    (
        DUE,
        "absent]}\n    then",
        "abscent]}\n    then",
        15,
        (
            "'abscent' is no value of this input; it can be a number, absent, unknown, unusable, "
            "undecidable; did you mean 'absent'?"
        ),
    ),
    (
        DUE,
        "absent]}\n    then",
        "absent}\n    then",
        15,
        (
            "this is not YAML (column 39): between [ and ] entries are separated by commas, and a text with "
            "signs such as ' : , { } [ ] stands in quotation marks"
        ),
    ),
    (
        DUE,
        "    when: {level-days",
        "\twhen: {level-days",
        15,
        "this is not YAML (column 1): a tab stands here; indent with spaces, two for each step",
    ),
    (
        DUE,
        "    then:\n      indicator",
        "    then:\n    \tindicator",
        17,
        "this is not YAML (column 5): a tab stands here; indent with spaces, two for each step",
    ),
    (
        DUE,
        "    when: {level-days",
        "   when: {level-days",
        15,
        (
            "this is not YAML (column 4): this line begins in column 4, and nothing above that it could "
            "belong to does; keys that belong together begin in the same column"
        ),
    ),
    (
        DUE,
        "    when: {level-days",
        "    when:{level-days",
        15,
        "this is not YAML (column 39): a space has to follow the colon",
    ),
    (DUE, "  - id: Due", "  -id: Due", 14, "this is not YAML (column 3): a space has to follow the dash"),
    (
        DUE,
        "  - id: Due\n    when",
        "  - id: Due\n  when",
        15,
        (
            "this is not YAML (column 3): this line belongs to the entry of line 14; begin it below what "
            "stands behind the dash"
        ),
    ),
    (
        DUE,
        "      indicator: info",
        "      indicator: information",
        17,
        "rules/2/then/indicator: 'information' is not one of critical, warning, info; did you mean 'info'?",
    ),
    (
        DUE,
        "      indicator: info",
        "      severity: info",
        17,
        (
            "rules/2/then: 'severity' is no key here; the keys are indicator, not-checked, not-covered, "
            "selection, suggest, suggestions, text"
        ),
    ),
    (DUE, "    statement: E-5", "    statement: E-55", 21, "no statement 'E-55' in sources.yaml; did you mean 'E-5'?"),
    (
        DUE,
        "    statement: E-5",
        "    statement: page 4",
        21,
        (
            "no statement 'page 4' in sources.yaml; the statements are E-1, E-10, E-11, E-12, E-2, E-3, E-4, E-5, E-6, "
            "E-7, E-8, E-9"
        ),
    ),
    (DUE, "    basis: source", "    bases: source", 22, "rules/2: 'bases' is no key here; did you mean 'basis'?"),
    (DUE, "    basis: source", "    basis: book", 22, "rules/2/basis: 'book' is not one of source, reading, hospital"),
    (
        DUE,
        "hit-policy: FIRST",
        "hit-policy: first",
        8,
        "hit-policy: 'first' is not one of UNIQUE, FIRST, COLLECT; did you mean 'FIRST'?",
    ),
    (
        DUE,
        "hit-policy: FIRST\n",
        "",
        1,
        (
            "the key 'hit-policy' is missing: UNIQUE: exactly one rule matches every case. FIRST: the first "
            "that matches counts. COLLECT: all that match. As in DMN."
        ),
    ),
    (
        DUE,
        "why: A level",
        "# why: A level",
        1,
        (
            "the key 'why' is missing: Why there is such a card, in one or two sentences for a pharmacist. "
            "Required for a card."
        ),
    ),
    (
        DUE,
        "version: 1.1.0",
        "version: 1.1",
        2,
        "version: 1.1 cannot stand here. A version is three numbers with dots between them, such as 1.0.0.",
    ),
    (
        DUE,
        "version: 1.1.0",
        "version: v1.1.0",
        2,
        ("version: 'v1.1.0' cannot stand here. A version is three numbers with dots between them, such as 1.0.0."),
    ),
    (
        DUE,
        "status: active",
        "status: live",
        3,
        "status: 'live' is not one of draft, shadow, active, retired; did you mean 'active'?",
    ),
    (DUE, "kind: card", "kind: Card", 4, "kind: 'Card' is not one of definition, card, note; did you mean 'card'?"),
    (
        DUE,
        "id: levelDue",
        "id: level-due",
        1,
        ("id: 'level-due' cannot stand here. A name of at most 50 letters and digits that begins with a letter."),
    ),
    (
        DUE,
        "inputs: [prescribed, level-days, level-drafted]",
        "inputs: prescribed, level-days, level-drafted",
        10,
        (
            "inputs: 'prescribed, level-days, level-drafted' is no list; write [prescribed, level-days, "
            "level-drafted], or each entry on a line that begins with a dash"
        ),
    ),
    (
        DUE,
        "inputs: [prescribed, level-days, level-drafted]",
        "inputs: [prescribed, level-day, level-drafted]",
        10,
        "no fact or decision 'level-day'; did you mean 'level-days' or 'level-fall' or 'level-drafted'?",
    ),
    (
        DUE,
        "inputs: [prescribed, level-days, level-drafted]",
        "inputs:\n- prescribed\n - level-days",
        10,
        "no fact or decision 'prescribed - level-days'; did you mean 'prescribed' or 'level-days'?",
    ),
    (DUE, "      text: due", "      text: dew", 18, "no text 'dew' in text.en.yaml; did you mean 'due'?"),
    (
        DUE,
        "add: exampliteLevel",
        "add: exampliteLevels",
        20,
        "no order template 'exampliteLevels'; did you mean 'exampliteLevel'?",
    ),
    (
        DUE,
        "{id: level, add: exampliteLevel}",
        "{id: level}",
        20,
        (
            "rules/2/then/suggest/0: one of these keys is missing: replace, add, dosage, last-dosage, route, "
            "open-ended, remove"
        ),
    ),
    (
        DUE,
        "{id: level, add: exampliteLevel}",
        "{id: levels, add: exampliteLevel}",
        20,
        "no label for suggestion 'levels'; did you mean 'level'?",
    ),
    (
        DUE,
        "{id: level, add: exampliteLevel}",
        "{id: level, add: exampliteLevel, remove: draft}",
        20,
        "rules/2/then/suggest/0: only one of these keys can stand here: add, remove",
    ),
    (
        DUE,
        "kind: card",
        "kind: card\nsafety: yes",
        5,
        "safety: 'yes' is a text; write true or false, without quotation marks",
    ),
    (
        WORDS,
        'summary: "Examplol under way: no',
        "summary: Examplol under way: no",
        3,
        "this is not YAML (column 32): a text with a colon and a space in it stands in quotation marks",
    ),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        "detail: {prescribed} is under way.",
        4,
        (
            "this is not YAML (column 26): a text that begins with { stands in quotation marks, the whole of "
            'it: "{prescribed} is under way."'
        ),
    ),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        "detail: {prescribed}",
        4,
        (
            "texts/due/detail: what stands in braces is read as names and values, and a text is needed; put "
            "the whole text into quotation marks"
        ),
    ),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        'detail: "Prescribed: {prescribed}.',
        4,
        "this is not YAML (column 1): the quotation mark that is opened on this line is not closed",
    ),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        "detail: 'It isn't due.'",
        4,
        "this is not YAML (column 21): an apostrophe ends a text in '…'; put this one into \"…\"",
    ),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        "detail: “Prescribed”: yes",
        4,
        'this is not YAML (column 25): “ is no quotation mark of YAML; write " instead',
    ),
    (WORDS, 'detail: "Prescribed: {prescribed}."', "detail:", 4, "texts/due/detail: nothing stands here; write a text"),
    (
        WORDS,
        'detail: "Prescribed: {prescribed}."',
        'details: "Prescribed: {prescribed}."',
        4,
        "texts/due: 'details' is no key here; did you mean 'detail'?",
    ),
    (
        WORDS,
        "{prescribed}.",
        "{prescribes}.",
        2,
        ("nothing is called 'prescribes'; did you mean 'prescribed' or 'prescribed.sent' or 'prescribed.reason'?"),
    ),
    (
        WORDS,
        "{code: action-completed, display: Done already}",
        "action-completed",
        7,
        (
            "override-reasons/0: names and values are needed, not 'action-completed'; write key: value, with "
            "a space behind the colon"
        ),
    ),
    (
        WORDS,
        "    suggestions: {level: Order a level}",
        "    suggestions: Order a level",
        5,
        (
            "texts/due/suggestions: names and values are needed, not 'Order a level'; write key: value, with "
            "a space behind the colon"
        ),
    ),
    (
        FACTS,
        "look-back: P14D",
        "look-back: 14",
        21,
        "facts/level/look-back: 14 cannot stand here. A time is P, a number of days and D, such as P90D.",
    ),
    (
        FACTS,
        "look-back: P14D",
        "look-back: 14 days",
        21,
        ("facts/level/look-back: '14 days' cannot stand here. A time is P, a number of days and D, such as P90D."),
    ),
    (
        FACTS,
        "results-per-page: 5",
        "results-per-page: five",
        2,
        "results-per-page: 'five' is a text; write a whole number without quotation marks",
    ),
    (FACTS, "results-per-page: 5", "results-per-page: 500", 2, "results-per-page: 500 is more than 100"),
    (
        FACTS,
        "    analyte: examplite\n",
        "    analyte: exampite\n",
        19,
        "no analyte 'exampite' in units.yaml; did you mean 'examplite'?",
    ),
    (
        FACTS,
        "    value-set: examplite\n",
        "    value-set: examplites\n",
        18,
        "no value set 'examplites'; did you mean 'examplite' or 'examplosis' or 'examplol-mixture'?",
    ),
    (
        FACTS,
        "    value-set: examplite\n",
        "",
        15,
        (
            "facts/level: the key 'value-set' is missing: The id of the value set whose codes are looked "
            "for: the name of a file in value-sets/ without .yaml. Required for observation, flag, doubtful, "
            "condition, allergy and procedure."
        ),
    ),
    (
        FACTS,
        "kind: dosage, element: interval",
        "kind: dosage, element: intervall",
        124,
        (
            "facts/step.rhythm/element: 'intervall' is not one of dose, interval, doses, days, rate, volume, daily, "
            "sum, difference, product, quotient, minimum, maximum, per-kilogram, first-of; did you mean 'interval'?"
        ),
    ),
    (
        FACTS,
        "kind: patient, element: age",
        "kind: person, element: age",
        11,
        (
            "facts/age/kind: 'person' is not one of patient, observation, flag, doubtful, condition, "
            "allergy, procedure, history, derived, drafts, order, dosage"
        ),
    ),
    (
        FACTS,
        "  examplosis: {kind: condition, label: Examplosis, value-set: examplosis, search: problems}",
        "  examplosis: {kind: condition, label: Examplosis, value-set: examplosis, search: problem}",
        12,
        "no search 'problem'; did you mean 'problems'?",
    ),
    (
        FACTS,
        "label: Years of age,",
        "label: Years of age",
        11,
        (
            "this is not YAML (column 62): between { and } entries are separated by commas, and a text with "
            "signs such as ' : , { } [ ] stands in quotation marks"
        ),
    ),
    (
        PACK,
        "id: examplol\n",
        "id: Examplol\n",
        3,
        "the folder is not named as the pack 'Examplol'; it is called 'examplol'",
    ),
    (
        PACK,
        RELEVANT,
        "relevant: [examplol-medications]",
        16,
        (
            "no value set 'examplol-medications'; did you mean 'examplol-medication' or 'examplol-mixture' "
            "or 'examplol-food'?"
        ),
    ),
    (
        PACK,
        RELEVANT,
        "relevant: []",
        16,
        "relevant: the list needs at least one entry and has 0",
    ),
    (
        PACK,
        RELEVANT,
        "relevant: examplol-medication",
        16,
        (
            "relevant: 'examplol-medication' is no list; write [examplol-medication], or each entry on a "
            "line that begins with a dash"
        ),
    ),
    (
        PACK,
        "ServiceRequest: [examplite]",
        "ServiceRequests: [examplite]",
        16,
        "relevant: 'ServiceRequests' is no key here; did you mean 'ServiceRequest' or 'MedicationRequest'?",
    ),
    (
        PACK,
        "ServiceRequest: [examplite]",
        "DeviceRequest: [examplite]",
        16,
        "relevant: 'DeviceRequest' is no key here; did you mean 'ServiceRequest' or 'MedicationRequest'?",
    ),
    (PACK, RELEVANT, "relevant: {}", 16, "relevant: at least one entry must stand here, and 0 are there"),
    (
        PACK,
        "ServiceRequest: [examplite]",
        "ServiceRequest: []",
        16,
        "relevant/ServiceRequest: the list needs at least one entry and has 0",
    ),
    (
        PACK,
        "ServiceRequest: [examplite]",
        "ServiceRequest: [examplol-food]",
        16,
        (
            "'examplol-food' is of kind nutrition, and a ServiceRequest orders what is of kind observation or "
            "procedure; write it under NutritionOrder"
        ),
    ),
    (
        PACK,
        RELEVANT,
        "relevant: [examplol-medication, examplite]",
        16,
        (
            "'examplite' is of kind observation, and a MedicationRequest orders what is of kind medication; write it "
            "under ServiceRequest"
        ),
    ),
    (
        LEVEL_ORDER,
        "inputs: [order-status, ",
        "inputs: [step.amount, order-status, ",
        11,
        (
            "'step.amount' is never there: it is of MedicationRequest, and this table applies to ServiceRequest alone; "
            "take it out"
        ),
    ),
    (
        LEVEL_ORDER,
        "inputs: [order-status, ",
        "inputs: [pap-rhythm, order-status, ",
        11,
        (
            "'pap-rhythm' is never there: it is of NutritionOrder, and this table applies to ServiceRequest alone; "
            "take it out"
        ),
    ),
    (
        LEVEL_ORDER,
        "{id: once, replace: exampliteLevel, recommended: true}",
        "{id: once, dosage: tabletCourse}",
        20,
        (
            "dosage changes a dosage, and this table applies to ServiceRequest alone; replace the order, or take the "
            "suggestion out"
        ),
    ),
    (
        PACK,
        "hook: patient-view",
        "hook: patient_view",
        37,
        (
            "services/2/hook: 'patient_view' is not one of order-select, order-sign, patient-view; did you "
            "mean 'patient-view'?"
        ),
    ),
    (
        PACK,
        "decisions: [levelFalling, levelDue]",
        "decisions: [levelFalling, levelDues]",
        40,
        "no decision 'levelDues'; did you mean 'levelDue' or 'levelOrder' or 'levelAndNeedle'?",
    ),
    (
        PACK,
        "topic-system: urn:uuid:5b0f2f0e-6c52-4c1e-9a0e-2f8f0a3c7b11",
        "topic-system: examplol",
        6,
        (
            "topic-system: 'examplol' cannot stand here. It is urn:uuid: and a UUID in small letters, such "
            "as urn:uuid:5b0f2f0e-6c52-4c1e-9a0e-2f8f0a3c7b11."
        ),
    ),
    (
        PACK,
        "id: examplol-view",
        "id: examplol view",
        36,
        (
            "services/2/id: 'examplol view' cannot stand here. An id has letters, digits, dots, hyphens and "
            "underscores, and no spaces."
        ),
    ),
    (PACK, "names:\n  needle: EX-7", "names:", 21, "names: nothing stands here; write names and values"),
    (
        SOURCES,
        "numbers: [45]",
        "numbers: 45",
        9,
        "statements/E-5/numbers: 45 is no list; write [45], or each entry on a line that begins with a dash",
    ),
    (
        SOURCES,
        "numbers: [45]",
        'numbers: ["45"]',
        9,
        "statements/E-5/numbers/0: '45' is a text; write a number without quotation marks",
    ),
    (
        SOURCES,
        "E-5: {place: page 4,",
        "E-5: {",
        9,
        (
            "statements/E-5: the key 'place' is missing: Where the statement stands in the source. Example: "
            "page 4, line 2."
        ),
    ),
    (SOURCES, "E-5: {place", "E-4: {place", 9, "the key 'E-4' stands twice"),
    (
        SOURCES,
        "label: The Book",
        "label The Book",
        2,
        "this is not YAML (column 1): a colon has to follow the key, and a space the colon",
    ),
    (
        DRUGS,
        "code: EX-T,",
        "code: 4711,",
        6,
        'concepts/1/code: 4711 is no text here; put it into quotation marks: "4711"',
    ),
    (
        DRUGS,
        'value: "100"',
        "value: 100",
        6,
        'concepts/1/strength/value: 100 is no text here; put it into quotation marks: "100"',
    ),
    (
        DRUGS,
        "kind: medication",
        "kind: drug",
        3,
        (
            "kind: 'drug' is not one of observation, condition, allergy, procedure, medication, nutrition, route, "
            "interpretation"
        ),
    ),
    (
        DRUGS,
        'verified: [invented]}\n  - {system: "http://example.org/drugs", code: EX-T',
        'verify: [invented]}\n  - {system: "http://example.org/drugs", code: EX-T',
        5,
        "concepts/0: 'verify' is no key here; did you mean 'verified'?",
    ),
    (
        ORDER,
        "resourceType: ServiceRequest",
        "resourceType: LabOrder",
        5,
        "resource/resourceType: 'LabOrder' is not one of MedicationRequest, ServiceRequest, NutritionOrder",
    ),
    (
        ORDER,
        "code: examplite,",
        "code: @examplite,",
        9,
        "this is not YAML (column 56): a text that begins with @ stands in quotation marks: '@examplite'",
    ),
    (
        FACTS,
        "    element: newest\n",
        "    element: newest\n    look-back: P90D\n",
        26,
        "newest says how many days ago it was, however many, and takes no look-back",
    ),
    (
        UNITS,
        '"umol/L": "1/1000"',
        '"umol/L": 0.001',
        6,
        'examplite/units/umol/L: 0.001 is no text here; put it into quotation marks: "0.001"',
    ),
    (
        UNITS,
        '"umol/L": "1/1000"',
        '"umol/L": "1:1000"',
        6,
        (
            "examplite/units/umol/L: '1:1000' cannot stand here. A factor is a number or a fraction in "
            'quotation marks, such as "1000" or "1/1000".'
        ),
    ),
]
# They follow from every change, or from what the mistake takes away.
FOLLOWS = ("version", "lock", "unread", "uncited")


@pytest.fixture
def cards(tmp_path):
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    return tmp_path / "cards"


@pytest.mark.parametrize(("file", "right", "wrong", "line", "said"), MISTAKES, ids=lambda value: str(value)[:30])
def test_a_mistake_is_answered_with_what_to_write(cards, file, right, wrong, line, said):
    path = cards / "examplol" / file
    text = path.read_text(encoding="utf-8")
    assert right in text, f"{right!r} is not in {file}"
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    problems = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    found = [problem for problem in problems if problem.kind not in FOLLOWS]
    assert (path, line, said) in [(problem.path, problem.line, problem.text) for problem in found]


def test_a_pack_that_judges_no_drugs_is_told_where_it_asks_for_a_dosage(cards):
    path = cards / "examplol" / PACK
    only = "relevant: {ServiceRequest: [examplite]}"
    path.write_text(path.read_text(encoding="utf-8").replace(RELEVANT, only), encoding="utf-8")
    said = {(p.path.name, p.text) for p in prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems}
    alone = "pack.yaml names ServiceRequest alone under relevant"
    assert said >= {
        ("course.yaml", f"there is never a dosage: {alone}; take each out"),
        ("course.yaml", f"'step.amount' is never there: it is of MedicationRequest, and {alone}; take it out"),
        (
            "table.yaml",
            f"'pap-ordered' is never there: it is of NutritionOrder, and {alone}; "
            "name that there, or take the table out",
        ),
        (
            "table.yaml",
            f"dosage changes a dosage, and {alone}; replace the order, or take the suggestion out",
        ),
    }


def test_no_sentence_shows_a_pattern_or_the_words_of_a_parser():
    for *_, said in MISTAKES:
        for jargon in ("^[", "\\\\d", "scanning", "parsing", "token", "additionalProperties", "NoneType", "mapping"):
            assert jargon not in said


def test_a_file_that_is_not_utf_8_says_how_to_save_it(cards):
    path = cards / "examplol" / "sources.yaml"
    path.write_bytes(path.read_text(encoding="utf-8").replace("page 2", "page zwölf").encode("latin-1"))
    (problem,) = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    assert (problem.path, problem.line, problem.text) == (path, 7, "this is not UTF-8; save the file as UTF-8")


def test_a_file_with_a_control_character_says_on_which_line(cards):
    path = cards / "examplol" / "sources.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("page 2", "page\x002"), encoding="utf-8")
    (problem,) = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    assert (problem.path, problem.line) == (path, 7)
    assert problem.text == "this is not YAML: a sign stands here that no text has; delete it"


@pytest.mark.parametrize(
    ("name", "other"),
    [("decisions/levelDue/text.en.yaml", "text.yaml"), ("facts.yaml", "fact.yaml"), ("units.yaml", "units.yml")],
)
def test_a_file_with_another_name_is_named(cards, name, other):
    path = cards / "examplol" / name
    path.rename(path.with_name(other))
    problems = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    (found,) = [problem for problem in problems if problem.path == path.with_name(other)]
    assert found.text.startswith("nothing reads this file; it can be called pack.yaml, sources.yaml, facts.yaml")


def test_an_empty_file_says_that_nothing_stands_in_it(cards):
    path = cards / "examplol" / "facts.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    (problem,) = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    assert (problem.path, problem.line, problem.text) == (path, 1, "nothing stands here; write names and values")


def test_the_nearest_names_come_first_and_nothing_is_guessed():
    known = ["ferritin", "ferritin-days", "haemoglobin"]
    assert nearest("feritin", known) == ["ferritin", "ferritin-days"]
    assert instead("Ferritin-Day", known).startswith("; did you mean 'ferritin-days'")
    assert instead("potassium", known, "facts") == "; the facts are ferritin, ferritin-days, haemoglobin"
    assert instead("potassium", [f"fact{number}" for number in range(20)]) == ""
    assert instead("potassium", [], "facts") == "; there are no facts yet"


def test_a_number_with_a_comma_among_those_of_a_statement_is_said_as_the_decimal_that_was_meant(cards):
    for file, right, wrong in ((SOURCES, "numbers: [45]", "numbers: [4,5]"), (DUE, "'> 45'", "'> 4.5'")):
        path = cards / "examplol" / file
        path.write_text(path.read_text(encoding="utf-8").replace(right, wrong, 1), encoding="utf-8")
    problems = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    (found,) = [problem for problem in problems if problem.kind == "basis"]
    assert (found.path, found.line) == (cards / "examplol" / DUE, 14)
    assert found.text == (
        "Due is called the source's word, and E-5 does not say 4.5; "
        "the numbers in sources.yaml have 4 and 5: write 4.5 with a point"
    )
