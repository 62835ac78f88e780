"""Parquet files for DuckDB, exactly those that are meant: it reads a path as a pattern and as a Hive partition.

A folder may be called ``last-year[1]``, which as a pattern is another one, or ``unit=icu``, which as a partition would
give every row a unit.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cds_service.population.run_folder import TABLES, RunFolderError
from cds_service.vocabulary.path_text import path_text

_WILD = re.compile(r"([*?\[])")
_FULL = ("No space left on device", "max_temp_directory_size")  # how DuckDB tells of a disk that is full


class UnreadablePathError(ValueError):
    """DuckDB can read nothing from a folder of this name. The message says so, and what to do."""


def pattern_of(path: Path) -> str:
    """The pattern that matches this path only.

    Raises:
        UnreadablePathError: there is none.
    """
    text = path_text(path)
    if text != str(path) or ("\\" in text and _WILD.search(text)):
        words = "DuckDB cannot read from a folder of this name; choose one of letters and digits"
        raise UnreadablePathError(f"{text}: {words}")
    return _WILD.sub(r"[\1]", text)


def rows_of(database: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> duckdb.DuckDBPyRelation:
    """The rows of these files, with their own columns only.

    Raises:
        UnreadablePathError: a path has no pattern.
        duckdb.Error: a file cannot be read.
    """
    return database.read_parquet([pattern_of(path) for path in files], hive_partitioning=False)


@contextmanager
def opened_run(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which ``events``, ``cards`` and ``problems`` are the tables of the run in a folder. What does not
    fit into memory goes to that folder.

    Raises:
        RunFolderError: the tables cannot be read.
        OSError: the disk of the folder is full.
    """
    whole = folder.absolute()
    try:
        pattern_of(whole)
        with duckdb.connect(config={"temp_directory": str(whole), "autoinstall_known_extensions": False}) as database:
            database.execute("set TimeZone = 'UTC'")  # of weeks, whatever that of the machine
            for name in TABLES:
                files = sorted(path for path in (whole / name).iterdir() if path.suffix == ".parquet")
                rows_of(database, files).create_view(name)
            yield database
    except UnreadablePathError as error:
        raise RunFolderError(str(error)) from None
    except duckdb.Error as error:
        raise_if_full(error, folder)
        text = f"{path_text(folder)}: its tables cannot be read: {type(error).__name__}"
        raise RunFolderError(text) from None


def raise_if_full(error: duckdb.Error, folder: Path) -> None:
    """Tells of a full disk as the operating system does; ``folder`` is on it.

    Raises:
        OSError: the disk is full.
    """
    if any(words in str(error) for words in _FULL):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None
