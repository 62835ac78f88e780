"""How order systems say how often, in codes and in words. Data, and the grammar that joins the words (Z57).

Whatever is said here means one *form*: ``every 3 d``, ``every 2-3 mo`` or ``3 per wk``, with FHIR's units of time (s,
min, h, d, wk, mo, a). ``schedule`` reads forms; a hospital adds codes and words of its own, each with a form, in
``site.toml``.

The rows stand in Python and not in a content file for the reason that those of ``unit_spellings`` do: they are the same
for every pack. A code stands here only if two public sources show it with its meaning. The sources:

- v3: HL7 v3 GTSAbbreviation, https://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation, and the value set
  timing-abbreviation of FHIR R4 and R5 that is made of it, https://hl7.org/fhir/R4/valueset-timing-abbreviation.html
- v2: HL7 table 0335, https://terminology.hl7.org/CodeSystem/v2-0335, and its copies in public libraries of HL7 v2, such
  as https://www.hl7.org/fhir/v2/0335/ of FHIR R4
- SNOMED CT, a: the quality measures of CMS, library CumulativeMedicationDuration 3.3.000,
  https://github.com/cqframework/ecqm-content-qicore-2024/blob/61d7e9caaf0305d32c1ac6964da4523dbbf507da/input/cql/CumulativeMedicationDuration.cql
- SNOMED CT, b: their export to QRDA,
  https://github.com/projecttacoma/cqm-reports/blob/09ed6c6e90acabc574b9ac3e8a66428d6b8b251f/lib/qrda-export/helper/frequency_helper.rb
- SNOMED CT, c: the prescribing part of a terminology server for hospitals in Wales,
  https://github.com/wardle/rsterminology/blob/5c3790adecebf330f04a3e20483c2dce12090903/rsterminology-core/src/main/java/com/eldrix/terminology/medicine/Medication.java
- SNOMED CT, d: New Zealand's value set of frequencies of chemotherapy,
  https://github.com/HL7NZ/cca/blob/d9e5ee397114e5388815ef0717d904bc0d562b59/input/fsh/terminology/doseTiming.fsh
- SNOMED CT, e: Austria's value set AT PreNUDGE Alcohol Use Frequency 0.1.0,
  https://fhir.hl7.at/prenudge/appdata/r4/ValueSet/prenudge-alcoholuse-frequency
- SNOMED CT, f: Cerner's examples of MedicationRequest in R4, where the codes stand beside those of v3 for the same,
  https://github.com/cerner/fhir.cerner.com/blob/0f567d4e1a55cd7c717219d368cbc0efc992aa9d/lib/resources/example_json/r4_examples_medication_request.rb
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_V3 = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
_V2 = "http://terminology.hl7.org/CodeSystem/v2-0335"
_SNOMED = "http://snomed.info/sct"

# Longer texts are no word for a frequency and are not looked at.
_LONGEST = 40

# FHIR's units of time, and the words that stand for them in Quantity.unit and in texts. "m" is left out: it is minutes
# to some and months to others.
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("wk", "wks", "w", "week", "weeks"), "wk"),
    **dict.fromkeys(("mo", "mos", "month", "months"), "mo"),
    **dict.fromkeys(("a", "yr", "yrs", "year", "years"), "a"),
}

# Timing.repeat.dayOfWeek: Monday is 0, as in Python's calendar. Source: https://hl7.org/fhir/R4/valueset-days-of-week.html.
DAYS_OF_WEEK: Mapping[str, int] = {
    day: index for index, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}

# Timing.repeat.when. Sources: https://hl7.org/fhir/R4/valueset-event-timing.html and source a.
WHEN = frozenset(
    (
        *("MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late"),
        *("NIGHT", "PHS", "HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV"),
    )
)

_CODES: Mapping[tuple[str, str], str] = {
    # v3. AM, PM and BED are once a day at that time.
    **{(_V3, code): "1 per d" for code in ("QD", "AM", "PM", "BED")},
    (_V3, "BID"): "2 per d",
    (_V3, "TID"): "3 per d",
    (_V3, "QID"): "4 per d",
    (_V3, "QOD"): "every 2 d",
    (_V3, "WK"): "every 1 wk",
    (_V3, "MO"): "every 1 mo",
    (_V3, "Q1H"): "every 1 h",
    (_V3, "Q2H"): "every 2 h",
    (_V3, "Q3H"): "every 3 h",
    (_V3, "Q4H"): "every 4 h",
    (_V3, "Q6H"): "every 6 h",
    (_V3, "Q8H"): "every 8 h",
    # v2; its patterns with a number are read by _V2_PATTERNS.
    **{(_V2, code): "1 per d" for code in ("QAM", "QPM", "QHS")},
    (_V2, "BID"): "2 per d",
    (_V2, "TID"): "3 per d",
    (_V2, "QID"): "4 per d",
    (_V2, "QOD"): "every 2 d",
    # SNOMED CT, with the name there and the sources.
    (_SNOMED, "229797004"): "1 per d",  # Once daily: a, b, d
    (_SNOMED, "229799001"): "2 per d",  # Twice a day: a, b, d
    (_SNOMED, "229798009"): "3 per d",  # Three times daily: a, b, d
    (_SNOMED, "307439001"): "4 per d",  # Four times daily: a, b, d
    (_SNOMED, "307440004"): "5 per d",  # Five times daily: c, d
    (_SNOMED, "307441000"): "6 per d",  # Six times daily: c, d
    (_SNOMED, "396107007"): "1-2 per d",  # One to two times a day: a, b
    (_SNOMED, "396108002"): "1-3 per d",  # One to three times a day: a, b
    (_SNOMED, "396109005"): "1-4 per d",  # One to four times a day: a, b
    (_SNOMED, "396111001"): "2-4 per d",  # Two to four times a day: a, b
    (_SNOMED, "225756002"): "every 4 h",  # Every four hours: a, b, d, f
    (_SNOMED, "307468000"): "every 6 h",  # Every six hours: a, b
    (_SNOMED, "307469008"): "every 8 h",  # Every eight hours: a, b
    (_SNOMED, "396140003"): "every 8-12 h",  # Every eight to twelve hours: a, b
    (_SNOMED, "307470009"): "every 12 h",  # Every twelve hours: a, b
    (_SNOMED, "396125000"): "every 24 h",  # Every twenty four hours: a, b
    (_SNOMED, "396126004"): "every 36 h",  # Every thirty six hours: a, b
    (_SNOMED, "396131002"): "every 48 h",  # Every forty eight hours: a, b
    (_SNOMED, "396143001"): "every 72 h",  # Every seventy two hours: a, b
    (_SNOMED, "225769003"): "every 1 wk",  # Once a week: c, f
    (_SNOMED, "307450003"): "every 1 mo",  # Once monthly: c, e
    (_SNOMED, "445547001"): "every 2 mo",  # Every two months: c, e
}
# Table 0335 of v2: Q4H, Q28D, Q12W, and 5ID for five times a day. Q<n>L, "every <n> months (lunar cycle)", is left out,
# because it is two lengths in one.
_V2_PATTERNS = re.compile(r"Q(?P<period>\d{1,3})(?P<unit>[SMHDW])|(?P<times>[5-9])ID")
_V2_UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk"}

# Whole texts that no pattern below makes, in lower case.
_TEXTS: Mapping[str, str] = {
    **dict.fromkeys(("qd", "q.d", "nightly", "every morning", "every evening", "every night", "at bedtime"), "1 per d"),
    **dict.fromkeys(("qam", "qpm", "qhs"), "1 per d"),  # HL7 table 0335
    **dict.fromkeys(("in the morning", "in the evening", "at night"), "1 per d"),
    **dict.fromkeys(("bid", "b.i.d", "bd"), "2 per d"),  # HL7; bd in British prescriptions (source c)
    **dict.fromkeys(("tid", "t.i.d", "tds"), "3 per d"),  # HL7; tds likewise
    **dict.fromkeys(("qid", "q.i.d", "qds"), "4 per d"),  # HL7; qds likewise
    **dict.fromkeys(("qod", "q.o.d", "eod"), "every 2 d"),  # HL7; every other day
    **dict.fromkeys(("alternate days", "on alternate days", "every alternate day", "alternate day"), "every 2 d"),
    **dict.fromkeys(("fortnightly", "every fortnight", "once a fortnight", "once every fortnight"), "every 2 wk"),
    "quarterly": "every 3 mo",
    "annually": "every 1 a",
    # "biweekly", "bimonthly" and "od" are left out: each means two things.
}
_NUMBERS: Mapping[str, int] = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905  (a row of words)
        start=1,
    )
}
_TIMES: Mapping[str, str] = {"once": "1", "twice": "2", "thrice": "3"}
_ORDINALS: Mapping[str, str] = {
    "other": "2",
    "second": "2",
    "2nd": "2",
    "third": "3",
    "3rd": "3",
    "fourth": "4",
    "4th": "4",
}
_ADVERBS: Mapping[str, str] = {"daily": "d", "weekly": "wk", "monthly": "mo", "yearly": "a"}

_NUMBER = rf"(?:\d{{1,3}}|{'|'.join(_NUMBERS)})"
_SPAN = rf"{_NUMBER}(?: ?(?:-|–|to) ?{_NUMBER})?"
_UNIT = "|".join(sorted(UNITS.keys() - {"a"}, key=len, reverse=True))  # "a" is an article in a text
_ADVERB = "|".join(_ADVERBS)
_OFTEN = rf"(?P<times>{'|'.join(_TIMES)}|{_SPAN}(?: ?x| times?))"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        # every 30 days; each week; q4w; q 28 days; once every 3 months; 1x every 8 weeks
        rf"(?:(?:once|one time|1 ?x|1 time) )?(?:every|each|q)(?: ?(?P<period>{_SPAN}))? ?(?P<unit>{_UNIT})",
        # every other day; every third week
        rf"(?:once )?every (?P<ordinal>{'|'.join(_ORDINALS)}) (?P<unit>{_UNIT})",
        # 3 times a week; twice per month; 3x/week; three times in 2 weeks; 2-3 times each week
        rf"{_OFTEN} ?(?:(?:a|an|per|each|every|in a|/) ?(?P<unit>{_UNIT})|(?:in|per|every) (?P<period>{_SPAN}) "
        rf"(?P<units>{_UNIT}))",
        # once daily; three times weekly; 3x weekly
        rf"(?:{_OFTEN} )?(?P<adverb>{_ADVERB})",
        # 3-monthly, 12-weekly: British for every so many
        rf"(?P<period>{_NUMBER})-(?P<every>{_ADVERB})",
    )
)


def form_of_code(system: str, code: str) -> str:
    """The form that a code of a system means; ``""`` if it is not known."""
    form = _CODES.get((system, code), "")
    if not form and system == _V2 and (match := _V2_PATTERNS.fullmatch(code)):
        if match["times"]:
            return f"{match['times']} per d"
        return f"every {match['period']} {_V2_UNITS[match['unit']]}"
    return form


def folded_schedule(text: str) -> str:
    """A text as two are compared: in lower case, with single blanks, without a full stop at its end."""
    return " ".join(text.casefold().split()).removesuffix(".") if len(text) <= _LONGEST else ""


def form_of_text(text: str) -> str:
    """The form that a text means if the whole of it says how often and nothing else; ``""`` otherwise."""
    whole = folded_schedule(text)
    return _TEXTS.get(whole) or (_form_by_pattern(whole) if whole else "")


@lru_cache(maxsize=1024)
def _form_by_pattern(whole: str) -> str:
    for pattern in _PATTERNS:
        match = pattern.fullmatch(whole)
        if match is not None:
            return _form(match.groupdict())
    return ""


def _form(parts: Mapping[str, str | None]) -> str:
    """The form that the named parts of a pattern make."""
    times, ordinal, every = parts.get("times"), parts.get("ordinal"), parts.get("every")
    adverb = parts.get("adverb") or every
    word = parts.get("unit") or parts.get("units")
    unit = _ADVERBS[adverb] if adverb else UNITS[word or ""]
    period = _ORDINALS[ordinal] if ordinal else _digits(parts.get("period") or "1")
    if times is None:
        return f"every {period} {unit}"
    number = _TIMES.get(times) or _digits(re.sub(r" ?(?:x|times?)$", "", times))
    return f"{number} per {unit}" if period == "1" else f"{number} per {period} {unit}"


def _digits(span: str) -> str:
    """``two to three`` and ``2 - 3`` as ``2-3``."""
    ends = re.split(r" ?(?:-|–|to) ?", span)
    return "-".join(str(_NUMBERS.get(end, end)) for end in ends)
