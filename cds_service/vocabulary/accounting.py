"""What became of everything that was sent: read, about something else, or set aside with a reason (Z41)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cds_service.vocabulary.facts import Reason


class Kind(StrEnum):
    """Which part of an entry or of an order was not understood (Z54)."""

    DRUG = "drug"
    ORDER = "order"  # what an order of a test or of nutrition orders
    UNIT = "unit"
    ROUTE = "route"
    CODE = "code"
    STATUS = "status"
    REFERENCE = "reference"
    DOSE = "dose"
    SCHEDULE = "schedule"
    SELECTION = "selection"
    VALUE = "value"
    DATE = "date"
    SUBJECT = "subject"
    SHAPE = "shape"


class Aside(msgspec.Struct, frozen=True):
    """One entry of a search, or one part of an order, that was sent and set aside.

    ``reason`` says why, ``reference`` names it as ``Type/id`` or by its path in the request. ``system``, ``code`` and
    ``words`` are what it says of itself, ``""`` where it says nothing.
    """

    kind: Kind
    reason: Reason
    reference: str
    system: str = ""
    code: str = ""
    words: str = ""


class Account(msgspec.Struct, frozen=True):
    """What became of the entries of one search. ``entries`` is ``read`` + ``elsewhere`` + ``len(set_aside)``.

    ``read`` were used or could have been, ``elsewhere`` are about something else. ``in_part`` is what of the entries
    that were read was not understood, such as a date, or a code beside a name that is known.
    """

    entries: int = 0
    read: int = 0
    elsewhere: int = 0
    set_aside: tuple[Aside, ...] = ()
    in_part: tuple[Aside, ...] = ()


class Understood(msgspec.Struct, frozen=True):
    """One code, unit, route or schedule that was sent and understood, as it was sent."""

    kind: Kind
    system: str
    code: str
    words: str = ""
