"""What the tables say of the numbers of a laboratory result: its bands between the limits, each in words.

Nothing here knows a result by name: limits, severities and sentences are those of the content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from cds_service.chart.kidney import creatinine_at
from cds_service.content.model import INDICATORS, Decision, Pack, Rule
from cds_service.content.needs import reads
from cds_service.content.render import fill
from cds_service.content.unary import Cell
from cds_service.content.whose import is_of_hospital
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Exact, Fact, Interval

Formula = Callable[[float], float | None]


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the numbers of a fact, in its canonical unit, from ``low`` to ``high``; ``None`` stands for no end.

    ``indicator`` is that of the card which a number in it leads to, ``""`` if it leads to none. ``words`` say what the
    tables make of it, ``""`` if they do not say. ``behind`` is the same band of the fact that the tables compare, where
    this one was reckoned back from it: ``eGFR below 60 mL/min/1.73 m² at this age and sex``.
    """

    low: float | None
    high: float | None
    indicator: str
    words: str
    behind: str = ""


def bands_of(
    pack: Pack, decisions: Iterable[str], name: str, known: Mapping[str, Fact] | None = None
) -> tuple[Band, ...]:
    """The bands of the results of a fact, lowest first; empty if no table compares their numbers.

    ``decisions`` are those of a service. A table may compare a fact that is derived from this one: the newer of two
    results has the same numbers, and those of a formula are reckoned back for the person whose facts are ``known``.
    """
    own = list(decisions)
    spoken = frozenset((*own, *reads(pack, own)))
    for fact, formulas in _compared(pack, name, known):
        bands = _between_limits(pack, spoken, fact)
        if bands and formulas:
            bands = _reckoned_back(bands, formulas, pack.facts[fact])
        if bands:
            return bands
    return ()


def ends_of(bands: Sequence[Band]) -> list[float]:
    """The limits between bands, in ascending order."""
    return [band.high for band in bands if band.high is not None]


def in_unit(band: Band, factor: float) -> Band:
    """A band in the unit of which ``factor`` canonical ones make one."""
    low, high = (None if end is None else end / factor for end in (band.low, band.high))
    return replace(band, low=low, high=high)


def _compared(
    pack: Pack, name: str, known: Mapping[str, Fact] | None, formulas: tuple[Formula, ...] = ()
) -> Iterator[tuple[str, tuple[Formula, ...]]]:
    """The fact itself and those derived from it, each with the formulas that lead from its numbers back to these."""
    yield name, formulas
    for derived in pack.facts.values():
        if derived.kind != "derived" or name not in derived.inputs.values():
            continue
        if derived.element == "newer":
            yield from _compared(pack, derived.name, known, formulas)
        elif derived.element == "ckd-epi-2021" and derived.inputs["creatinine"] == name and known is not None:
            yield from _compared(pack, derived.name, known, (*formulas, _back(derived, known)))


def _back(derived: FactDeclaration, known: Mapping[str, Fact]) -> Formula:
    age, sex = known[derived.inputs["age"]], known[derived.inputs["sex"]]
    return lambda number: creatinine_at(derived, number, age, sex)


def _reckoned_back(bands: Sequence[Band], formulas: Sequence[Formula], compared: FactDeclaration) -> tuple[Band, ...]:
    """The bands of another fact as those of the fact that it is reckoned from; empty if that cannot be told.

    Where one number falls as the other rises, the order is turned round.
    """

    def back(end: float | None) -> float | None:
        for formula in reversed(formulas):
            end = None if end is None else formula(end)
        return end

    if any(back(end) is None for end in ends_of(bands)):
        return ()
    unit = compared.unit_written
    said = [_said_behind(band, f"{compared.label} {range_in_words(band, unit)} at this age and sex") for band in bands]
    turned = [replace(band, low=back(band.high), high=back(band.low)) for band in reversed(said)]
    is_rising = turned[0].high is None
    return (
        tuple(replace(band, low=band.high, high=band.low) for band in reversed(turned)) if is_rising else tuple(turned)
    )


def _said_behind(band: Band, behind: str) -> Band:
    return replace(band, behind=behind, words=f"{behind}: {band.words}" if band.words else "")


def range_in_words(band: Band, unit: str, written: Callable[[float], str] = "{:g}".format) -> str:
    """From where to where a band goes: ``below 25 ×10⁹/L``."""
    if band.low is None and band.high is None:
        return "any"
    if band.low is None:
        numbers = f"below {written(band.high or 0.0)}"
    elif band.high is None:
        numbers = f"above {written(band.low)}"
    else:
        numbers = f"{written(band.low)} to {written(band.high)}"
    return f"{numbers} {unit}".strip()


def _between_limits(pack: Pack, spoken: frozenset[str], fact: str) -> tuple[Band, ...]:
    """The bands between the limits that tables have for a fact; ``spoken`` are the decisions whose cards are shown."""
    decisions = [decision for decision in pack.decisions.values() if decision.is_live]
    limits = sorted({n for d in decisions if d.id in spoken for cell in _column(d, fact) for n in cell.numbers() if n})
    if not limits:
        return ()
    ends = [None, *limits, None]
    inside = [Fraction(limits[0]) / 2, *(Fraction(a + b) / 2 for a, b in pairwise(limits)), Fraction(limits[-1] * 2)]
    told = [list(_told(decisions, fact, Fact.of(Interval.point(number)))) for number in inside]
    everywhere = set.intersection(*({id(each.rule) for each in found} for found in told))
    bands = []
    for (low, high), found in zip(pairwise(ends), told, strict=True):
        own = [each for each in found if id(each.rule) not in everywhere]
        indicator = _indicator([each for each in own if each.decision.id in spoken])
        words = _words(pack, own, {low, high}) if indicator else ""
        bands.append(Band(_float(low), _float(high), indicator, words))
    return tuple(bands)


def _float(number: Exact | None) -> float | None:
    return None if number is None else float(number)


def _column(decision: Decision, fact: str) -> Iterator[Cell]:
    for used, column in zip(decision.inputs, decision.columns, strict=True):
        if used == fact:
            yield from column


class _Told(NamedTuple):
    """A rule that asks for a value, with how many definitions lie between the two."""

    depth: int
    decision: Decision
    rule: Rule

    @property
    def gravity(self) -> tuple[int, bool, int]:
        """What counts first: the nearest table, then the source's word before ours, then the gravest card."""
        then = self.rule.then
        gravity = INDICATORS.index(then.indicator) if then.indicator else len(INDICATORS)
        return self.depth, self.rule.basis != "source", gravity


def _told(
    decisions: Sequence[Decision], name: str, value: Fact, depth: int = 0, seen: frozenset[str] = frozenset()
) -> Iterator[_Told]:
    """The rules of cards that ask for this value of a fact, or for what a definition makes of it."""
    for decision in decisions:
        if name not in decision.inputs or decision.id in seen:
            continue
        place = decision.inputs.index(name)
        for rule in decision.rules:
            cell = rule.cells[place]
            if cell is None or not cell.matches(value):
                continue
            if decision.kind == "card":
                yield _Told(depth, decision, rule)
            elif decision.kind == "definition":
                yield from _told(decisions, decision.id, Fact.of(rule.then.value), depth + 1, seen | {decision.id})


def _indicator(told: Sequence[_Told]) -> str:
    """The indicator of the card that comes first; ``""`` if what comes first is silent."""
    return min(told, key=lambda each: each.gravity).rule.then.indicator if told else ""


def _words(pack: Pack, told: Sequence[_Told], ends: Collection[Exact | None]) -> str:
    """The sentence of the source behind a band: one that names a limit of it, else that of the first card. Where the
    rule, or a limit of it, is this hospital's, that is said (Z78).
    """
    speaking = [each for each in told if each.rule.then.indicator]
    quoted = [(pack.statements[each.rule.statement], each) for each in speaking if each.rule.statement]
    if not quoted:
        return min(speaking, key=lambda each: each.gravity).decision.title if speaking else ""
    statement, each = min(quoted, key=lambda pair: (pair[0].numbers.isdisjoint(ends), pair[1].gravity))
    said = f"“{statement.quote}”"
    is_own = is_of_hospital(pack, each.decision, each.rule)
    return fill(pack.words["source-hospital"], {"source": said}) if is_own else said
