"""What was put aside of an export, sorted by patient by DuckDB, which goes to disk where memory does not suffice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from cds_service.chart.bearing import Bearing
from cds_service.chart.sent_entries import MOST_ENTRIES
from cds_service.fhir.order_types import ORDER_TYPES
from cds_service.population.line_problems import NOT_RESOLVED, UNKNOWN_PATIENT
from cds_service.population.one_version import one_of_each
from cds_service.population.selection import ENCOUNTER, LISTS, MEDICINE, OF_NOBODY, TREATMENTS
from cds_service.population.sifting import Sifted

_ROWS = 4096  # of one batch that is handed on


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# Treatments are one list: each may tell of another. Orders of tests and of nutrition stand beside them in a session.
_LIST = f"CASE WHEN type IN ({_listed({*TREATMENTS, *ORDER_TYPES})}) THEN 'treatments' ELSE type END"

_LISTS_NEEDED_WHOLE = f"""
CREATE TEMP TABLE whole AS
SELECT patient, {_LIST} AS list FROM sifted WHERE type IN ({_listed({*LISTS, *ORDER_TYPES})})
GROUP BY ALL HAVING max(bearing) = {int(Bearing.OPEN)} OR count(*) > {MOST_ENTRIES}
"""  # noqa: S608  (the program\'s own names)

_REFERRED = f"""
SELECT patient, '{MEDICINE}' AS type, unnest(medications) AS id FROM (
    SELECT *, {_LIST} AS list FROM sifted WHERE len(medications) > 0
) SEMI JOIN whole USING (patient, list)
UNION SELECT patient, '{ENCOUNTER}', encounter FROM sifted WHERE encounter IS NOT NULL
"""  # noqa: S608

_OF_NOBODY = f"type IN ({_listed(OF_NOBODY)})"

# The text is no part of the order: as a key it would be kept once more.
_LINES = f"""
SELECT patient, type, id, line FROM sifted WHERE bearing > {int(Bearing.ELSEWHERE)} AND NOT {_OF_NOBODY}
UNION ALL
SELECT patient, type, id, line FROM (SELECT *, {_LIST} AS list FROM sifted WHERE bearing = {int(Bearing.ELSEWHERE)})
SEMI JOIN whole USING (patient, list)
UNION ALL
SELECT referred.patient, type, id, line FROM referred JOIN (SELECT type, id, line FROM sifted WHERE {_OF_NOBODY})
USING (type, id)
ORDER BY patient, type, id
"""  # noqa: S608

_NOT_RESOLVED = f"""
SELECT count(*) FROM referred
WHERE type = '{MEDICINE}' AND id NOT IN (SELECT id FROM sifted WHERE type = '{MEDICINE}')
"""  # noqa: S608

_UNKNOWN_PATIENTS = f"""
SELECT type, count(*) FROM sifted
WHERE NOT {_OF_NOBODY} AND patient NOT IN (SELECT patient FROM sifted WHERE type = 'Patient')
GROUP BY type
"""  # noqa: S608


class SortingError(Exception):
    """What was put aside could not be sorted. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What DuckDB may use: so many ``threads``, ``memory`` as DuckDB writes it, such as ``2GB``, and for what does not
    fit into that the folder ``temp``.
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
        SortingError: the memory does not suffice, or the disk of the folder is full.
    """
    with _opened(machine) as connection:
        _prepare(connection, sifted)
        problems.update(_problems(connection))
        yield from one_of_each(connection.sql(_LINES).to_arrow_reader(_ROWS), problems)


def problems_of(sifted: Sifted, machine: Machine) -> Counter[tuple[str, str]]:
    """What is wrong with what was put aside, as far as it shows without sorting it, by problem and type.

    Raises:
        SortingError: the memory does not suffice, or the disk of the folder is full.
    """
    with _opened(machine) as connection:
        _prepare(connection, sifted)
        return _problems(connection)


def _prepare(connection: duckdb.DuckDBPyConnection, sifted: Sifted) -> None:
    connection.read_parquet([str(path) for path in sifted.files]).create_view("sifted")
    connection.execute(_LISTS_NEEDED_WHOLE)
    connection.execute(f"CREATE TEMP TABLE referred AS {_REFERRED}")


def _problems(connection: duckdb.DuckDBPyConnection) -> Counter[tuple[str, str]]:
    found = [(UNKNOWN_PATIENT, *row) for row in connection.execute(_UNKNOWN_PATIENTS).fetchall()]
    found += [(NOT_RESOLVED, MEDICINE, *row) for row in connection.execute(_NOT_RESOLVED).fetchall()]
    return Counter({(problem, kind): times for problem, kind, times in found if times})


@contextmanager
def _opened(machine: Machine) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": machine.threads,
        "memory_limit": machine.memory,
        "temp_directory": str(machine.temp),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    try:
        with duckdb.connect(config=config) as connection:
            yield connection
    except duckdb.OutOfMemoryException:
        raise SortingError("memory was short; give more with --memory") from None
    except duckdb.Error as error:
        raise SortingError(f"{type(error).__name__}; is there room on the disk?") from None
