"""Where the database is, and what is said when it cannot be used. No database library is imported here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# How a URL or libpq's keywords and values begin: taken for a path, a password in them would become the name of a file.
_NO_PATH = re.compile(r"[\w+.-]*:|\w+\s*=")
WHAT_A_STORE_IS = (
    "the store must be a file, such as /var/lib/cds/store.sqlite3, or postgresql+psycopg://USER@HOST/DATABASE"
)
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")


class StoreDown(Exception):
    """The store cannot be used now. The message says why, without a password, a parameter or data of a patient."""


class DatabaseFault(Exception):
    """What the driver of a database raised; the message says it without a parameter or data of a patient.

    ``was_lost`` is whether the connection had died, so that a new one may succeed. ``is_operational`` is whether the
    database is at fault and not what was written.
    """

    def __init__(self, text: str, *, was_lost: bool, is_operational: bool) -> None:
        super().__init__(text)
        self.was_lost, self.is_operational = was_lost, is_operational


@dataclass(frozen=True, slots=True)
class Address:
    """A database. ``url`` names it with its driver, ``shown`` without its password.

    ``file`` is that of SQLite, ``None`` for PostgreSQL.
    """

    url: str
    shown: str
    file: Path | None = None


def read_url(text: str) -> Address:
    """Parses the database URL of the setting, and completes it with the driver. A plain path is a file of SQLite.

    Raises:
        ValueError: it is neither, or the URL of a database that is not supported; without its password.
    """
    if text and "://" not in text and not _NO_PATH.match(text):
        text = f"sqlite:///{text}"
    driver, slashes, rest = text.partition("://")
    if driver == "sqlite" and rest[:1] == "/" and rest[1:] not in ("", ":memory:"):
        if "?" in rest:
            raise ValueError("the store in a file of SQLite has no options: what comes after ? is for PostgreSQL")
        return Address(text, text, Path(rest[1:]))
    if driver in _POSTGRESQL and slashes:
        from cds_service.store.engine import postgresql_url

        url = postgresql_url(text)
        return Address(url.render_as_string(hide_password=False), url.render_as_string())
    raise ValueError(WHAT_A_STORE_IS)


def file_of(address: Address) -> tuple[int, int] | None:
    """What tells the file of a SQLite database from another one that takes its place; ``None`` if there is none."""
    if address.file is None:
        return None
    try:
        status = address.file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def describe_cause(cause: BaseException, *, while_connecting: bool) -> str:
    """What a driver raised, in a few words; the message of a failed statement may quote its parameters."""
    if while_connecting:
        return " ".join(str(cause).split())[:200]
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {state or ''}".strip()


def describe_error(error: Exception) -> str:
    """What went wrong, in a few words without data."""
    if isinstance(error, StoreDown | DatabaseFault):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
