"""The scenarios of files: stories of ``fixtures/scenarios``, and the moments of the courses of ``fixtures/courses``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.replay.courses import course_of
from cds_service.replay.scenario import DEFAULT_NOW, Scenario, dated, merged

# The scenario for those who have not chosen one. Its patient is far from every threshold, so that one may be moved.
SAMPLE = "platelets-and-im/sample"
_COURSES = "courses"


def read_scenarios(fixtures: Path, paths: Iterable[Path] = ()) -> Iterator[Scenario]:
    """The scenarios of the given files or folders; of all stories and courses of ``fixtures`` if none are given.

    Patients and drafts are read from folders beside that of the file, if they are there, otherwise from ``fixtures``.

    Raises:
        ValueError: a file holds no scenarios, or names a patient or draft that is not there.
    """
    files: list[Path] = []
    for path in list(paths) or [fixtures / "scenarios", *(path for path in [fixtures / _COURSES] if path.is_dir())]:
        files.extend(sorted(path.glob("*.yaml")) if path.is_dir() else [path])
    for file in files:
        try:
            story = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{file}: {error}") from None
        beside = file.resolve().parent.parent
        home = beside if (beside / "patients").is_dir() else fixtures
        if isinstance(story, dict) and "course" in story:
            yield from course_of(home, file, story).scenarios
            continue
        if not isinstance(story, dict) or not isinstance(story.get("cases"), list):
            raise ValueError(f"{file}: not a story of scenarios: it has no list of cases")
        for case in story["cases"]:
            try:
                yield _scenario(home, file, story, case)
            except (FileNotFoundError, KeyError) as error:
                missing = error.filename if isinstance(error, FileNotFoundError) else error
                raise ValueError(f"{file}: {case.get('name', '?')}: not there: {missing}") from None


def is_of_course(scenario: Scenario) -> bool:
    """Whether a scenario of ``fixtures`` is a moment of a course, and no case of a story."""
    return scenario.path.parent.name == _COURSES


def _scenario(fixtures: Path, file: Path, story: Mapping[str, Any], case: Mapping[str, Any]) -> Scenario:
    def setting(key: str, default: Any = None) -> Any:
        return case.get(key, story.get(key, default))

    now = datetime.fromisoformat(setting("now", DEFAULT_NOW))
    patient = setting("patient")
    bundle = json.loads((fixtures / "patients" / f"{patient}.json").read_text(encoding="utf-8"))
    resources = {f"{r['resourceType']}/{r['id']}": r for r in (entry["resource"] for entry in bundle["entry"])}
    for name in setting("record", []):
        entry = (fixtures / "records" / f"{name}.json").read_text(encoding="utf-8").replace("{{patientId}}", patient)
        added = dated(json.loads(entry), now)
        resources[f"{added['resourceType']}/{added['id']}"] = added
    for reference in case.get("remove", []):
        del resources[reference]
    for reference, change in case.get("change", {}).items():
        resources[reference] = merged(resources[reference], dated(change, now))
    for added in dated(case.get("add", []), now):
        resources[f"{added['resourceType']}/{added['id']}"] = added
    names = setting("draft", [])
    drafts = []
    for index, name in enumerate([names] if isinstance(names, str) else names):
        draft = json.loads((fixtures / "drafts" / f"{name}.json").read_text(encoding="utf-8"))
        draft["id"] = f"draft-{index + 1}"
        draft["subject"] = {"reference": f"Patient/{patient}"}
        drafts.append(merged(draft, dated(case.get("draft-change", {}), now)) if index == 0 else draft)
    selected = case.get("select") or range(1, len(drafts) + 1)
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
    )
