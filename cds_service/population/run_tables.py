"""The tables of a population run: what goes into the judging of patients, what comes out, and what a run keeps."""

from __future__ import annotations

import pyarrow as pa

LINES = pa.schema([("patient", pa.string()), ("line", pa.string())])
"""What is judged: resources of the export as JSON, those of one patient one after another.

A Medication or an Encounter to which resources of the patient refer stands among these, once for each such patient.
"""

ASKED = pa.struct(
    [
        ("name", pa.string()),  # of a fact, or of a definition
        ("value", pa.string()),  # in the content's words
        ("behind", pa.list_(pa.string())),  # the facts that a definition rests on, but for those that are absent
    ]
)

SOURCE = pa.struct(
    [
        ("type", pa.string()),  # of resources
        ("times", pa.int32()),  # how many of them
        ("latest", pa.int32()),  # how many days before the event the latest was; null if none has a date
        ("earliest", pa.int32()),  # and the earliest
    ]
)

FACT = pa.struct(
    [
        ("name", pa.string()),
        ("state", pa.string()),  # value, absent, unknown, unusable or undecidable
        ("value", pa.string()),  # in the content's words, which tell of an age the band only
        ("because", pa.string()),  # why it has no value, without what was sent
        ("sources", pa.list_(SOURCE)),  # what it was read from, a type after another
        ("set_aside", SOURCE),  # what could be newer than its value and was not used, which ``because`` is about
    ]
)

CARD = pa.struct(
    [
        ("decision", pa.string()),
        ("rule", pa.string()),
        ("topic", pa.string()),  # decision and rule as source.topic codes them
        ("version", pa.string()),  # of the decision
        ("status", pa.string()),  # active, shadow or withdrawn
        ("indicator", pa.string()),
        ("shown", pa.bool_()),  # a card says it; else it is told on another, or to nobody
        ("nth", pa.int32()),  # this rule spoke so often of this patient on this hook, in time order, from 1
        ("days_since", pa.int32()),  # days since it did last; null the first time
        ("suggestions", pa.int16()),
        ("unknown", pa.list_(pa.string())),  # facts that it rests on and that could not be looked for
        ("unusable", pa.list_(pa.string())),  # and those that were there and could not be trusted
        ("asked", pa.list_(ASKED)),  # what the rule's own cells ask for, in their order
        ("facts", pa.list_(FACT)),  # all that it rests on, definitions followed down to facts
    ]
)

PROBLEM = pa.struct(
    [
        ("problem", pa.string()),  # a key of population.problems
        ("resource", pa.string()),  # the type of the resources
        ("times", pa.int64()),
    ]
)

EVENT = [
    ("content", pa.string()),  # under which name the content was judged: "content", or "old" and "new"
    ("hook", pa.string()),
    ("event", pa.string()),  # a keyed hash of hook, patient and what was signed; equal for every content
    ("patient", pa.string()),  # a keyed hash, the id, or nothing, as the run was asked
    ("moment", pa.timestamp("us", "UTC")),
    ("unit", pa.string()),  # where the encounter of the order was; null if the export does not say
    ("prescriber", pa.string()),  # a keyed hash of the requester; null if the order names none
    ("drug", pa.string()),  # what the content takes the order for, by the display of its value set
    ("agent", pa.string()),
    ("route", pa.string()),  # as the value set of the content calls it; null if it is not known
    ("orders", pa.int16()),  # how many orders of the session were judged
    ("outcome", pa.string()),  # cards, silent, not-judged or defect
    ("missing", pa.list_(pa.string())),  # prefetch keys for want of which it could not be judged
    ("status_dependent", pa.bool_()),  # its cards differ if ended orders were still active at the moment
    ("not_understood", pa.int32()),  # things that were sent and not understood, and may concern the patient
    ("age_band", pa.string()),  # 0-17, 18-39, 40-64, 65-79 or 80+; null if the age is not known
    ("sex", pa.string()),
]

JUDGED = pa.schema([*EVENT, ("cards", pa.list_(CARD)), ("problems", pa.list_(PROBLEM))])
"""What judging gives, one row an event. A row without a hook is no event: it tells the problems of one record."""

EVENTS = pa.schema(EVENT)
CARDS = pa.schema([("content", pa.string()), ("event", pa.string()), *((field.name, field.type) for field in CARD)])
PROBLEMS = pa.schema(
    [
        ("problem", pa.string()),
        ("resource", pa.string()),
        ("times", pa.int64()),
        ("file", pa.string()),  # where it stands, of a line that cannot be read
        ("line", pa.int64()),
    ]
)
