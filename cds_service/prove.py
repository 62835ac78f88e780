"""Is this content fit to be served? The verb ``check`` asks it, and a running service before it takes up new content.

A service asks in a process of its own (``prove_in_child``), because a proof takes seconds of work and imports
fhir.resources, which a serving process never does (Z27). The child is this module, run by ``python -m``. A child of
``multiprocessing`` would import the server's own main module a second time, and the workers of some servers are
daemons, which may not have such children.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from cds_service.content.files import problem_at, repeated_keys
from cds_service.content.load import compiled, read_pack
from cds_service.content.model import Pack
from cds_service.content.packs import HEAD, content_files, pack_folder
from cds_service.content.places import KINDS, WAITS, changelog_of, files_without_place
from cds_service.content.prepared import Prepared
from cds_service.content.proof.consistency import problems_within
from cds_service.content.proof.hazard_rows import problems_of_evidence, without_controls
from cds_service.content.proof.marks import problems_of_marks
from cds_service.content.proof.numbers import differing_limits
from cds_service.content.proof.switched_off import told_no_more
from cds_service.content.proof.valid_fhir import fhir_faults
from cds_service.content.proof.versions import lock_problems, version_problems
from cds_service.content.reviews import ReviewState
from cds_service.content.site import Site, read_site
from cds_service.content.site_parts import Names, divided, names_of, with_others
from cds_service.replay.expectations import missing_card
from cds_service.replay.input_files import FileError, read_json
from cds_service.replay.named_files import DRAFT, PATIENT, RECORD
from cds_service.replay.run import Fire, in_process
from cds_service.replay.scenario import DEFAULT_NOW, Scenario, dated
from cds_service.replay.scenario_faults import cards_never_shown, keys_not_asked_for
from cds_service.replay.scenarios import read_scenarios
from cds_service.replay.stories import read_stories
from cds_service.vocabulary.problems import Problem, ProblemsError

_KEY = b"no uuid is looked at"
_LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ContentProof:
    """What a proof came to. Content without ``problems`` is fit to be served.

    ``pack`` is what was proved, from its ``folder`` and under its part of the overlay, ``site``; ``None`` if it could
    not even be loaded.
    """

    problems: tuple[Problem, ...]
    folder: Path
    pack: Pack | None = None
    site: Site = field(default_factory=Site)

    def remarks(self, today: date) -> list[Problem]:
        """What keeps nothing from being served, and what a reader of the proof has to know all the same: reviews that
        have expired on the day ``today``, what nobody is told any more because the site has switched it off, hazards
        that lose a control by that, and limits of the hospital that differ between decisions (Z15, Z31, Z78).
        """
        if self.pack is None:
            return []
        standings = [(self.folder / HEAD, self.pack.standing(today))]
        standings += [(decision.path, decision.standing(today)) for decision in self.pack.decisions.values()]
        expired = [
            problem_at(path, ("review", "next-review"), "review", standing.note)
            for path, standing in standings
            if standing.state is ReviewState.EXPIRED
        ]
        off = [*told_no_more(self.pack, self.site), *without_controls(self.pack, self.site)]
        return sorted([*expired, *off, *differing_limits(self.pack)])


def prove(
    place: Path,
    *,
    site: Path | None,
    fixtures: Path | None,
    zone: tzinfo,
    to_lock: bool = False,
    beside: Iterable[Path] = (),
    each: Callable[[Iterable[Scenario]], Iterable[Scenario]] = iter,
) -> ContentProof:
    """The proof of a pack, in its own folder or alone in a content folder, under the overlay in the file ``site``;
    problems sort by file and line.

    If nothing else is wrong, the scenarios in the folder ``fixtures``, those of courses too, are answered in the time
    zone ``zone``. They are of the content as it stands, not of one site, so that an overlay leaves them out.
    ``to_lock`` asks whether the content may be locked instead of whether it is; then the scenarios are answered
    whatever the overlay. ``beside`` are the folders of the packs that are served with it: parts of the overlay may be
    theirs. Who wants to know how far the proof is passes on the scenarios by ``each``.
    """
    folder = place
    try:
        folder = pack_folder(place)
        pack_files, overlay = read_pack(folder), read_site(site)
        marks = list(problems_of_marks(pack_files))
        names, unread = read_names(beside) if site is not None else ({}, [])
        own = pack_files.head["id"]
        overlay = divided(overlay, with_others(own, names_of(pack_files), names), unread)[own]
        pack = compiled(pack_files, overlay)
        plain = compiled(pack_files, Site()) if to_lock and overlay.digest else pack
    except ProblemsError as error:
        return ContentProof(tuple(sorted([*error.problems, *_problems_of_files(folder)])), folder)
    scenarios, unreadable = _read(fixtures)
    problems = sorted(
        [
            *_problems_of_files(folder),
            *marks,
            *(version_problems(folder, pack) if to_lock else lock_problems(folder, pack)),
            *problems_within(pack, folder),
            *_waiting_in_changelog(folder),
            *_missing_evidence(pack, folder, scenarios),
            *_missing_sample(pack, folder, scenarios),
        ]
    )
    if not problems and (to_lock or not overlay.digest):
        invalid = list(_invalid_resources(fixtures)) if fixtures is not None else []
        problems = invalid or unreadable or list(_scenarios_that_differ(plain, each(scenarios or []), zone))
    return ContentProof(tuple(problems), folder, pack, overlay)


def prove_in_child(
    place: Path, *, site: Path | None, fixtures: Path | None, zone: str, beside: Iterable[Path] = ()
) -> tuple[Problem, ...]:
    """The problems of ``prove``, found in a process of its own; one that fails or takes too long is a problem too.

    ``zone`` is the name of the time zone.
    """
    asked = {
        "place": str(place),
        "site": _name(site),
        "fixtures": _name(fixtures),
        "zone": zone,
        "beside": [str(folder) for folder in beside],
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cds_service.prove"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (Problem(place, 1, "proof", f"took longer than {_LONGEST_SECONDS} seconds"),)
    if done.returncode != 0:
        return (Problem(place, 1, "proof", f"ended with {done.returncode}"),)
    return tuple(Problem(Path(path), line, kind, text) for path, line, kind, text in json.loads(done.stdout))


def _answer() -> None:
    """The child: reads from standard input what to prove, writes the problems to standard output, both as JSON."""
    asked = json.load(sys.stdin)
    proof = prove(
        Path(asked["place"]),
        site=_path(asked["site"]),
        fixtures=_path(asked["fixtures"]),
        zone=ZoneInfo(asked["zone"]),
        beside=map(Path, asked["beside"]),
    )
    json.dump([[str(problem.path), problem.line, problem.kind, problem.text] for problem in proof.problems], sys.stdout)


def _name(path: Path | None) -> str | None:
    return str(path) if path is not None else None


def _path(name: str | None) -> Path | None:
    return Path(name) if name is not None else None


def read_names(folders: Iterable[Path]) -> tuple[dict[str, Names], list[str]]:
    """What the packs in these folders call their things, by pack, and the ids of those that cannot be read."""
    names, unread = {}, []
    for folder in folders:
        try:
            names[folder.name] = names_of(read_pack(folder))
        except ProblemsError:
            unread.append(folder.name)
    return names, unread


def _problems_of_files(folder: Path) -> Iterator[Problem]:
    """Keys that stand twice in a file, and files that nothing reads."""
    if not (folder / HEAD).is_file():
        return
    for path in content_files(folder):
        yield from repeated_keys(path)
    for path in files_without_place(folder):
        yield Problem(path, 1, "unread", f"nothing reads this file; it can be called {', '.join(KINDS)}")


def _waiting_in_changelog(folder: Path) -> Iterator[Problem]:
    """Lines of the changelog of a pack that still wait for a sentence on what changed."""
    path, is_own = changelog_of(folder), False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.is_file() else (), 1):
        if line.startswith("#"):
            is_own = line.startswith(f"### Content: {folder.name} ")
        elif is_own and line.endswith(WAITS):
            yield Problem(path, number, "changelog", "say what changed, for whom, and why, in place of these words")


def _read(fixtures: Path | None) -> tuple[list[Scenario] | None, list[Problem]]:
    """The scenarios, ``None`` where there are none to read, and why they cannot be read."""
    if fixtures is None or not fixtures.is_dir():
        return None, []
    try:
        scenarios = list(read_scenarios(fixtures))
        read_stories(fixtures, {scenario.name: scenario for scenario in scenarios})
        return scenarios, []
    except FileError as error:
        return None, [Problem(Path(error.name), error.line or 1, "fixture", error.text)]


def _missing_sample(pack: Pack, folder: Path, scenarios: Sequence[Scenario] | None) -> Iterator[Problem]:
    """A sample that is no scenario."""
    if pack.sample and scenarios is not None and pack.sample not in {scenario.name for scenario in scenarios}:
        yield problem_at(folder / HEAD, ("sample",), "fixture", f"there is no scenario {pack.sample!r}")


def _missing_evidence(pack: Pack, folder: Path, scenarios: Sequence[Scenario] | None) -> Iterator[Problem]:
    """Evidence of the hazard log that is not there. Tests are looked for where the content stands in its project."""
    names = {scenario.name for scenario in scenarios} if scenarios is not None else None
    root = folder.resolve().parent.parent
    is_project = (root / "tests").is_dir()
    yield from problems_of_evidence(pack, folder, names, root if is_project else None)


def _scenarios_that_differ(pack: Pack, scenarios: Iterable[Scenario], zone: tzinfo) -> Iterator[Problem]:
    """Every difference between what a scenario expects and what it is answered, and what can never be answered so."""
    fire = in_process(Prepared.of(pack, zone=zone, key=_KEY))
    for scenario in scenarios:
        case = scenario.name.rpartition("/")[2]
        unknown, never = list(keys_not_asked_for(pack, scenario)), cards_never_shown(pack, scenario)
        missing = {missing_card(topic) for topic in never}
        differing = [] if unknown else [text for text in _differences(fire, scenario) if text not in missing]
        for text in (*unknown, *never.values(), *differing):
            yield Problem(scenario.path, scenario.line, "fixture", f"{case}: {text}")


def _differences(fire: Fire, scenario: Scenario) -> list[str]:
    """How the answer differs; or that there is none, because a change made something else of the record."""
    try:
        return fire(scenario).differences
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"it cannot be answered as it is written: {type(error).__name__}: {error}"]


def _invalid_resources(fixtures: Path) -> Iterator[Problem]:
    """What keeps patients, drafts and records from being valid FHIR. Scenarios about what is not valid say so
    themselves (``change``, ``add``, ``draft-change``, ``prefetch``), and their files are valid.
    """
    for kind in (PATIENT, DRAFT, RECORD):
        for path in sorted((fixtures / f"{kind}s").glob("*.json")):
            try:
                resource = dated(read_json(path), datetime.fromisoformat(DEFAULT_NOW))
            except FileError as error:
                yield Problem(path, error.line or 1, "fixture", error.text)
                continue
            for fault in fhir_faults(resource) if isinstance(resource, dict) else ():
                yield problem_at(path, fault.place, "fixture", f"not valid FHIR R4: {fault}")


if __name__ == "__main__":
    _answer()
