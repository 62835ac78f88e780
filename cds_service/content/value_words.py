"""Values, numbers, units and cells of tables in words for people: no ids, no UCUM, digits in groups (Z76)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cds_service.content.domains import JOINED, SILENT, SPEAKS
from cds_service.content.model import PLACEHOLDER, Pack
from cds_service.content.render import fill
from cds_service.content.unary import Cell
from cds_service.vocabulary.facts import PRESENT, Exact, Interval, State

# Keys of the pack's words for tables: of states; of facts of an order, which is no record; and of what a card does.
_STATES = (State.ABSENT, State.UNKNOWN, State.UNUSABLE, State.UNDECIDABLE)
_OF_ORDERS: Mapping[str, str] = {State.ABSENT: "none", PRESENT: "some"}
_OF_CARDS: Mapping[str, str] = {SPEAKS: "speaks", SILENT: "silent"}
_ORDERS = ("order", "dosage", "drafts")  # kinds of facts
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FEW = 4  # values that are named one by one
_LONG = 10_000  # from here on digits are grouped


def label_of(pack: Pack, name: str) -> str:
    """A fact by its label, a decision by its title."""
    return pack.decisions[name].title if name in pack.decisions else pack.facts[name].label


def id_in_words(text: str) -> str:
    """An id taken apart: ``CountNeeded`` as ``count needed``, ``folic-acid`` as ``folic acid``."""
    apart = _HUMP.sub(" ", text)
    return (apart.lower() if apart != text else text).replace("-", " ")


def is_on_record(pack: Pack, name: str) -> bool:
    """Whether the fact ``name`` is read from the record: not from an order, and not decided."""
    return name in pack.facts and pack.facts[name].kind not in _ORDERS


# --- values -----------------------------------------------------------------------------------------------------------


def value_in_words(pack: Pack, name: str, value: str) -> str:
    """A value of the fact or decision ``name``: in the pack's own words where it has some, else its id taken apart.

    The answers to several steps of a dosage have no comma between them, for they stand in lists.
    """
    decision = pack.decisions.get(name)
    if decision is not None and decision.kind == "card":
        return pack.table_words[_OF_CARDS[value]] if value in _OF_CARDS else value
    return pack.table_words["then"].join(_word(pack, name, part) for part in value.split(JOINED))


def _word(pack: Pack, name: str, value: str) -> str:
    decision, fact = pack.decisions.get(name), pack.facts.get(name)
    if decision is not None:
        phrase = decision.phrases.get(value, "")
        if phrase and not phrase.endswith(".") and not PLACEHOLDER.search(phrase):
            return phrase
    if fact is not None:
        if value == PRESENT:
            return pack.table_words[value if is_on_record(pack, name) else _OF_ORDERS[value]]
        if (fact.kind, fact.element) == ("order", "route") and value in pack.routes:
            return pack.routes[value]
    if value in _STATES:  # decisions answer so too
        return state_in_words(pack, name, State(value))
    return id_in_words(value) if value.replace("-", "").isalnum() and not value.isupper() else value


def state_in_words(pack: Pack, name: str, state: State) -> str:
    """That the fact or decision ``name`` has no value, and of which kind this is."""
    is_of_order = state is State.ABSENT and not is_on_record(pack, name)
    return pack.table_words[_OF_ORDERS[state] if is_of_order else state]


# --- numbers and units ------------------------------------------------------------------------------------------------


def number_in_words(value: Exact) -> str:
    """A number, its digits in groups where there are many of them: ``0.5``, ``1000``, ``1,000,000``."""
    grouped = "," if not -_LONG < value < _LONG else ""
    if value.denominator == 1:
        return f"{value.numerator:{grouped}d}"
    return f"{float(value):{grouped}.10f}".rstrip("0").rstrip(".")


def unit_in_words(pack: Pack, name: str) -> str:
    """The unit of a fact: ``days``, ``mcg a day``, ``×10⁹/L``; ``""`` if its values are words, and of a decision."""
    fact = pack.facts.get(name)
    if fact is None or fact.values:
        return ""
    amount, _, per = fact.unit_written.partition("/")
    times = pack.dosage_words.units
    if per in times:
        return f"{_amount_in_words(pack, amount)} {times[per].per}"
    if per:
        return fact.unit_written
    return times[amount].many if amount in times else _amount_in_words(pack, amount)


def _amount_in_words(pack: Pack, unit: str) -> str:
    """A unit as the analytes of the pack have it written; a fact of an order has no analyte of its own."""
    analytes = (fact.analyte for fact in pack.facts.values() if fact.analyte is not None)
    return next((analyte.written[unit] for analyte in analytes if unit in analyte.written), unit)


def interval_in_words(
    pack: Pack, interval: Interval, unit: str, write: Callable[[Exact], str] = number_in_words
) -> str:
    """A range of numbers with its unit: ``below 25 ×10⁹/L``, ``1 day``, ``above 1 to below 2 days``.

    ``write`` writes its ends.
    """
    low, high = (None if end is None else write(end) for end in (interval.low, interval.high))
    say = pack.table_words
    if low is None and high is None:
        return say["any-number"]
    if low is None:
        said = fill(say["below" if interval.high_open else "at-most"], {"number": str(high)})
    elif high is None:
        said = fill(say["above" if interval.low_open else "at-least"], {"number": low})
    elif low == high:
        said = low
    else:
        ends = {
            "low": fill(say["above"], {"number": low}) if interval.low_open else low,
            "high": fill(say["below"], {"number": high}) if interval.high_open else high,
        }
        said = fill(say["range"], ends)
    if (high or low) == "1":
        unit = next((time.one for time in pack.dosage_words.units.values() if time.many == unit), unit)
    return f"{said} {unit}".strip()


# --- cells ------------------------------------------------------------------------------------------------------------


def cell_in_words(pack: Pack, name: str, cell: Cell) -> str:
    """What a cell asks of the input ``name``: ``below 25 ×10⁹/L``, ``by mouth or by nose``, ``none on record``."""
    unit = unit_in_words(pack, name)
    parts = [interval_in_words(pack, interval, unit) for interval in cell.intervals]
    parts += [value_in_words(pack, name, text) for text in _as_written(cell, cell.strings)]
    if cell.excluded:
        parts += _but(pack, name, cell)
    parts += [state_in_words(pack, name, state) for state in State if state in cell.states]
    return _or(pack, parts)


def _but(pack: Pack, name: str, cell: Cell) -> list[str]:
    """What a cell leaves after what it rules out: the other values where an input has one of a few, else in so many
    words (answers to several steps of a dosage follow each other in too many ways).
    """
    decision, fact = pack.decisions.get(name), pack.facts.get(name)
    known = fact.values if fact is not None else decision.values if decision is not None else ()
    left = [value for value in known if value not in cell.excluded]
    if left and len(left) <= _FEW and (decision is None or decision.each != "dosage"):
        return [value_in_words(pack, name, value) for value in left]
    ruled_out = [value_in_words(pack, name, value) for value in _as_written(cell, cell.excluded)]
    return [fill(pack.table_words["other-than"], {"values": _or(pack, ruled_out)})]


def _as_written(cell: Cell, texts: frozenset[str]) -> list[str]:
    """The strings of a cell in the order in which they are written."""
    return sorted(texts, key=lambda text: cell.source.find(f'"{text}"'))


def _or(pack: Pack, parts: Sequence[str]) -> str:
    return pack.table_words["or"].join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
