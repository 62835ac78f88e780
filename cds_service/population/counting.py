"""The summary of a run and its list of patients, counted by DuckDB over the Parquet tables.

The figures on orders are those of order-sign, where it was judged: what order-select would have shown while orders were
changed is not in any export. Examples are the events whose names come first: as these are keyed hashes, it is a choice
at random, and the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from cds_service.population.named_units import NAMED_UNITS
from cds_service.population.run_folder import read_manifest
from cds_service.population.summary import (
    INDICATORS,
    NO_EVENTS,
    SELECT,
    SIGN,
    VIEW,
    Attention,
    ChangedEvents,
    ContentSummary,
    Funnel,
    Panel,
    RuleTimes,
    RunCounts,
    UnitCount,
    UnreadFact,
    Week,
)
from cds_service.population.table_files import opened_run

_ORDERS = (SIGN, SELECT)  # the first that was judged tells of orders


def counted(folder: Path, contents: Iterable[str]) -> RunCounts:
    """What the tables of a run say; ``contents`` are the names of those that were judged.

    Raises:
        RunFolderError: the tables cannot be read.
        OSError: the disk of the folder is full.
    """
    with opened_run(folder) as database:
        summaries = tuple(_content(database, name) for name in contents)
        changes = _changes(database) if len(summaries) > 1 else ()
        problems = _rows(database, "select problem, resource, sum(times)::int from problems group by all order by all")
    return RunCounts(summaries, changes, tuple(problems))


def _rows(database: duckdb.DuckDBPyConnection, query: str, **values: Any) -> list[Any]:
    return database.execute(query, values).fetchall()


_TOTALS = """
    select count(distinct patient), count(distinct prescriber), coalesce(sum(orders), 0)::int
    from events where content = $content and hook = $hook
"""
_FUNNEL = """
    with spoken as (
        select content, event, bool_or(shown and indicator in ('critical', 'warning')) as interrupts,
            bool_or(shown and nth = 1 and indicator in ('critical', 'warning')) as first
        from cards group by all
    )
    select count(*),
        count(*) filter (outcome = 'not-judged'),
        count(*) filter (outcome = 'defect'),
        count(*) filter (outcome = 'silent'),
        count(*) filter (outcome = 'cards'),
        count(*) filter (interrupts),
        count(*) filter (first),
        count(*) filter (status_dependent),
        count(*) filter (not_understood > 0)
    from events left join spoken using (content, event) where content = $content and hook = $hook
"""
_WEEKS = """
    select date_trunc('week', moment::timestamp)::date,
        count(*) filter (indicator = 'critical'),
        count(*) filter (indicator = 'warning'),
        count(*) filter (indicator = 'info')
    from cards join events using (content, event)
    where content = $content and hook = $hook and shown group by 1 order by 1
"""
_RULES = """
    select decision, rule, topic, status, indicator, hook, count(*), count(*) filter (shown),
        count(*) filter (shown and nth = 1), count(distinct patient) filter (shown), min(event, 10)
    from cards join events using (content, event)
    where content = $content
    group by all order by 8 desc, 7 desc, topic, hook
"""
_ANSWERED = """
    select hook, count(*) from events where content = $content and outcome in ('cards', 'silent') group by 1 order by 1
"""
_UNITS = f"""
    with placed as (select *, unit is not null and unit not in ({NAMED_UNITS}) as is_other from events)
    select if(is_other, '', coalesce(unit, '')), count(*), count(*) filter (outcome = 'cards'),
        coalesce(sum(spoken), 0)::int, count(distinct unit) filter (is_other)
    from placed
    left join (select content, event, count(*) filter (shown) as spoken from cards group by all) using (content, event)
    where content = $content and hook = $hook group by is_other, 1 order by 2 desc, 4 desc, 1, 5
"""  # noqa: S608
_UNREAD = """
    with spoken as (select * from cards where content = $content),
    fired as (select topic, count(*) as times from spoken group by topic),
    met as (
        select topic, unnest(unknown) as fact, 'unknown' as state from spoken
        union all select topic, unnest(unusable), 'unusable' from spoken
    )
    select topic, fact, state, count(*), any_value(times) from met join fired using (topic)
    group by topic, fact, state order by 4 desc, 1, 2, 3
"""
_MISSING = """
    select key, count(*) from (select unnest(missing) as key from events where content = $content)
    group by key order by 2 desc, 1
"""
_UNJUDGED = "select coalesce(min(event, 10), []) from events where content = $content and outcome = 'not-judged'"
_CHANGES = """
    with said as (
        select events.content, event, hook, outcome,
            coalesce(list(topic order by topic) filter (shown), []) as topics,
            coalesce(list(indicator order by topic) filter (shown), []) as severities
        from events left join cards using (content, event) group by all
    ),
    answers as (
        select content, event, hook, severities, if(outcome in ('cards', 'silent'), topics, [outcome]) as answer
        from said
    )
    select old.hook, old.answer, new.answer, count(*), min(event, 20)
    from answers old join answers new using (event)
    where old.content = 'old' and new.content = 'new'
        and (old.answer <> new.answer or old.severities <> new.severities)
    group by 1, 2, 3 order by 4 desc, 1, 2, 3
"""
_ATTENTION = """
    with shown as (
        select event, patient, age_band, sex, topic, list_position(['critical', 'warning', 'info'], indicator) as rank
        from events join cards using (content, event)
        where content = $content and hook = 'patient-view' and shown
    )
    select any_value(patient), any_value(age_band), any_value(sex), min(rank),
        list(topic order by rank, topic) as topics, count(*) over ()
    from shown group by event order by min(rank), len(topics) desc, any_value(patient), event limit $most
"""


def _content(database: duckdb.DuckDBPyConnection, name: str) -> ContentSummary:
    hooks = {row[0] for row in _rows(database, "select distinct hook from events")}
    hook = next((known for known in _ORDERS if known in hooks), "")
    of_orders = {"content": name, "hook": hook}
    ((patients, prescribers, orders),) = _rows(database, _TOTALS, **of_orders)
    return ContentSummary(
        name=name,
        hook=hook,
        patients=patients,
        prescribers=prescribers,
        orders=orders,
        funnel=_funnel(database, name, hook),
        view=_funnel(database, name, VIEW),
        weeks=tuple(Week(*row) for row in _rows(database, _WEEKS, **of_orders)),
        rules=tuple(RuleTimes(*map(_frozen, row)) for row in _rows(database, _RULES, content=name)),
        answered=dict(_rows(database, _ANSWERED, content=name)),
        units=tuple(UnitCount(*row) for row in _rows(database, _UNITS, **of_orders)),
        unread=tuple(UnreadFact(*row) for row in _rows(database, _UNREAD, content=name)),
        missing=dict(_rows(database, _MISSING, content=name)),
        unjudged=tuple(_rows(database, _UNJUDGED, content=name)[0][0]),
        selected=_funnel(database, name, SELECT) if hook == SIGN else NO_EVENTS,
    )


def _funnel(database: duckdb.DuckDBPyConnection, content: str, hook: str) -> Funnel:
    return Funnel(*_rows(database, _FUNNEL, content=content, hook=hook)[0])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _changes(database: duckdb.DuckDBPyConnection) -> tuple[ChangedEvents, ...]:
    """The answers of the old content against those of the new one, the most frequent change first."""
    return tuple(
        ChangedEvents(hook, tuple(old), tuple(new), times, tuple(events))
        for hook, old, new, times, events in _rows(database, _CHANGES)
    )


def attention(folder: Path, limit: int) -> Panel:
    """Who needs attention: patients with cards on patient-view, of whom at most ``limit`` are told.

    If two contents were judged it is by the new one.

    Raises:
        RunFolderError: the folder is not that of a run, or its tables cannot be read.
    """
    content = list(read_manifest(folder).contents)[-1]
    with opened_run(folder) as database:
        found = _rows(database, _ATTENTION, content=content, most=limit)
    patients = tuple(
        Attention(patient, age_band, sex, INDICATORS[rank - 1], tuple(topics))
        for patient, age_band, sex, rank, topics, _ in found
    )
    return Panel(found[0][-1] if found else 0, patients)
