"""Design rules that a machine can hold: no clinical content in Python, and no number in the texts of the content."""

import ast
import re
from functools import cache

import yaml

from cds_service.packaged import packaged
from tests.support.faults import assert_none
from tests.support.sources import PACKAGE, modules

CLINICAL_WORDS = re.compile(
    r"cobalamin|hydroxo|mecobal|folic|folate|platelet|transfus|an[a]?emi|needle|neurolog|leber|pernicious", re.I
)
# Words that tell a device from a drug in the names of products, and say nothing of what the content decides.
NOT_CLINICAL = {("fhir/medication_words.py", "needle"), ("fhir/medication_words.py", "needles")}

# Names of the pack that are words of any program, of FHIR or of a formula, and name nothing clinical in Python.
ORDINARY_WORDS = {
    "administration": "an element of FHIR and a word in names of codes",
    "adult": "a word of product names",
    "combination": "a word of product names",
    "creatinine": "what a named formula is reckoned from",
    "dose": "an element of FHIR",
    "excluded": "a key of every pack",
    "length": "how long anything is",
    "not-stated": "what nobody has entered",
    "recurrence": "a clinical status of FHIR",
    "scope": "an attribute of HTML",
}

# None, one, a pair: counts in any program, and no decision of the content turns on a larger ordinary number.
ORDINARY = {0, 1, 2}
# Numbers that a rule of the content has as a threshold too, and that mean something else in these files. Where a new
# one is right, the failing test says which line to add.
ELSEWHERE = {
    ("authoring/new_card.py", 50): "characters of the name of a decision",
    ("chart/dosage.py", 60): "characters of a dose as shown",
    ("chart/rate.py", 60): "characters of a rate as shown",
    ("cli.py", 1_000_000): "objects before cycles are looked for",
    ("commands/card_text.py", 100): "characters of a line",
    ("commands/drift_text.py", 4): "decimals of a bound",
    ("commands/population.py", 100): "counts that may be hidden, at most",
    ("service/web_server.py", 10): "seconds to stop in",
    ("service/web_server.py", 10_000): "milliseconds for the head of a request",
    ("commands/token.py", 300): "seconds that a token is valid",
    ("console/acceptance_rows.py", 7): "days of a week",
    ("console/acceptance_rows.py", 20): "height of a trend in its own units",
    ("console/acceptance_rows.py", 100): "points of a trend, and its width in its own units",
    ("console/acceptance_choice.py", 7): "days of a report",
    ("console/acceptance_choice.py", 365): "days of a report",
    ("console/acceptance_page.py", 6): "values of a facet that are shown unasked",
    ("console/acceptance_page.py", 50): "comments shown",
    ("console/acceptance_page.py", 100): "per cent, and calls that cards are reckoned for",
    ("console/answer.py", 20): "drafts that are shown in words",
    ("console/axes.py", 10): "the base of round numbers",
    ("console/calendar.py", 3): "months shown",
    ("console/calendar.py", 4): "weeks from which more months are shown",
    ("console/calendar.py", 6): "months shown",
    ("console/calendar.py", 7): "days of a week",
    ("console/changes.py", 3): "lines shown around a change",
    ("judge/fact_words.py", 3): "digits of a rounded number",
    ("judge/fact_words.py", 7): "digits of a rounded number",
    ("console/comparing.py", 10): "by how much less urgent the process is",
    ("console/comparing.py", 25): "scenarios between two lines that say how far it is",
    ("console/plots.py", 3): "how far a limit may be above the values to be drawn",
    ("console/form.py", 10): "the base of round numbers",
    ("console/form_request.py", 60): "doses of a treatment that are recorded as given",
    ("console/result_lane.py", 3): "values above the scale that are named",
    ("console/result_lane.py", 4): "a margin, in pixels",
    ("console/time_axis.py", 3): "months between two dates",
    ("console/time_axis.py", 6): "months between two dates",
    ("console/time_axis.py", 60): "months between two dates",
    ("console/record_events.py", 60): "doses of one order that are drawn one by one, and orders whose doses are",
    ("console/table_map.py", 3): "lines of a label",
    ("console/table_map.py", 4): "a margin, in pixels",
    ("console/table_map.py", 20): "the least bend of an arrow, in pixels",
    ("console/story_list.py", 50): "scenarios that a search shows",
    ("console/population_weeks.py", 4): "marks of an axis",
    ("console/population_weeks.py", 7): "days of a week",
    ("console/population_weeks.py", 10): "from one mark to the next larger one",
    ("console/population_weeks.py", 20): "units above the bars of a picture",
    ("console/population_weeks.py", 84): "units that a date takes",
    ("console/preview_pages.py", 500): "a status of HTTP",
    ("console/problem_page.py", 500): "a status of HTTP",
    ("console/rule_periods.py", 31): "days of the longest month",
    ("console/rule_periods.py", 100): "calls that cards are reckoned for",
    ("console/trend_plots.py", 100): "per cent",
    ("console/timeline.py", 3): "years shown, lines of a label, and the thinnest period in pixels",
    ("console/timeline.py", 4): "a margin, in pixels",
    ("console/value_scale.py", 3): "how near a limit is to be drawn, and the most ticks of a scale",
    ("console/value_scale.py", 4): "how far above all others a value is left off the scale",
    ("console/value_scale.py", 10): "the base of round numbers",
    ("console/timeline.py", 10): "a gap in pixels",
    ("console/timeline.py", 14): "a margin, in pixels",
    ("content/nearest.py", 3): "names that may have been meant, and letters of the shortest of them",
    ("content/schema_words.py", 60): "characters of a value shown",
    ("content/yaml_words.py", 60): "characters of an example",
    ("content/proof/cells.py", 3): "examples shown",
    ("content/proof/consistency.py", 14): "templates of a service",
    ("content/proof/placeholders.py", 3): "placeholders that may have been meant",
    ("content/proof/valid_fhir.py", 60): "characters of a value as shown",
    ("content/proof/readability.py", 60): "words of a card before the evidence",
    ("content/proof/readability.py", 100): "characters of an ordinary summary",
    ("fhir/check_digits.py", 3): "the permutation of Verhoeff",
    ("fhir/check_digits.py", 4): "the permutation of Verhoeff",
    ("fhir/check_digits.py", 6): "digits of the shortest SNOMED CT code",
    ("fhir/check_digits.py", 7): "the permutation of Verhoeff",
    ("fhir/check_digits.py", 10): "the base of check digits",
    ("fhir/check_digits.py", 18): "digits of the longest SNOMED CT code",
    ("content/render.py", 100): "characters of words shown",
    ("content/topics.py", 100): "characters of a topic code",
    ("content/value_words.py", 4): "values that are named one by one",
    ("content/value_words.py", 10000): "from here on digits are grouped",
    ("export/content_reference.py", 60): "characters of an example",
    ("export/review_sheet.py", 4): "digits of a digest in a group",
    ("judge/ordered.py", 60): "characters of the name of a drug",
    ("fhir/codes.py", 3): "letters of the shortest word that tells anything",
    ("fhir/dates.py", 31): "days of the longest month",
    ("fhir/medications.py", 100): "characters of the words of a drug",
    ("fhir/dose_dates.py", 7): "days of a week",
    ("fhir/dose_dates.py", 10_000): "dates that are counted",
    ("fhir/dose_dates.py", 28): "days of the shortest month",
    ("fhir/time_units.py", 3): "a month and a day of the calendar",
    ("fhir/time_units.py", 7): "days of a week",
    ("fhir/time_units.py", 28): "days of the shortest month",
    ("fhir/time_units.py", 31): "days of the longest month",
    ("fhir/time_units.py", 365): "days of a year",
    ("fhir/names.py", 3): "letters of a text that are looked at first",
    ("fhir/ucum.py", 3): "a power of ten, and the dimensions of a volume",
    ("fhir/ucum.py", 6): "a power of ten",
    ("fhir/ucum.py", 7): "days of a week",
    ("fhir/ucum.py", 10): "the base of prefixes and of powers of ten",
    ("fhir/ucum.py", 60): "seconds of a minute, minutes of an hour",
    ("fhir/ucum.py", 100): "the hundredths of a per cent, and of a day of the Julian year",
    ("fhir/ucum.py", 1000): "litres of a cubic metre",
    ("fhir/unit_spellings.py", 3): "a power of ten",
    ("fhir/unit_spellings.py", 4): "a power of ten",
    ("fhir/unit_spellings.py", 6): "a power of ten",
    ("fhir/wording.py", 3): "dates of doses shown",
    ("judge/evaluate.py", 10): "orders judged in one call",
    ("judge/relevance.py", 20): "drafts from which they are looked through in another way",
    ("population/rows.py", 18): "years at which a band of ages begins",
    ("commands/population_check.py", 20): "lines that are named",
    ("commands/population_check.py", 3): "facts that are named of a type that is missing",
    ("commands/population_check.py", 1e6): "bytes of a megabyte",
    ("commands/population_run.py", 365): "days of a year of orders",
    ("population/duck.py", 1000): "megabytes of a gigabyte",
    ("population/shared_counts.py", 4): "what a number of hidden counts leaves over when it is divided by 5",
    ("population/shared_counts.py", 100): "per cent",
    ("population/words.py", 3): "how deep a part of a part stands",
    ("population/words.py", 7): "days of a week",
    ("population/words.py", 10): "sets of orders of which a rate is told",
    ("population/workers.py", 100000): "objects before the first collection",
    ("net/fhir_client.py", 3): "failures, and seconds, until a server is left alone",
    ("net/servers.py", 4): "segments of a path",
    ("population/drift.py", 10): "cards of which somebody is told",
    ("population/drift.py", 28): "days that are watched",
    ("population/rate_ratio.py", 60): "halvings of an interval",
    ("population/words.py", 100): "a ratio from which it has no decimals",
    ("prove.py", 300): "seconds of a proof",
    ("protocol/decoding.py", 1_000_000): "bytes of a body that is read again where it is not JSON",
    ("protocol/encodings.py", 4): "bytes of a size in gzip",
    ("protocol/faults.py", 20): "issues of one answer",
    ("protocol/feedback.py", 1_000_000): "bytes of a body",
    ("protocol/uuids.py", 3): "bits of the variant of a UUID",
    ("protocol/uuids.py", 6): "bits cut off",
    ("protocol/uuids.py", 50): "bits of the tag",
    ("recording/deidentify.py", 7): "days of a week",
    ("recording/deidentify.py", 20): "characters of an id",
    ("recording/canonical.py", 3): "digits that are kept of a number",
    ("recording/canonical.py", 4): "digits that are kept of a number",
    ("recording/canonical.py", 10): "check digits of examples of codes",
    ("recording/canonical.py", 20): "characters of a number without an exponent",
    ("recording/canonical.py", 100): "examples of codes",
    ("recording/canonical.py", 10_000): "a number from which fewer digits are kept",
    ("recording/canonical.py", 1_000_000): "a number from which fewer digits are kept",
    ("recording/rules.py", 60): "minutes of an hour",
    ("recording/moves.py", 3): "days that a day is moved further",
    ("recording/moves.py", 7): "the middle month of a year, and the days of a week",
    ("recording/recorder.py", 10): "the place in the order of finalizers",
    ("recording/recorder.py", 100): "calls waiting, and between two counts",
    ("recording/recorder.py", 500): "recordings that are held",
    ("replay/sessions.py", 10): "seconds of a timeout",
    ("replay/course_record.py", 10): "characters of a date",
    ("replay/run.py", 10): "seconds of a timeout",
    ("replay/statements.py", 3): "examples shown",
    ("service/app.py", 3): "an exit status",
    ("service/body_reading.py", 10): "seconds until a body is there",
    ("service/bounded_warnings.py", 10): "seconds",
    ("service/bounded_warnings.py", 20): "warnings",
    ("service/calls.py", 6): "decimal places of seconds",
    ("service/drift_watch.py", 300): "seconds until counts are looked at again",
    ("service/errors.py", 10): "seconds until a call is sent again",
    ("service/errors.py", 500): "a status of HTTP",
    ("service/front.py", 4): "threads that answer calls",
    ("service/lanes.py", 10): "seconds to wait for a thread",
    ("service/line_writer.py", 10_000): "lines that wait",
    ("service/served_content.py", 10): "seconds until content is tried again",
    ("service/traces.py", 10): "the place in the order of finalizers",
    ("settings.py", 60): "seconds that clocks may differ by",
    ("service/app.py", 100_000): "objects before memory is looked through",
    ("settings.py", 10_000): "recordings that are kept",
    ("store/figures.py", 100): "calls that cards are reckoned for",
    ("store/figures.py", 4): "decimal places of a rate",
    ("store/intervals.py", 4): "a term of the Wilson interval",
    ("store/store.py", 3): "seconds to wait for the database",
    ("store/store.py", 10): "the place in the order of finalizers",
    ("store/own_thread.py", 100): "jobs done at once",
    ("trust/keysets.py", 4): "seconds between two readings of a key set",
    ("trust/keysets.py", 100): "keys of a client",
    ("trust/keysets.py", 300): "seconds until a key set is read again",
    ("trust/verifier.py", 60): "seconds that clocks may differ by",
    ("vocabulary/declarations.py", 3): "parts and digits of a National Drug Code",
    ("vocabulary/declarations.py", 4): "digits of a part of a National Drug Code",
    ("vocabulary/declarations.py", 10): "digits of a National Drug Code",
}


@cache
def literals(tree):
    """The constants of a module; docstrings are left out, for they cite statements and settlements."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]


@cache
def numbers(tree):
    """The numbers of a module with their lines; places in a sequence (``text[:10]``) are none to compare with."""
    indexes = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    bounds = [bound for index in indexes if isinstance(index, ast.Slice) for bound in (index.lower, index.upper)]
    places = {id(part.operand if isinstance(part, ast.UnaryOp) else part) for part in (*indexes, *bounds)}
    return [
        (node.value, node.lineno)
        for node in literals(tree)
        if type(node.value) in (int, float) and id(node) not in places
    ]


def thresholds(pack):
    """Every number that a rule of the content compares with."""
    return {
        float(number)
        for decision in pack.decisions.values()
        for column in decision.columns
        for cell in column
        for number in cell.numbers()
    }


def test_no_code_of_a_value_set_and_no_clinical_word_stands_in_python(pack):
    codes = {c.code for vs in pack.value_sets.values() if vs.kind != "interpretation" for c in vs.codes.values()}
    codes = {code for code in codes if len(code) > 3}
    assert len(codes) > 100
    faults = {}
    for path, tree in modules().items():
        texts = [
            (str(node.value), node.lineno)
            for node in literals(tree)
            if isinstance(node.value, str | int | float) and not isinstance(node.value, bool)
        ]
        faults[path] = [
            f"line {line}: {text!r}"
            for text, line in texts
            if text in codes or (CLINICAL_WORDS.search(text) and (path, text) not in NOT_CLINICAL)
        ]
    assert len(faults) > 25
    assert_none(faults, len(faults))


def names_of(pack):
    """What the shipped pack calls its things: value sets, drugs, decisions, orders, services, analytes, statements."""
    written = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((packaged("cards") / pack.id / "value-sets").glob("*.yaml"))
    ]
    agents = {row["agent"] for one in written for row in one["concepts"] if "agent" in row}
    spoken = {str(name) for one in written for name in one.get("names", ())}
    titles = {value_set.title for value_set in pack.value_sets.values()}
    analytes = {fact.analyte.name for fact in pack.facts.values() if fact.analyte is not None}
    ids = {*pack.value_sets, *pack.decisions, *pack.templates, *pack.services, *pack.statements, pack.id, pack.title}
    return ids | agents | spoken | titles | analytes


def test_nothing_of_the_shipped_pack_is_named_in_the_package(pack):
    """The names are read from its files, so that a new one is looked for too; in pages and scripts as well."""
    names = names_of(pack) - ORDINARY_WORDS.keys()
    assert len(names) > 300
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    named = re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])", re.I)
    texts = {
        path: [(node.value, node.lineno) for node in literals(tree) if isinstance(node.value, str)]
        for path, tree in modules().items()
    }
    for path in sorted(path for kind in ("html", "js", "css", "json") for path in PACKAGE.rglob(f"*.{kind}")):
        if ".min." not in path.name and "_data" not in path.parts:
            lines = path.read_text(encoding="utf-8").split("\n")
            texts[path.relative_to(PACKAGE).as_posix()] = [(line, number) for number, line in enumerate(lines, 1)]
    faults = {
        path: [f"line {line}: {found[0]!r} in {text[:60]!r}" for text, line in said if (found := named.search(text))]
        for path, said in texts.items()
    }
    assert len(faults) > 250
    assert_none(faults, len(faults))


def test_what_is_called_an_ordinary_word_is_a_name_of_the_pack(pack):
    assert ORDINARY_WORDS.keys() - names_of(pack) == set()


def test_no_threshold_of_a_rule_stands_in_python(pack):
    """Every number that a rule compares with is content; where it means something else, that is written above."""
    clinical = thresholds(pack) - ORDINARY
    faults = {
        path: [
            f'line {line}: ("{path}", {number:g}): "what it means here",'
            for number, line in numbers(tree)
            if number in clinical and (path, number) not in ELSEWHERE
        ]
        for path, tree in modules().items()
    }
    assert_none(faults, len(faults))


def test_what_is_let_pass_is_there_and_is_a_threshold(pack):
    """An entry that lets nothing pass any more is taken out: it would let the next number pass unseen."""
    there = {(path, number) for path, tree in modules().items() for number, _ in numbers(tree)}
    clinical = thresholds(pack) - ORDINARY
    assert [entry for entry in ELSEWHERE if entry not in there or entry[1] not in clinical] == []


def test_texts_hold_no_numbers_and_content_is_where_it_is_packaged(pack):
    """Z29; check proves it file by file, this holds that check looks at every text."""
    assert (packaged("cards") / pack.id / "lock.json").exists()
    names = sorted([*pack.names.values(), *pack.statements], key=len, reverse=True)
    faults = {}
    for decision in pack.decisions.values():
        for key, text in decision.texts.items():
            bare = re.sub(r"\{[^}]*\}", "", text.summary + text.detail)
            for name in names:
                bare = bare.replace(name, "")
            faults[f"{decision.id}.{key}"] = [bare] if re.search(r"\d", bare) else []
    assert_none(faults, len(faults))
