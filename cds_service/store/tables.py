"""The tables of the database.

Whoever changes them adds a revision in ``migrations/versions`` and raises ``REVISION`` in ``revision.py``; a test
compares the two. A text that is missing is ``''`` and not null, so that it groups and compares in the same way on both
databases.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: written in UTC, and read as an aware ``datetime`` in UTC. SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _origin() -> list[Column[int] | Column[str]]:
    """The columns of an ``Origin``: the number of the finding (null if the uuid is not ours) and what it stands for."""
    return [
        Column("finding", Integer),
        Column("decision", Text, nullable=False),
        Column("rule", Text, nullable=False),
        Column("version", Text, nullable=False),
    ]


# One row for each outcome of a card, kept for ever: a later outcome of the same card is a new row (FB-10).
feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),  # see kept_feedback.identity_of
    Column("received_at", UtcDateTime, nullable=False, index=True),
    Column("service", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("outcome_at", UtcDateTime, nullable=False),
    Column("reason_system", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason_display", Text, nullable=False),
    Column("comment", Text, nullable=False),
    *_origin(),
    Column("raw", Text, nullable=False),
)

accepted_suggestion = Table(
    "accepted_suggestion",
    metadata,
    Column("feedback", String(32), ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
    Column("suggestion", Text, primary_key=True),
    *_origin(),
)

# How often the card of each rule was shown. Every process adds to the row of the day.
shown = Table(
    "shown",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("decision", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("indicator", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),
)

# How many calls of each service were answered, with cards or without. It is what cards are reckoned per.
call = Table(
    "call",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("version", Text, primary_key=True),  # of the whole content
    Column("times", BigInteger, nullable=False),
)

# How many of these calls brought an order that was judged and could have been shown a card. A population run counts the
# same, so that its rates can be held against those of the cards that were shown.
judged = Table(
    "judged",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("version", Text, primary_key=True),  # of the whole content
    Column("site", Text, primary_key=True),  # the digest of the site's settings, "" without any
    Column("times", BigInteger, nullable=False),
)

# How often something was sent and not understood: never what was sent (Z54).
not_understood = Table(
    "not_understood",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", Text, primary_key=True),  # "" where it was counted before services were told apart
    Column("kind", Text, primary_key=True),
    Column("system", Text, primary_key=True),  # the name of a known code system, "other" or "none"
    Column("times", BigInteger, nullable=False),
)

# Keys of uuids: the one made here and every other that was ever in use (Z18).
uuid_key = Table(
    "uuid_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", String(64), nullable=False),  # hexadecimal
    Column("since", UtcDateTime, nullable=False),
)

# Tokens that were used, with the call they were used for, until they expire (Z28).
token = Table(
    "token",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),  # seconds since 1970
)
