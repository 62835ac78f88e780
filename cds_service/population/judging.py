"""The judging of a population: lines of an export in, sorted by patient, and rows on what would have been said out.

One function from batches of Arrow to batches of Arrow, so that a pool of processes and Spark run the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa

from cds_service.chart.drug import recognise_drug
from cds_service.chart.order import read_order
from cds_service.chart.record import Chart
from cds_service.content.model import Pack, Service
from cds_service.content.prepared import Prepared
from cds_service.fhir.tree import Node
from cds_service.judge.evaluate import judge_request
from cds_service.judge.relevance import is_judged, is_relevant
from cds_service.judge.understanding import order_not_understood
from cds_service.population.keyed import KeyedNames, as_uuid
from cds_service.population.order_sessions import Recognise, SigningSession, TakenFor, sessions_of
from cds_service.population.past_charts import AskedOfRecord, PastCharts, Queries
from cds_service.population.records import DEFECT, PATIENT, PatientRecord, WhatIsRead, read_record
from cds_service.population.rows import Judged, Repeats, about_orders, about_person, event_row, problem_row, shown
from cds_service.population.run_tables import JUDGED
from cds_service.population.told_facts import Row, ToldFacts
from cds_service.protocol.envelope import ORDER_HOOKS, REQUESTS, HookRequest
from cds_service.protocol.faults import Fault

_ROWS = 2048
HOW_PATIENTS_ARE_NAMED = ("hash", "id", "none")


@dataclass(frozen=True, slots=True)
class Task:
    """What a population is judged by, and in which way; it pickles, so that every process is given it.

    ``contents`` are judged side by side, by the names that the rows give them. Orders count that were written from
    ``since`` on and before ``until``, and at ``until`` each patient is looked at (patient-view). ``key`` makes the
    hashes of events and prescribers, and of patients too where ``patients`` is ``hash``; they are also named by their
    ``id``, or not at all (``none``). ``exported`` are the types of resource that the export has lines of: of others it
    is not known whether a patient has any. ``None`` if it has all, or before it was read.

    Raises:
        ValueError: a hook, or a way to name patients, that there is not, a date without a time zone, or no content.
    """

    contents: Mapping[str, Prepared]
    hooks: tuple[str, ...]
    since: datetime
    until: datetime
    key: bytes
    patients: str = "hash"
    exported: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.contents or not set(self.hooks) <= set(REQUESTS) or self.patients not in HOW_PATIENTS_ARE_NAMED:
            raise ValueError("a task needs a content, hooks of CDS Hooks and a way to name patients")
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("since and until need a time zone")

    def of_export(self, types: Iterable[str]) -> Task:
        """The same for an export in which lines of these types were read, unless it says itself what is exported."""
        return self if self.exported is not None else replace(self, exported=frozenset(types))


class _Judge(NamedTuple):
    """One content with what is worked out of it once: its services by hook, what each of these asks a record for, and
    how facts are told.
    """

    prepared: Prepared
    services: Mapping[str, Service]
    asked: Mapping[str, AskedOfRecord]
    queries: Queries
    told: ToldFacts

    @classmethod
    def of(cls, prepared: Prepared, task: Task) -> _Judge:
        """The content as far as it answers the hooks of ``task``."""
        services = {hook: service for hook in task.hooks if (service := prepared.pack.service_for(hook)) is not None}
        searches = {hook: prepared.searches[service.id] for hook, service in services.items()}
        asked = {hook: AskedOfRecord.of(of_hook, task.exported) for hook, of_hook in searches.items()}
        queries = Queries(search for of_hook in searches.values() for search in of_hook)
        return cls(prepared, services, asked, queries, ToldFacts(prepared.pack, prepared.zone))


class _Event(NamedTuple):
    """One call that would have been made: at signing, with what was signed, or without orders for the patient alone."""

    hook: str
    moment: datetime
    name: str
    session: SigningSession | None


class _Work(NamedTuple):
    """A task made ready for many patients."""

    task: Task
    judges: Mapping[str, _Judge]
    recognise: Mapping[str, Recognise]
    reading: WhatIsRead
    names: KeyedNames
    until: str

    @classmethod
    def of(cls, task: Task) -> _Work:
        """The task made ready."""
        judges = {name: _Judge.of(prepared, task) for name, prepared in task.contents.items()}
        packs = [prepared.pack for prepared in task.contents.values()]
        order_hooks = set(task.hooks) & set(ORDER_HOOKS)
        return cls(
            task,
            judges,
            {name: partial(_recognised, judge.prepared.pack) for name, judge in judges.items() if order_hooks},
            WhatIsRead(
                frozenset({PATIENT}).union(*(judge.queries.types for judge in judges.values())),
                frozenset({PATIENT, *(search.resource for one in packs for search in one.searches.values())}),
                next(iter(task.contents.values())).zone,
                task.until,
            ),
            KeyedNames(task.key),
            task.until.astimezone(UTC).isoformat(),
        )


def judge(task: Task, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of the schema ``JUDGED`` for batches of the schema ``LINES``, in which a patient's lines stand together.

    A patient may span batches; the order of its lines does not matter. Nothing of one patient is kept when the next
    begins. A fault of this software costs the event, or the patient, and is told among the rows; the run goes on. A
    fault of ``batches`` is raised.
    """
    work = _Work.of(task)
    rows = (
        row
        for patient, lines in groupby(_lines(batches), key=itemgetter(0))
        for row in _rows_or_defect(work, patient, [raw for _, raw in lines])
    )
    while some := list(islice(rows, _ROWS)):
        yield pa.RecordBatch.from_pylist(some, schema=JUDGED)


def _lines(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, bytes]]:
    for batch in batches:
        lines = batch.column("line").cast(pa.large_binary())
        yield from zip(batch.column("patient").to_pylist(), lines.to_pylist(), strict=True)


def _rows_or_defect(work: _Work, patient: str, lines: Sequence[bytes]) -> Iterable[Row]:
    try:
        return list(_rows(work, patient, lines))
    except Exception as error:
        return [problem_row(_named(work, patient), Counter({(DEFECT, type(error).__name__): 1}))]


def _rows(work: _Work, patient: str, lines: Sequence[bytes]) -> Iterator[Row]:
    """The way of a patient: from the lines to the record, its events, each as a call on the chart of its moment, and
    what comes of it under each content.
    """
    named = _named(work, patient)
    record = read_record(patient, lines, work.reading)
    events, repeats = list(_events(work, record)), Repeats()
    charts = (
        {name: PastCharts(record, one.queries, one.prepared.zone) for name, one in work.judges.items()}
        if events
        else {}
    )
    for event in events:
        for name, one in work.judges.items():
            service = one.services.get(event.hook)
            request = _request(event, patient, name)
            if service is None or (event.session is not None and not request.selected):
                continue
            asked = one.asked[event.hook]
            left_out = event.session.sources if event.session is not None else frozenset()
            judged = _judged(one, service, request, charts[name].at(event.moment, asked, left_out))
            depends = False
            if charts[name].depends_on_ends(event.moment, left_out):
                other = charts[name].at(event.moment, asked, left_out, ended_as_active=True)
                depends = shown(_judged(one, service, request, other)) != shown(judged)
            if isinstance(judged, Exception) and not isinstance(judged, Fault):
                record.problems[DEFECT, type(judged).__name__] += 1
            yield event_row(
                content=name,
                hook=event.hook,
                event=event.name,
                patient=named,
                moment=event.moment,
                orders=about_orders(one.prepared.pack, request, record, event.session, work.names),
                person=about_person(record, event.moment),
                judged=judged,
                depends=depends,
                repeats=repeats,
                told=one.told,
            )
    if record.problems:
        yield problem_row(named, record.problems)


def _events(work: _Work, record: PatientRecord) -> Iterator[_Event]:
    """The events of a patient in the order of time."""
    task = work.task
    for session in sessions_of(record, work.recognise, task.since, task.until) if work.recognise else ():
        for hook in task.hooks:
            if hook in ORDER_HOOKS:
                about = (hook, record.patient, session.moment.isoformat(), *session.names)
                yield _Event(hook, session.moment, work.names.of("event", *about), session)
    for hook in task.hooks:
        if hook not in ORDER_HOOKS:
            name = work.names.of("event", hook, record.patient, work.until)
            yield _Event(hook, task.until, name, None)


def _request(event: _Event, patient: str, content: str) -> HookRequest:
    if event.session is not None:
        return event.session.request(event.hook, patient, content, event.name)
    return HookRequest(event.hook, as_uuid(event.name), patient, "", "", (), (), {})


def _judged(one: _Judge, service: Service, request: HookRequest, chart: Chart) -> Judged:
    """The answer, or the refusal or the fault of this software in its place."""
    try:
        return judge_request(one.prepared, service, request, chart)
    except Exception as error:
        return error


def _recognised(pack: Pack, draft: Node, medications: Mapping[str, Node]) -> TakenFor:
    """What a content takes a draft for. One that is known by its name alone is judged."""
    if not is_judged(pack, draft):
        return TakenFor.OTHER
    order = read_order("", draft, medications)
    if is_relevant(pack, order):
        return TakenFor.OURS
    is_known = recognise_drug(order, pack.excluded) is not None or not any(order_not_understood(pack, order))
    return TakenFor.OTHER if is_known else TakenFor.NOT_KNOWN


def _named(work: _Work, patient: str) -> str | None:
    """What the rows call a patient."""
    how = work.task.patients
    if how == "none":
        return None
    return patient if how == "id" else work.names.of("patient", patient)
