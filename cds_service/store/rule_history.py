"""What became of the cards of one rule over the whole time that is kept."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from cds_service.store.acceptance import read_days
from cds_service.store.call_counts import at, first_whole_day
from cds_service.store.figures import RuleHistory
from cds_service.store.tables import call, shown


def read_rule_history(
    connection: Connection, decision: str, rule: str, services: Collection[str] | None = None
) -> RuleHistory:
    """The history of a rule by the id of its decision and its own; at ``services`` alone if given."""
    of_decision = (shown.c.decision == decision, at(shown.c.service, services))
    versions = (
        select(shown.c.day, shown.c.version).where(*of_decision).distinct().order_by(shown.c.day, shown.c.version)
    )
    spoken_at = select(shown.c.service).where(*of_decision, shown.c.rule == rule).distinct()
    calls = select(call.c.day, func.sum(call.c.times)).where(call.c.service.in_(spoken_at)).group_by(call.c.day)
    calls_from = first_whole_day(connection)
    if calls_from is not None:
        calls = calls.where(call.c.day >= calls_from)
    return RuleHistory(
        read_days(connection, None, services, (decision, rule)),
        [(day, version) for day, version in connection.execute(versions)],
        {day: int(times) for day, times in connection.execute(calls)} if calls_from is not None else {},
        calls_from,
    )
