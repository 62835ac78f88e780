"""The process that compares two contents for ``comparison``, at a lower priority than the service.

It is apart from that module because a serving process never imports what a proof needs (Z27).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from cds_service.console.comparison import Compared, Contents, Progress
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.packs import own_fixtures, pack_folder
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.prove import prove, read_names
from cds_service.replay.cases import Case
from cds_service.replay.impact import ChangedAnswer, Impact, impact_of
from cds_service.replay.input_files import FileError
from cds_service.replay.run import ReplayResult
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from cds_service.vocabulary.problems import ProblemsError

MOST_SHOWN = 40  # changes that are sent with their requests and cards; the others by name
_EVERY = 25  # scenarios between two lines that say how far it is
_NICENESS = 10
_KEY = b"the same key for both"

_T = TypeVar("_T")


def _answer() -> None:
    """Reads from standard input what to compare, and writes to standard output what comes of it."""
    os.nice(_NICENESS)
    _say(_compared(msgspec.json.decode(sys.stdin.buffer.read(), type=Contents)))


def _say(told: Progress | Compared) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


def _compared(contents: Contents) -> Compared:
    preview, zone = Path(contents.preview), ZoneInfo(contents.zone)
    site = Path(contents.site) if contents.site else None
    beside = [Path(folder) for folder in contents.beside]
    try:
        own = own_fixtures(pack_folder(preview))
        overlay = read_site(site)
        names, unread = read_names(beside) if site else ({}, [])
        packs = [
            load_pack(folder, overlay, others=names, unread=unread) for folder in (Path(contents.released), preview)
        ]
    except ProblemsError as error:
        return Compared(tuple(map(str, sorted(error.problems))))
    proof = prove(
        preview,
        site=site,
        fixtures=own,
        zone=zone,
        to_lock=True,
        beside=beside,
        each=lambda scenarios: _told("Proving the preview by its own scenarios", list(scenarios)),
    )
    problems = tuple(map(str, proof.problems))
    old, new = (Prepared.of(pack, zone=zone, key=_KEY) for pack in packs)
    _say(Progress("Reading the scenarios"))
    try:
        cases = _cases([Path(contents.fixtures), *([own] if own else [])], old)
    except FileError as error:
        return Compared(problems, failure=f"The scenarios cannot be read: {error}")
    impact = impact_of(old, new, _told("Answering every scenario by both contents", cases))
    return Compared(problems, _sent(impact))


def _cases(folders: Sequence[Path], prepared: Prepared) -> list[Case]:
    """The scenarios and courses of all folders; one that stands alike in two of them is taken once."""
    templates = {service.hook: templates_of(prepared.pack, service) for service in prepared.pack.services.values()}
    cases: dict[tuple[object, ...], Case] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for scenario in read_scenarios(folder):
            sent = encode(scenario.request(templates.get(scenario.hook, {})))
            cases.setdefault((scenario.name, scenario.now, scenario.profile, sent), scenario)
    return list(cases.values())


def _told(doing: str, items: Sequence[_T]) -> Iterator[_T]:
    """``items``, while it is said how far they are."""
    for done, item in enumerate(items):
        if done % _EVERY == 0:
            _say(Progress(doing, done, len(items)))
        yield item


def _sent(impact: Impact) -> Impact:
    """The impact as it is sent: plain JSON, and only the gravest changes whole."""
    seen = [change.name for change in impact.changes if change.kinds != ("words",)]
    shown = set(seen[:MOST_SHOWN])
    return replace(impact, changes=[_sent_change(change, whole=change.name in shown) for change in impact.changes])


def _sent_change(change: ChangedAnswer, *, whole: bool) -> ChangedAnswer:
    def sent(result: ReplayResult) -> ReplayResult:
        if not whole:
            return replace(result, request={}, cards=[], differences=[])
        return replace(result, request=json.loads(encode(result.request)))

    return replace(change, old=sent(change.old), new=sent(change.new))


if __name__ == "__main__":
    _answer()
