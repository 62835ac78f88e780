"""What was put aside of an export, sorted by patient by DuckDB, which goes to disk where memory does not suffice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from cds_service.population.joins import (
    LATEST,
    LATEST_OF_ONE_VERSION,
    LINES_TO_JUDGE,
    OTHER_VERSIONS,
    REFERRED,
    REPEATED,
    VERSIONS,
    WHOLE_LISTS,
    WRONG_LINES,
)
from cds_service.population.one_version import one_of_each
from cds_service.population.sifting import Sifted
from cds_service.population.table_files import raise_if_full, rows_of

_ROWS = 4096  # of one batch that is handed on
# What DuckDB reads and hands on is not within its limit; this keeps the process within ``memory`` and 300 MB.
_LIMIT_OF_MEMORY = 0.7


class SortingError(Exception):
    """What was put aside could not be sorted. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What DuckDB may use: so many ``threads``, ``memory`` such as ``2GB``, and for what does not fit into that the
    folder ``temp``.
    """

    threads: int
    memory: str
    temp: Path


def lines(sifted: Sifted, machine: Machine, problems: Counter[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    """The lines to judge, as batches of the schema ``LINES``: those of one patient one after another, by type and id,
    whatever their order in the export.

    Of the lines of a resource one is handed on (``one_version``). What is wrong is counted in ``problems``, by problem
    and type, until the last batch was taken.

    Raises:
        SortingError: the memory does not suffice.
        OSError: the disk of the folder is full.
    """
    with _opened(machine) as connection:
        problems.update(_prepared(connection, sifted))
        # The text is no part of the order: as a key it would be kept once more.
        query = f"{LINES_TO_JUDGE} ORDER BY patient, type, id"
        yield from one_of_each(connection.sql(query).to_arrow_reader(_ROWS), problems)


def problems_of(sifted: Sifted, machine: Machine) -> Counter[tuple[str, str]]:
    """What is wrong with what was put aside, as far as it shows without sorting it, by problem and type.

    Raises:
        SortingError: the memory does not suffice.
        OSError: the disk of the folder is full.
    """
    with _opened(machine) as connection:
        return _prepared(connection, sifted)


def _prepared(connection: duckdb.DuckDBPyConnection, sifted: Sifted) -> Counter[tuple[str, str]]:
    """Makes the tables that are read by ``LINES_TO_JUDGE``; gives what is wrong with the lines."""
    rows_of(connection, sifted.files).create_view("sifted")
    connection.execute("CREATE MACRO explode(list) AS unnest(list)")  # as Spark calls it
    connection.execute("CREATE MACRO xxhash64(type, id) AS hash(type, id)")
    connection.execute(f"CREATE TEMP TABLE repeated AS {REPEATED}")
    problems = [WRONG_LINES]
    if connection.execute("FROM repeated LIMIT 1").fetchone() is None:
        connection.execute(f"CREATE TEMP VIEW latest AS {LATEST_OF_ONE_VERSION}")
    else:
        connection.execute(f"CREATE TEMP TABLE versions AS {VERSIONS}")
        connection.execute(f"CREATE TEMP VIEW latest AS {LATEST}")
        problems.append(OTHER_VERSIONS)
    connection.execute(f"CREATE TEMP TABLE whole AS {WHOLE_LISTS}")
    connection.execute(f"CREATE TEMP TABLE referred AS {REFERRED}")
    return Counter(
        {(problem, kind): times for query in problems for problem, kind, times in connection.execute(query).fetchall()}
    )


@contextmanager
def _opened(machine: Machine) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": machine.threads,
        "memory_limit": _limit(machine.memory),
        "temp_directory": str(machine.temp),
        "preserve_insertion_order": False,
        # What is read ahead cannot go to disk: with one thread that sorts, memory was short where it need not be.
        "disable_parquet_prefetching": True,
        "autoinstall_known_extensions": False,
    }
    try:
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")  # drawn where Python seems to be used by hand
            yield connection
    except duckdb.Error as error:
        raise_if_full(error, machine.temp)
        if isinstance(error, duckdb.OutOfMemoryException):
            raise SortingError("memory was short; give more with --memory") from None
        raise SortingError(f"{type(error).__name__}; is there room on the disk?") from None


def _limit(memory: str) -> str:
    """The limit that DuckDB is given so that it stays within ``memory``, a whole number of MB or GB."""
    number, unit = int(memory[:-2]), memory[-2:].upper()
    return f"{number * (1000 if unit == 'GB' else 1) * _LIMIT_OF_MEMORY:.0f}MB"
