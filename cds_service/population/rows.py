"""Rows of what came of one event: what was asked, of whom in how far that is no name, and what would have been said."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from cds_service.chart.order import read_order, route
from cds_service.chart.what_is_ordered import recognise_ordered
from cds_service.content.model import Pack
from cds_service.fhir.dates import read_date, years_between
from cds_service.fhir.lenient import Patient
from cds_service.fhir.treatments import as_tree, referred
from cds_service.fhir.tree import Node, node, nodes, text
from cds_service.judge.evaluate import Answer
from cds_service.judge.findings import FoundRule, findings_of
from cds_service.judge.relevance import draft_nodes
from cds_service.population.keyed import KeyedNames
from cds_service.population.order_sessions import SigningSession
from cds_service.population.records import PatientRecord
from cds_service.population.told_facts import Row, ToldFacts
from cds_service.protocol.envelope import HookRequest
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.facts import State

Judged = Answer | Exception
"""What came of a call: an answer, a ``Fault`` for which it was refused, or a fault of this software."""

_BANDS = ("0-17", "18-39", "40-64", "65-79", "80+")
_BANDS_FROM = (18, 40, 65, 80)  # years at which the next band begins
# https://hl7.org/fhir/R4/valueset-administrative-gender.html
_SEXES = frozenset({"male", "female", "other", "unknown"})
_PREFETCH = "prefetch."


class Repeats:
    """How often each rule spoke of one patient, and when it did last."""

    def __init__(self) -> None:
        self._spoken: dict[tuple[str, ...], tuple[int, datetime]] = {}

    def told(self, about: tuple[str, ...], moment: datetime) -> tuple[int, int | None]:
        """Which time this is, from 1, and how many days after the last time; ``None`` days the first time."""
        times, last = self._spoken.get(about, (0, moment))
        self._spoken[about] = times + 1, moment
        return times + 1, (moment - last).days if times else None


_NO_ORDERS: Row = {"unit": None, "prescriber": None, "drug": None, "agent": None, "route": None, "orders": 0}


def about_orders(
    pack: Pack, request: HookRequest, record: PatientRecord, session: SigningSession | None, names: KeyedNames
) -> Row:
    """What a row tells of the orders of a call, ``None`` where it is not known; of several drugs, that which was
    ordered first.
    """
    if session is None:
        return _NO_ORDERS
    first, requester = request.selected[0], session.judged[0].requester
    order = read_order(first.path, first.resource, draft_nodes(request), first.key)
    known = recognise_ordered(order, pack.relevant.get(order.type, ()))
    ways = [fact for fact in pack.of_kind.get("order", ()) if fact.element == "route"]
    way = route(ways[0], order).value if ways else None
    return {
        "unit": _unit(record.encounters.get(request.encounter_id), session.moment),
        "prescriber": names.of("prescriber", requester) if requester else None,
        "drug": known.concept.display if known is not None else None,
        "agent": getattr(known, "agent", "") or None,
        "route": str(way) if way is not None else None,
        "orders": len(request.selected),
    }


def _unit(raw: bytes | None, moment: datetime) -> str | None:
    """Where an encounter was at a moment: its latest location that had begun then, or else whose encounter it was."""
    encounter = as_tree(msgspec.Raw(raw)) if raw is not None else None
    began: list[tuple[datetime, int, Node]] = []
    for place, location in enumerate(nodes(encounter, "location")):
        span = read_date(text(node(location, "period"), "start") or None, UTC)
        if span is None or span.start <= moment:
            began.append((span.start if span else datetime.min.replace(tzinfo=UTC), place, node(location, "location")))
    latest = max(began, default=(None, 0, node(encounter, "serviceProvider")))[2]
    return text(latest, "display") or referred(text(latest, "reference")) or None


def about_person(record: PatientRecord, moment: datetime) -> tuple[str | None, str | None]:
    """The band of ages of a patient at a moment, and the sex; ``None`` for what is not known."""
    person = record.person.resource if record.person is not None else None
    if not isinstance(person, Patient):
        return None, None
    band = _band(years_between(person.birthDate, moment))
    return band, (person.gender if person.gender in _SEXES else None)


def _band(years: tuple[int, int] | None) -> str | None:
    """The band in which the least and the most years that someone may have both are."""
    if years is None:
        return None
    least, most = years
    place = bisect_right(_BANDS_FROM, least)
    return _BANDS[place] if least == most or place == bisect_right(_BANDS_FROM, most) else None


def shown(judged: Judged) -> tuple[str, list[str]]:
    """What users would have noticed: the outcome, and the topics of the cards."""
    return _outcome(judged), sorted(_topics(judged))


def _topics(judged: Judged) -> Counter[str]:
    if not isinstance(judged, Answer):
        return Counter()
    return Counter(card["source"]["topic"]["code"] for card in judged.body["cards"])


def _outcome(judged: Judged) -> str:
    if isinstance(judged, Answer):
        return "cards" if judged.body["cards"] else "silent"
    return "not-judged" if isinstance(judged, Fault) else "defect"


def event_row(
    *,
    content: str,
    hook: str,
    event: str,
    patient: str | None,
    moment: datetime,
    orders: Row,
    person: tuple[str | None, str | None],
    judged: Judged,
    depends: bool,
    repeats: Repeats,
    told: ToldFacts,
) -> Row:
    """The row of one event under one content."""
    missing: list[str] = []
    if isinstance(judged, Fault):
        missing = [fault.path.removeprefix(_PREFETCH) for fault in judged.every() if fault.path.startswith(_PREFETCH)]
    answer = judged if isinstance(judged, Answer) else None
    has_found = answer is not None and any(one.decided.cards for one in answer.judged)
    return {
        "content": content,
        "hook": hook,
        "event": event,
        "patient": patient,
        "moment": moment,
        **orders,
        "outcome": _outcome(judged),
        "missing": missing,
        "status_dependent": depends,
        "not_understood": sum(item.bears for item in answer.not_understood) if answer is not None else 0,
        "age_band": person[0],
        "sex": person[1],
        "cards": [*_cards(answer, (content, hook), moment, repeats, told, person[0])] if answer and has_found else [],
        "problems": [],
    }


def _cards(
    answer: Answer,
    where: tuple[str, str],
    moment: datetime,
    repeats: Repeats,
    told: ToldFacts,
    age_band: str | None,
) -> Iterator[Row]:
    """A row for each card, and one for each rule that fired and has none of its own."""
    found: dict[str, FoundRule] = {}
    for one in findings_of(told.pack, answer):
        found.setdefault(one.topic, one)
    rows: dict[str, Row] = {}
    for topic, one in found.items():
        nth, days = repeats.told((*where, topic, "shown" if one.shown else ""), moment)
        rows[topic] = _card(one, nth, days) | told.rows(one, moment, age_band)
    for card in answer.body["cards"]:
        yield rows[card["source"]["topic"]["code"]] | {"suggestions": len(card.get("suggestions", ()))}
    yield from (rows[topic] for topic, one in found.items() if not one.shown)


def _card(one: FoundRule, nth: int, days_since: int | None) -> Row:
    return {
        "decision": one.decision,
        "rule": one.rule,
        "topic": one.topic,
        "version": one.version,
        "status": one.status,
        "indicator": one.indicator,
        "shown": one.shown,
        "nth": nth,
        "days_since": days_since,
        "suggestions": 0,
        "unknown": _of_state(one.states, State.UNKNOWN),
        "unusable": _of_state(one.states, State.UNUSABLE),
    }


def _of_state(states: Mapping[str, State], state: State) -> list[str]:
    return sorted(name for name, stated in states.items() if stated is state)


def problem_row(patient: str | None, problems: Mapping[tuple[str, str], int]) -> Row:
    """The row of what is wrong with one record."""
    listed = [{"problem": what, "resource": kind, "times": times} for (what, kind), times in sorted(problems.items())]
    return {"patient": patient, "problems": listed}
