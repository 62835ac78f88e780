"""The tables of population runs, compared."""

from __future__ import annotations

from pathlib import Path

import duckdb

TABLES = ("events", "cards", "problems")


def differing(one: Path, other: Path) -> dict[str, int]:
    """How many rows of the tables of two runs are not in both."""
    query = "select count(*) from (select * from read_parquet($a) except all select * from read_parquet($b))"
    with duckdb.connect() as database:
        return {
            table: sum(
                database.execute(query, {"a": f"{a}/{table}/*.parquet", "b": f"{b}/{table}/*.parquet"}).fetchall()[0][0]
                for a, b in ((one, other), (other, one))
            )
            for table in TABLES
        }
