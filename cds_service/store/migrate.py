"""Brings the tables to the revision that this code needs, with Alembic. It is imported only if they are of another."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from cds_service.store.database import Address, StoreDown
from cds_service.store.engine import describe_sql_error, open_engine, reading
from cds_service.store.revision import REVISION

_SCRIPTS = Path(__file__).parent / "migrations"
# The number of a lock of PostgreSQL, the same in every instance, so that instances that start together take turns.
_LOCK = 1_844_674_407
# Alembic keeps what it works on in the whole process, and the store and the used tokens have a thread each.
_one_at_a_time = threading.Lock()


def make_tables(address: Address) -> None:
    """Creates or changes the tables of a database.

    Raises:
        StoreDown: they are of a revision that only a newer version of this software knows, or the database cannot be
            used.
    """
    engine = open_engine(address)
    try:
        with _one_at_a_time:
            bring_up_to_date(engine)
    except SQLAlchemyError as error:
        raise StoreDown(describe_sql_error(error)) from error
    finally:
        engine.dispose()


def bring_up_to_date(engine: Engine) -> None:
    """Creates or changes the tables. Instances that start at the same time do so once.

    Raises:
        StoreDown: the tables are of a revision that only a newer version of this software knows.
        SQLAlchemyError: the database cannot be used.
    """
    with reading(engine) as connection:
        if revision(connection) == REVISION:
            return
    config = Config(attributes={"connection": None})
    config.set_main_option("script_location", str(_SCRIPTS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        present = revision(connection)
        if present == REVISION:
            return
        if present is not None and present not in known:
            raise StoreDown(f"its tables are of revision {present}, made by a newer version of this software")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The revision of the tables; ``None`` before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
