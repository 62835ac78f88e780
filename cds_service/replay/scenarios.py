"""The scenarios of files: stories of ``fixtures/scenarios``, and the moments of the courses of ``fixtures/courses``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.content.files import schema_data
from cds_service.content.nearest import instead
from cds_service.content.places import SCENARIO
from cds_service.content.schema_keys import described
from cds_service.fhir.order_types import subject_element
from cds_service.replay.courses import SHAPES, check_expected, check_shapes, course_of
from cds_service.replay.input_files import FileError, parsed_json, read_json, read_text, read_yaml
from cds_service.replay.named_files import DRAFT, PATIENT, RECORD, named_file
from cds_service.replay.scenario import DEFAULT_NOW, Scenario, dated, merged

_COURSES = "courses"
# What can stand in a story, in one of its cases, and in a card that is expected: ways in the schema of scenarios.
_STORY, _CASE, _CARD = (), ("cases", "[]"), ("cases", "[]", "expect", "[]")
_SHAPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **SHAPES,
    "story": ((str,), "a title"),
    "patient": ((str,), "a name"),
    "draft": ((str, list), "a name or a list"),
    "record": ((list,), "a list"),
    "remove": ((list,), "a list"),
    "add": ((list,), "a list"),
    "change": ((dict,), "names and values"),
}


def read_scenarios(fixtures: Path, paths: Iterable[Path] = ()) -> Iterator[Scenario]:
    """The scenarios of the given files or folders; of all stories and courses of ``fixtures`` if none are given, where
    there may be none.

    Patients and drafts are read from folders beside that of the file, if they are there, otherwise from ``fixtures``.

    Raises:
        FileError: a file holds no scenarios, or names a patient or draft that is not there, or two are called alike.
        OSError: a file cannot be read.
    """
    files: list[Path] = []
    for path in list(paths) or [folder for name in ("scenarios", _COURSES) if (folder := fixtures / name).is_dir()]:
        files.extend(sorted(path.glob("*.yaml")) if path.is_dir() else [path])
    named: dict[tuple[Path, str], str] = {}
    for file in files:
        for scenario in _read_file(fixtures, file):
            first = named.setdefault((file.resolve().parent.parent, scenario.name), scenario.where)
            if first != scenario.where:
                case = scenario.name.rpartition("/")[2]
                where = (
                    f"on line {first.rpartition(':')[2]}"
                    if first.startswith(f"{file}:")
                    else f"in {'/'.join(Path(first).parts[-2:])}"
                )
                raise FileError(file, f"{case}: another case {where} has this name; each needs its own", scenario.line)
            yield scenario


def _read_file(fixtures: Path, file: Path) -> Iterator[Scenario]:
    """The scenarios of one file, in order.

    Raises:
        FileError: it holds none, or one cannot be read.
        OSError: the file cannot be read.
    """
    written = read_yaml(file)
    story = written.tree
    beside = file.resolve().parent.parent
    home = beside if (beside / "patients").is_dir() else fixtures
    if isinstance(story, dict) and "course" in story:
        yield from course_of(home, file, story, written.lines_of("moments")).scenarios
        return
    if not isinstance(story, dict) or not isinstance(story.get("cases"), list):
        raise FileError(file, "not a story of scenarios: it has no list of cases", 1)
    if text := _unknown_key(story, _STORY):
        raise FileError(file, text, 1)
    for line, case in zip(written.lines_of("cases"), story["cases"], strict=True):
        yield replace(_read(home, file, line, story, case), line=line)


def is_of_course(scenario: Scenario) -> bool:
    """Whether a scenario of ``fixtures`` is a moment of a course, and no case of a story."""
    return scenario.path.parent.name == _COURSES


def _read(home: Path, file: Path, line: int, story: Mapping[str, Any], case: Any) -> Scenario:
    """The scenario that a case of a story is.

    Raises:
        FileError: it cannot be read as it is written.
    """
    if not isinstance(case, dict):
        raise FileError(file, "a case is names and values, such as name, why and expect", line)
    name = case.get("name", "a case without a name")
    try:
        check_shapes({**story, **case}, _SHAPES)
        if text := _unknown_key(case, _CASE):
            raise ValueError(text)
        scenario = _scenario(home, file, story, case)
        _check(scenario.expect)
        return scenario
    except FileError:
        raise
    except FileNotFoundError as error:
        raise FileError(file, f"{name}: not there: {error.filename}", line) from None
    except KeyError as error:
        raise FileError(file, f"{name}: not there: {error}", line) from None
    except ValueError as error:
        raise FileError(file, f"{name}: {error}", line) from None
    except (AttributeError, IndexError, TypeError) as error:  # of a shape that no sentence foresees
        raise FileError(file, f"{name}: cannot be read as it is written: {error}", line) from None


def _unknown_key(said: Mapping[str, Any], way: tuple[str, ...]) -> str:
    """What to say of a key that cannot stand there, such as one that is misspelled; ``""`` if there is none."""
    known = _keys_below(way)
    return next((f"{key!r} is no key here{instead(str(key), known, 'keys')}" for key in said if key not in known), "")


@cache
def _keys_below(way: tuple[str, ...]) -> tuple[str, ...]:
    keys = described(schema_data(SCENARIO))
    return tuple(key[-1] for key, _ in keys if key[:-1] == way)


def _check(expect: Any) -> None:
    """Refuses what no answer can be compared with.

    Raises:
        ValueError: it is neither a list of cards nor an error.
    """
    if isinstance(expect, dict) and isinstance(expect.get("status"), int):
        check_expected(expect)
        return
    cards: list[Any] = expect if isinstance(expect, list) else [None]
    if not all(isinstance(card, dict) and {"topic", "indicator"} <= card.keys() for card in cards):
        raise ValueError("expect is a list of cards, each with topic and indicator, or an error with its status")
    for card in cards:
        if text := _unknown_key(card, _CARD):
            raise ValueError(f"expect: {text}")
    check_expected(cards)


def _on_record(reference: str, resources: Mapping[str, Any]) -> None:
    """Refuses to change what is not there.

    Raises:
        ValueError: the patient has no such resource.
    """
    if reference not in resources:
        raise ValueError(f"the patient has no {reference!r}{instead(str(reference), resources, 'resources')}")


def _scenario(fixtures: Path, file: Path, story: Mapping[str, Any], case: Mapping[str, Any]) -> Scenario:
    def setting(key: str, default: Any = None) -> Any:
        return case.get(key, story.get(key, default))

    try:
        now = datetime.fromisoformat(setting("now", DEFAULT_NOW))
    except (TypeError, ValueError):
        raise ValueError(f"now is a time such as {DEFAULT_NOW}, not {setting('now')!r}") from None
    patient = setting("patient")
    file_of_patient = named_file(fixtures, PATIENT, patient)
    bundle = read_json(file_of_patient)
    if not isinstance(bundle, dict) or "entry" not in bundle:
        raise ValueError(f"patients/{file_of_patient.name} is no Bundle with the resources of the patient in its entry")
    resources = {f"{r['resourceType']}/{r['id']}": r for r in (entry["resource"] for entry in bundle["entry"])}
    for name in setting("record", []):
        record = named_file(fixtures, RECORD, name)
        added = dated(parsed_json(read_text(record).replace("{{patientId}}", patient), str(record)), now)
        resources[f"{added['resourceType']}/{added['id']}"] = added
    for reference in case.get("remove", []):
        _on_record(reference, resources)
        del resources[reference]
    for reference, change in case.get("change", {}).items():
        _on_record(reference, resources)
        if not isinstance(change, dict):
            raise ValueError(f"change: {reference} is written as names and values, not as {type(change).__name__}")
        resources[reference] = merged(resources[reference], dated(change, now))
    for added in dated(case.get("add", []), now):
        resources[f"{added['resourceType']}/{added['id']}"] = added
    names = setting("draft", [])
    drafts = []
    for index, name in enumerate([names] if isinstance(names, str) else names):
        draft = read_json(named_file(fixtures, DRAFT, name))
        draft["id"] = f"draft-{index + 1}"
        draft[subject_element(draft["resourceType"])] = {"reference": f"Patient/{patient}"}
        drafts.append(merged(draft, dated(case.get("draft-change", {}), now)) if index == 0 else draft)
    selected = case.get("select") or range(1, len(drafts) + 1)
    if not all(isinstance(number, int) and 1 <= number <= len(drafts) for number in selected):
        raise ValueError(f"select names drafts by number, 1 to {len(drafts)}")
    without = setting("without", [])
    return Scenario(
        name=f"{file.stem}/{case['name']}",
        path=file,
        hook=setting("hook", "order-select"),
        now=now,
        patient=patient,
        resources=list(resources.values()),
        drafts=drafts,
        selections=[f"{drafts[n - 1]['resourceType']}/{drafts[n - 1]['id']}" for n in selected],
        without=frozenset([without] if isinstance(without, str) else without),
        prefetch=case.get("prefetch", {}),
        in_process_only=case.get("in-process-only", False),
        expect=case["expect"],
        why=case.get("why", ""),
        statements=tuple(story.get("statements", ())),
        story=story.get("story", ""),
    )
