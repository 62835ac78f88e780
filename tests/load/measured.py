"""The tables of ``docs/reliability.md``, ``docs/performance.md`` and ``docs/population.md``, from the raw results in
``docs/measured``.

``make measured``, or ``python -m tests.load.measured``, first takes up what the last runs have left.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.load.bench import page as bench_page
from tests.load.population import page as population_page
from tests.support.markdown import table
from tests.support.measured import KEPT, LEFT
from tests.support.places import ROOT

PAGES = {"soak": "reliability", "hostile": "reliability", "fuzz": "reliability", "bench": "performance"}
PAGES |= {"instructions": "performance", "population": "population", "population-spark": "population"}


def of_what(whole: Mapping[str, Any]) -> str:
    on = whole["machine"]
    return (
        f"Measured on {whole['on']} at commit `{whole['commit'][:12]}` on {on['cores']} cores ({on['processor']}), "
        f"{on['system']}, Python {on['python']}."
    )


def counted(statuses: Mapping[str, int]) -> str:
    return ", ".join(
        f"{status.replace('0', 'closed') if status == '0' else status}: {n:,}" for status, n in statuses.items()
    )


def soak(figures: Mapping[str, Any]) -> str:
    phases = figures["phases"]
    total = sum(phase["requests"] for phase in phases)
    told = (
        f"{total:,} requests at {figures['connections']} connections in {figures['seconds']:.0f} seconds. Acknowledged "
        f"entries of feedback that were lost: {figures['lost']} of {figures['acknowledged']:,}. "
    )
    if figures["most bytes of 1 GiB"]:
        told += (
            f"Under 1 GiB of memory at most {figures['most bytes of 1 GiB'] / 1e6:.0f} MB were taken, and "
            f"{figures['killed for want of memory']} processes were killed for want of it. "
        )
    told += "".join(f"Left out: {name}. " for name in figures["left out"])
    rows = [
        (
            " and ".join(phase["faults"]) or "none",
            f"{phase['requests']:,}",
            phase["wrong"],
            sum(phase["unexplained"].values()),
            f"{phase['recovery seconds']:.1f}",
            ", ".join(f"{what}: {times:,}" for what, times in sorted(phase["explained"].items())) or "-",
        )
        for phase in phases
    ]
    head = ("fault", "requests", "wrong cards", "unexplained answers", "recovery, s", "what the fault explains")
    return f"{told.strip()}\n\n{table(head, rows)}"


def hostile(figures: Mapping[str, Any]) -> str:
    normal = figures["seconds of a right call"]
    head = ("family", "calls", "CPU of a right call", "unexplained", "statuses")

    def row(one: Mapping[str, Any], normal: float) -> tuple[object, ...]:
        ratio = one["seconds"] / one["calls"] / normal
        return one["name"], f"{one['calls']:,}", f"{ratio:.2f}", len(one["unexplained"]), counted(one["statuses"])

    served = figures["on resources"]
    right = served["seconds of a right call"]
    refused = [row(one, right) for one in served["attacks"] if one["is refused"]]
    dear = [row(one, right) for one in served["attacks"] if not one["is refused"]]
    parts = [
        f"In the process, where a right call costs {normal * 1e3:.2f} ms of processor time:",
        table(head, [row(one, normal) for one in figures["families"]]),
        f"At a served process, where a right call costs {right * 1e3:.2f} ms:",
        table(head, refused),
        "What has to be inflated, counted or judged before it can be refused, and what is allowed and costs most:",
        table(head, dear),
    ]
    before, after = served["bytes of a worker"]
    parts.append(
        f"A worker held {before / 1e6:.0f} MB after right calls alone, and {after / 1e6:.0f} MB after these attacks."
    )
    if memory := served["under 1 GiB"]:
        parts.append(
            f"Under 1 GiB of memory, {memory['right']:,} right calls, as many as there are seconds in an hour, among "
            f"{memory['hostile']:,} hostile ones: {len(memory['wrong'])} of them were not answered with their card, "
            f"{memory['kills']} processes were killed for want of memory, and at most {memory['most'] / 1e6:.0f} MB "
            "were taken."
        )
    return "\n\n".join(parts)


def fuzz(figures: Mapping[str, Any]) -> str:
    targets = figures["targets"]
    rows = [(one["name"], f"{one['cases']:,}", f"{one['seconds']:.0f}", len(one["unexplained"])) for one in targets]
    total = sum(one["cases"] for one in targets)
    return f"{total:,} cases, seed {figures['seed']}.\n\n{table(('target', 'cases', 'seconds', 'finds'), rows)}"


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "soak": soak,
    "hostile": hostile,
    "fuzz": fuzz,
    "bench": bench_page.bench,
    "instructions": bench_page.instructions,
    "population": population_page.population,
    "population-spark": population_page.engines,
}


def page(text: str, kept: Path = KEPT) -> str:
    """A page with the tables of the results that are kept; a place without results stays as it is."""
    for name, made in TABLES.items():
        path = kept / f"{name}.json"
        if path.exists():
            whole = json.loads(path.read_text(encoding="utf-8"))
            told = made(whole["figures"])
            between = "\n\n" if told.startswith("|") else " "  # a table begins a paragraph
            inside = f"{of_what(whole)}{between}{told}"
            place = re.compile(rf"(<!-- {name}: make measured -->\n).*?(<!-- end -->)", re.S)
            text = place.sub(lambda match, inside=inside: f"{match[1]}{inside}\n{match[2]}", text)
    return text


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    for path in sorted(LEFT.glob("*.json")):
        shutil.copy(path, KEPT)
        print(f"docs/measured/{path.name}")
    for name in sorted(set(PAGES.values())):
        path = ROOT / "docs" / f"{name}.md"
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
