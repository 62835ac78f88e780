"""What only population runs need, and whether it is installed."""

from __future__ import annotations

from importlib.util import find_spec

ENGINES = {"duckdb": ("duckdb", "pyarrow"), "spark": ("duckdb", "pyarrow", "pandas", "pyspark")}
"""The packages that a run with each engine needs."""


def not_installed(engine: str = "duckdb") -> list[str]:
    """Those of the packages that are not there."""
    return [package for package in ENGINES[engine] if find_spec(package) is None]
