"""The figures of ``make bench`` and ``make instructions`` as they stand in ``docs/performance.md``."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from tests.load.bench.goals import (
    COUNTED,
    ECHO,
    FEEDBACK,
    INSERT,
    RAW,
    ROWS,
    SERVICE,
    START,
    STEPS,
    TOGETHER,
    UNDER_LOAD,
    WHOLE,
    Rounds,
    Row,
)
from tests.support.markdown import table

_HEAD = ("row", "1.2.0", "goal", "now", "measured as", "met")
_NOT_ASKED_FOR = "not measured in this run"


def bench(figures: Mapping[str, Any]) -> str:
    """What ``table.measure`` found: every row beside its goal, then more of those under load."""
    rows, left_out = figures["rows"], figures.get("left out", {})
    known = {row.name for row in (*ROWS, STEPS)}
    others = [Row(name) for name in (*rows, *left_out) if name not in known]
    goals = [
        _beside_goal(row, row.now(rows[row.name]), "")
        if row.name in rows
        else _beside_goal(row, None, left_out.get(row.name, _NOT_ASKED_FOR))
        for row in [*ROWS, *others]
    ]
    loaded = [_under_load(row, rows[row.name]) for row in [*UNDER_LOAD, *others] if row.name in rows]
    head = ("row", "CPU a call", "raw WSGI's CPU against echo's", "calls a second against echo", "p50, p99")
    parts = [table(_HEAD, goals), table(head, loaded) if loaded else "", " ".join(_sentences(figures))]
    parts.append(
        _steps(rows[STEPS.name]) if STEPS.name in rows else _no_steps(left_out.get(STEPS.name, _NOT_ASKED_FOR))
    )
    return "\n\n".join(filter(None, parts))


def instructions(figures: Mapping[str, Any]) -> str:
    """What ``instructions.count`` found."""
    counts = figures["instructions"]
    return table(
        _HEAD,
        [
            _beside_goal(row, counts[row.name] / 1e6, "")
            if row.name in counts
            else _beside_goal(row, None, "not counted")
            for row in COUNTED.values()
        ],
    )


def _beside_goal(row: Row, now: float | None, why_not: str) -> tuple[str, ...]:
    goal = "-" if row.goal is None else f"{'at least ' if row.is_least else ''}{row.goal:g}"
    before = "-" if row.before is None else f"{row.before:g}"
    if now is None:
        return row.name, before, goal, "-", row.unit, f"left out: {why_not}"
    return row.name, before, goal, f"{now:.3g}", row.unit, row.met(now)


def _under_load(row: Row, rounds: Rounds) -> tuple[str, ...]:
    mine, echo, raw = (rounds[who] for who in (SERVICE, ECHO, RAW))

    def middle(figure: str) -> float:
        return statistics.median(one[figure] for one in mine)

    cpu = statistics.median(a["cpu_ms"] / b["cpu_ms"] for a, b in zip(raw, echo, strict=True))
    rate = statistics.median(a["per_second"] / b["per_second"] for a, b in zip(mine, echo, strict=True))
    times = f"{middle('p50'):.1f}, {middle('p99'):.0f} ms"
    return row.name, f"{middle('cpu_ms'):.2f} ms", f"{cpu:.2f}", f"{rate:.2g}", times


def _steps(rounds: Rounds) -> str:
    bodies = list(next(iter(rounds.values()))[0])

    def spent(step: str, body: str) -> float:
        return statistics.median(one[body] for one in rounds[step])

    def cells(step: str) -> Iterator[str]:
        for body in bodies:
            yield f"{spent(step, body):,.0f} µs"
            yield f"{spent(step, body) / spent(WHOLE, body):.0%}"

    head = ["step, in a loop", *(column for body in bodies for column in (body, "of the whole call"))]
    return table(head, [(step, *cells(step)) for step in rounds])


def _no_steps(why: str) -> str:
    return f"The steps of a call are left out: {why}."


def _sentences(figures: Mapping[str, Any]) -> list[str]:
    rows, memory = figures["rows"], figures["memory"]
    found = []
    if memory:
        before, after = (max(memory[when]) for when in ("before", "after"))
        found.append(f"A worker had {before:.0f} MB before the load and {after:.0f} MB after it.")
    if START.name in rows:
        mine, echo = (statistics.median(one["seconds"] for one in rows[START.name][who]) for who in (SERVICE, ECHO))
        found.append(f"From the start to the first answer took {mine:.1f} s, and {echo:.1f} s for echo.")
    if FEEDBACK.name in rows:
        bare, alone, together = (
            statistics.median(one["per_second"] for one in rows[FEEDBACK.name][who])
            for who in (INSERT, SERVICE, TOGETHER)
        )
        found.append(
            f"In a second, {alone:,.0f} calls with feedback were acknowledged one after another and {together:,.0f} by "
            f"four clients at once, where {bare:,.0f} bare inserts reached the disk."
        )
    return found
