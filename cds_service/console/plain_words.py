"""Words of the console alone: days, the names of rules, and what was read of a patient with the words of the record.

Days have no year where it is this one. Values, units and cells of tables are in ``content.value_words``.
"""

from __future__ import annotations

from datetime import date

from cds_service.content.model import Pack
from cds_service.content.render import fill, plain
from cds_service.content.value_words import id_in_words, is_on_record
from cds_service.judge.fact_words import FactWords
from cds_service.vocabulary.facts import Fact, Interval


def day_in_words(pack: Pack, day: date, today: date) -> str:
    """A day as cards write it: ``26 Nov``, with its year where that is not the year of ``today``."""
    return _day_in(pack, "day", day) if day.year == today.year else whole_day_in_words(pack, day)


def whole_day_in_words(pack: Pack, day: date) -> str:
    """A day with its year, whatever day is today: ``26 Nov 2025``."""
    return _day_in(pack, "day-and-year", day)


def _day_in(pack: Pack, how: str, day: date) -> str:
    return fill(pack.words[how], {"day": str(day.day), "month": pack.months[day.month - 1], "year": str(day.year)})


def sent_day_in_words(pack: Pack, sent: str, today: date) -> str:
    """An ISO date as ``day_in_words`` has it; one that leaves out the day, and what is no date, as it was sent."""
    try:
        return day_in_words(pack, date.fromisoformat(sent), today)
    except ValueError:
        return sent


def name_in_words(name: str) -> str:
    """The name of a rule for people: ``CountNeeded`` as ``Count needed``."""
    said = id_in_words(name).lower()
    return said[:1].upper() + said[1:]


def fact_in_words(pack: Pack, name: str, fact: Fact) -> str:
    """What a fact or a decision is: a rounded number with its unit, the entry that was found, a word, or a state."""
    said = FactWords(pack).value(name, fact)
    if fact.value is None or isinstance(fact.value, Interval):
        return said
    found = plain(next((item.display for item in fact.evidence if item.display), ""))
    is_more = found and is_on_record(pack, name) and found.casefold() != said.casefold()
    return f"{said}: {found}" if is_more else said
