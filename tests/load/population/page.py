"""The figures of ``make bench-population``, and those of the engines, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.markdown import table

_PARTS = ("reading", "sorting", "assembling and judging")
_MB = 1_000_000
_MOST_ABOVE_LIMIT, _MOST_OF_WORKER = 300, 180  # MB


def population(figures: Mapping[str, Any]) -> str:
    """The tables: microseconds of each part for a patient or an event, ratios with their goals, and whole runs."""
    patients = figures["patients"]
    told = f"{patients:,} patients, {figures['megabytes']:,.0f} MB of NDJSON."
    return "\n\n".join([told, _parts(figures), _ratios(figures), _whole(figures)])


def _parts(figures: Mapping[str, Any]) -> str:
    patients, panel, orders = figures["patients"], figures["parts"]["panel"], figures["parts"]["orders"]
    rows = [
        (name, f"{1e6 * panel[name] / patients:,.0f}", f"{1e6 * orders[name] / patients:,.0f}")
        for name in (*_PARTS, "judging alone")
    ]
    rows.append(("lines handed on", f"{panel['lines'] / patients:.1f}", f"{orders['lines'] / patients:.1f}"))
    rows.append(("rows", f"{panel['events']:,}", f"{orders['events']:,}"))
    return table(("µs of processor time for a patient", "charts opened once", "orders of a year"), rows)


def ratios(figures: Mapping[str, Any]) -> dict[str, float]:
    """What is compared with the goals."""
    panel, orders = figures["parts"]["panel"], figures["parts"]["orders"]
    one, two = figures["whole"]
    return {
        "assembling and judging": panel["assembling and judging"] / panel["judging alone"],
        "assembling and judging, orders": orders["assembling and judging"] / orders["judging alone"],
        "panel": everything(panel),
        "two workers": one["wall"] / two["wall"] / 2,
    }


def everything(parts: Mapping[str, float]) -> float:
    """What all parts of a run take, of what judging alone does."""
    return sum(parts[name] for name in _PARTS) / parts["judging alone"]


def _ratios(figures: Mapping[str, Any]) -> str:
    found = ratios(figures)
    two = figures["whole"][-1]
    speed = f"{found['two workers']:.2f}, its start included (load {two['load before']:.1f} before)"
    rounds = figures["parts"]["rounds"]
    panel = f"{found['panel']:.2f} ({min(rounds):.2f} to {max(rounds):.2f} in {len(rounds)} rounds)"
    largest = figures.get("large") or two | {"patients": figures["patients"]}
    limit = f"{largest['main megabytes']:,.0f} MB with a limit of {figures['memory limit']}"
    of = f"{largest['patients']:,} patients"
    rows = [
        ("assembling and judging, of judging: charts", f"{found['assembling and judging']:.2f}", "1.3 at most"),
        ("assembling and judging, of judging: orders", f"{found['assembling and judging, orders']:.2f}", "1.3 at most"),
        ("everything, of judging: charts", panel, "2.3 at most"),
        ("two workers, of twice one, by the clock", speed, "0.9 at least"),
        (f"memory of the main process, {of}", limit, f"the limit and {_MOST_ABOVE_LIMIT} MB"),
        (f"memory of a worker, {of}", f"{largest['worker megabytes']:,.0f} MB", f"{_MOST_OF_WORKER} MB at most"),
    ]
    return table(("ratio", "measured", "goal"), rows)


def _whole(figures: Mapping[str, Any]) -> str:
    runs = [(figures["patients"], f"{figures['megabytes']:,.0f}", run) for run in figures["whole"]]
    if large := figures.get("large"):
        runs.append((large["patients"], f"{large['megabytes compressed']:,.0f} compressed", large))
    rows = [
        (
            f"{patients:,}",
            size,
            run["workers"],
            f"{run['cpu']:,.0f}",
            f"{1e6 * run['cpu'] / patients:,.0f}",
            f"{run['wall']:,.0f} (load {run['load before']:.1f} before)",
            f"{run['main megabytes']:,.0f}",
            f"{run['worker megabytes']:,.0f}",
        )
        for patients, size, run in runs
    ]
    head = ("patients", "MB", "workers", "CPU, s", "µs a patient", "clock, s", "main, MB", "worker, MB")
    return table(head, rows)


def engines(figures: Mapping[str, Any]) -> str:
    """The table of what a run costs with each engine, the first of which is the measure of the others.

    Below it stands that of another export, where the figures have one as ``beside``.
    """
    tables = [_engines(each) for each in (figures, figures.get("beside")) if each]
    return "\n\n".join(tables)


def _engines(figures: Mapping[str, Any]) -> str:
    runs = figures["engines"]
    first = runs[0]["processor seconds"]
    size = f"{figures['bytes'] / _MB:,.0f} MB as gzip"
    told = f"{figures['patients']:,} patients, {figures['resources']:,} resources, {size}."
    rows = [
        (
            run["engine"],
            f"{run['processor seconds']:,.0f}",
            f"{run['processor seconds'] / first:.1f}",
            f"{run['seconds']:,.0f}, with a load of {run['load']:.0f}",
            f"{run['shuffle bytes'] / _MB:,.0f}",
            f"{run['rows that differ']:,}",
        )
        for run in runs
    ]
    head = ("engine", "CPU, s", "of the first", "clock, s", "MB between processes", "rows that differ")
    return f"{told}\n\n{table(head, rows)}"
