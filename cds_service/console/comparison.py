"""A comparison of two contents in a process of its own, so that no call waits for it: a proof, then the impact.

The child is this module, run by ``python -m`` (as in ``prove``), at a lower priority than the service. It is asked on
its standard input and says on its standard output how far it is and at last what came of it, a line of JSON each time.
It is ended after ``LONGEST_SECONDS``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.prove import fixtures_beside, prove
from cds_service.replay.cases import Case
from cds_service.replay.impact import ChangedAnswer, Impact, impact_of
from cds_service.replay.input_files import FileError
from cds_service.replay.run import ReplayResult
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from cds_service.vocabulary.problems import ProblemsError

LONGEST_SECONDS = 600
MOST_SHOWN = 40  # changes that are sent with their requests and cards; the others by name
_EVERY = 25  # things done between two lines that say how far it is
_NICENESS = 10
_KEY = b"the same key for both"

_T = TypeVar("_T")


class Contents(msgspec.Struct, frozen=True):
    """What is compared: the folders ``released`` and ``preview``, both under the overlay in the file ``site``.

    ``fixtures`` is the folder of the scenarios that come with this software; those beside ``preview`` are taken too.
    ``zone`` is the name of the hospital's time zone.
    """

    released: str
    preview: str
    site: str | None
    fixtures: str
    zone: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How far a comparison is: ``done`` of ``of`` scenarios of what ``doing`` says."""

    doing: str
    done: int = 0
    of: int = 0


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """What came of a comparison.

    ``problems`` are those that stand in the way of a release, as ``check`` says them. ``impact`` is ``None`` where one
    of the contents cannot be used; ``failure`` says what else went wrong.
    """

    problems: tuple[str, ...] = ()
    impact: Impact | None = None
    failure: str = ""


_line = msgspec.json.Decoder(Progress | Outcome)


class Comparison:
    """One comparison, under way from when it is made. ``about`` is whatever tells what it is of.

    ``progress`` is what was said last, and ``outcome`` is ``None`` until there is one. ``began`` is a reading of
    ``time.monotonic``, and ``seconds`` how long it took.
    """

    def __init__(self, contents: Contents, about: object) -> None:
        self.about = about
        self.began = time.monotonic()
        self.seconds = 0.0
        self.progress = Progress("Reading both contents")
        self.outcome: Outcome | None = None
        threading.Thread(target=self._follow, args=[contents], name="comparison", daemon=True).start()

    def _follow(self, contents: Contents) -> None:
        try:
            outcome = self._outcome_of(contents)
        except (OSError, msgspec.MsgspecError) as error:
            outcome = Outcome(failure=f"It could not be carried out: {type(error).__name__}.")
        self.seconds = time.monotonic() - self.began
        self.outcome = outcome

    def _outcome_of(self, contents: Contents) -> Outcome:
        """Starts the child and reads what it says, until it ends."""
        command = [sys.executable, "-m", "cds_service.console.comparison"]
        outcome = None
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None and child.stdout is not None  # noqa: S101  (they are pipes)
            end = threading.Timer(LONGEST_SECONDS, child.kill)
            end.daemon = True
            end.start()
            try:
                child.stdin.write(msgspec.json.encode(contents))
                child.stdin.close()
                for line in child.stdout:
                    told = _line.decode(line)
                    if isinstance(told, Progress):
                        self.progress = told
                    else:
                        outcome = told
            finally:
                end.cancel()
        return outcome or Outcome(failure=f"Its process ended with status {child.returncode} and said nothing.")


def _answer() -> None:
    """The child: reads from standard input what to compare, and writes to standard output what comes of it."""
    os.nice(_NICENESS)
    _say(_compared(msgspec.json.decode(sys.stdin.buffer.read(), type=Contents)))


def _say(told: Progress | Outcome) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


def _compared(contents: Contents) -> Outcome:
    preview, zone = Path(contents.preview), ZoneInfo(contents.zone)
    site = Path(contents.site) if contents.site else None
    own = fixtures_beside(preview)
    try:
        overlay = read_site(site)
        packs = [load_pack(folder, overlay) for folder in (Path(contents.released), preview)]
    except ProblemsError as error:
        return Outcome(tuple(map(str, sorted(error.problems))))
    proof = prove(
        preview,
        site=site,
        fixtures=own,
        zone=zone,
        to_lock=True,
        each=lambda scenarios: _told("Proving the preview by its own scenarios", list(scenarios)),
    )
    problems = tuple(map(str, proof.problems))
    old, new = (Prepared.of(pack, zone=zone, key=_KEY) for pack in packs)
    _say(Progress("Reading the scenarios"))
    try:
        cases = _cases([Path(contents.fixtures), *([own] if own else [])], old)
    except FileError as error:
        return Outcome(problems, failure=f"The scenarios cannot be read: {error}")
    impact = impact_of(old, new, _told("Answering every scenario by both contents", cases))
    return Outcome(problems, _sent(impact))


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
