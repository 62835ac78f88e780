"""Words by which laboratories flag a result otherwise than as low, where they use no code of HL7.

They are the displays of HL7's ObservationInterpretation (https://terminology.hl7.org/CodeSystem-v3-ObservationInterpretation.html)
and what laboratories shorten them to. Low has a value set of the content, because a rule rests on it.
"""

from __future__ import annotations

OTHER_FLAGS = frozenset(
    (
        "normal",
        "high",
        "critical high",
        "critically high",
        "significantly high",
        "off scale high",
        "abnormal",
        "critical abnormal",
        "critically abnormal",
        "within normal limits",
        "not abnormal",
        "above normal",
        "negative",
        "positive",
        "detected",
        "not detected",
        "indeterminate",
        "equivocal",
        "n",
        "h",
        "hh",
        "hu",
        "a",
        "aa",
        ">",
    )
)
