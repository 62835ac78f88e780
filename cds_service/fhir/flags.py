"""Codes and words by which laboratories flag a result otherwise than as low.

The codes are those of HL7's ObservationInterpretation and of table 0078 of HL7 v2, in lower case; the words are their
displays and what laboratories shorten them to. Low has a value set of the content, because a rule rests on it.
Source: https://terminology.hl7.org/CodeSystem-v3-ObservationInterpretation.html,
https://terminology.hl7.org/CodeSystem-v2-0078.html.
"""

from __future__ import annotations

_CODES = """
    a aa ac b car carrier d det e ex exp hh h hm hu hx i ie ind ms n nd neg ncl nr ns obx ord pos qcf r rr s sdd syn-r
    syn-s tox u unc unk vs w wr >
""".split()  # noqa: SIM905  (a list of words is read more easily than one of strings)

_WORDS = (
    "normal",
    "within normal limits",
    "not abnormal",
    "abnormal",
    "critical abnormal",
    "critically abnormal",
    "high",
    "above normal",
    "critical high",
    "critically high",
    "significantly high",
    "off scale high",
    "better",
    "worse",
    "significant change up",
    "significant change down",
    "negative",
    "positive",
    "detected",
    "not detected",
    "reactive",
    "non-reactive",
    "indeterminate",
    "equivocal",
)

OTHER_FLAGS = frozenset((*_CODES, *_WORDS))
