"""What the pages and commands show of the tables, read by SQLAlchemy, which is imported with the first report."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from cds_service.store.acceptance import read_comments, read_days, read_report, read_services_of_rules
from cds_service.store.call_counts import known_services, read_calls, read_not_understood
from cds_service.store.database import Address, StoreDown
from cds_service.store.engine import describe_sql_error, open_engine, reading
from cds_service.store.figures import Acceptance, CallCount, NotUnderstoodDay, Report, RuleHistory, WatchedService
from cds_service.store.rule_history import read_rule_history
from cds_service.store.watched_days import read_watched

T = TypeVar("T")


class Reports:
    """Reads a database, from many threads. Each method raises ``StoreDown`` if the database cannot be read."""

    def __init__(self, address: Address) -> None:
        self._engine = open_engine(address)

    def services(self) -> set[str]:
        """As ``Store.services``."""
        return self._read(known_services)

    def report(self, since: datetime | None, services: Collection[str] | None) -> Report:
        """As ``Store.report``."""
        return self._read(lambda connection: read_report(connection, since, services))

    def acceptance(self, since: datetime, max_comments: int, services: Collection[str] | None) -> Acceptance:
        """As ``Store.acceptance``."""
        return self._read(
            lambda connection: Acceptance(
                read_report(connection, since, services),
                read_days(connection, since, services),
                read_comments(connection, max_comments, services),
                read_services_of_rules(connection, since, services),
            )
        )

    def rule_history(self, decision: str, rule: str, services: Collection[str] | None) -> RuleHistory:
        """As ``Store.rule_history``."""
        return self._read(lambda connection: read_rule_history(connection, decision, rule, services))

    def not_understood(
        self, since: datetime, services: Collection[str] | None
    ) -> tuple[list[NotUnderstoodDay], list[CallCount]]:
        """As ``Store.not_understood``."""
        begin = since.astimezone(UTC).date()
        return self._read(
            lambda connection: (
                read_not_understood(connection, since, services),
                read_calls(connection, begin, services),
            )
        )

    def watched(self, since: datetime, version: str, services: Collection[str]) -> list[WatchedService]:
        """As ``Store.watched``."""
        return self._read(lambda connection: read_watched(connection, since, version, services))

    def close(self) -> None:
        """Closes the connections to the database."""
        self._engine.dispose()

    def _read(self, read: Callable[[Connection], T]) -> T:
        try:
            with reading(self._engine) as connection:
                return read(connection)
        except (SQLAlchemyError, OSError) as error:
            raise StoreDown(describe_sql_error(error)) from None
