"""Courses: a patient's life over months as a list of dated moments, written in ``fixtures/courses``.

Each moment at which a hook fires becomes a ``Scenario`` named ``course/moment``; its record is everything that stands
above it and is dated up to it, so that whatever takes scenarios takes courses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cds_service.fhir.order_types import subject_element, written_element
from cds_service.replay.course_record import RECORDED, Moment, Record, change, only, record_moment, reference, sign
from cds_service.replay.input_files import FileError, read_json, read_yaml
from cds_service.replay.named_files import DRAFT, PATIENT, named_file
from cds_service.replay.scenario import Scenario, dated, merged
from cds_service.replay.short_forms import DOSE_KEYS, iso, short_forms

_HEAD = ("course", "statements", "patient", "person", "begins", "moments")
_WHEN = ("name", "on", "at", "why")
_FACT_KEYS = (*_WHEN, *RECORDED, "with", "times", "every", "days")
_SCENARIO_KEYS = ("hook", "draft", "draft-change", "select", "without", "prefetch", "in-process-only", "statements")
_HOOK_KEYS = (*_WHEN, *_SCENARIO_KEYS, "expect", "accept", "leaves")
_HOOKS = ("order-select", "order-sign", "patient-view")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_AS_DRAFTED = "draft"
_DRAFTED_FROM = ("file", "order", "renews")


SHAPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "draft-change": ((dict,), "names and values"),
    "with": ((dict,), "names and values"),
    "prefetch": ((dict,), "names and values"),
    "select": ((list,), "a list"),
    "statements": ((list,), "a list"),
    "without": ((str, list), "a name or a list"),
    "in-process-only": ((bool,), "true or false"),
    "name": ((str,), "a word"),
}


_EXPECTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("topic", "indicator", "selection"), ((str,), "a word")),
    **dict.fromkeys(("suggestions", "recommended", "says", "says-not", "names"), ((list,), "a list")),
}


@dataclass(frozen=True, slots=True)
class Course:
    """One course: its scenarios in order, and the whole record as it is when everything has happened.

    ``accepted`` says, by the name of a scenario, what was done: ``draft``, or the label of the suggestion; and
    ``left`` the orders that were then on record.
    """

    name: str
    title: str
    path: Path
    patient: str
    begins: date
    ends: date
    scenarios: tuple[Scenario, ...]
    record: tuple[Mapping[str, Any], ...]
    accepted: Mapping[str, str]
    left: Mapping[str, Sequence[Mapping[str, Any]]]


def read_courses(fixtures: Path) -> list[Course]:
    """Every course of ``fixtures/courses``; none if there is no such folder.

    Raises:
        FileError: a course cannot be read; the message says the file, the line, the moment and what is wrong.
    """
    courses = []
    for file in sorted((fixtures / "courses").glob("*.yaml")):
        written = read_yaml(file)
        courses.append(course_of(fixtures, file, written.tree, written.lines_of("moments")))
    return courses


def course_of(fixtures: Path, file: Path, tree: Any, lines: Sequence[int] = ()) -> Course:
    """The course that a file holds as ``tree``; patients, drafts and short forms are those of ``fixtures``.

    ``lines`` are those on which its moments begin, if they are known.

    Raises:
        FileError: as ``read_courses``.
    """
    line, where = 0, "head"
    try:
        writer = _Writer(fixtures, file, _mapping(iso(tree), "a course"), lines)
        for number, said in enumerate(writer.moments, 1):
            line, where = (lines[number - 1] if lines else 0), f"moment {number}"
            said = _with_on(_mapping(said, "a moment"))
            where = str(said.get("name") or f"{where} (on {said.get('on', '?')})")
            check_shapes(said, SHAPES)
            writer.take(number, said)
        line, where = 0, "moments"
        return writer.course()
    except FileError:
        raise
    except FileNotFoundError as error:
        raise FileError(file, f"{where}: not there: {error.filename}", line) from None
    except (AttributeError, KeyError, TypeError) as error:  # of a shape that no sentence foresees
        raise FileError(file, f"{where}: cannot be read as it is written: {error}", line) from None
    except ValueError as error:
        raise FileError(file, f"{where}: {error}", line) from None


class _Writer:
    """Goes through a course from the first moment to the last."""

    def __init__(self, fixtures: Path, file: Path, head: Mapping[str, Any], lines: Sequence[int]) -> None:
        only(head, _HEAD, "the head of a course")
        self._fixtures = fixtures
        self._file = file
        self._lines = lines
        self._title = str(_needed(head, "course"))
        self._statements = tuple(head.get("statements", ()))
        self._begins = _day(_needed(head, "begins"), None)
        self.moments = _needed(head, "moments")
        if not isinstance(self.moments, list) or not self.moments:
            raise ValueError("moments are a list, and there is at least one")
        forms = short_forms(fixtures)
        if ("patient" in head) == ("person" in head):
            raise ValueError("a course has either a patient, a file of patients/, or a person")
        if "patient" in head:
            patient = str(head["patient"])
            bundle = read_json(named_file(fixtures, PATIENT, patient))
            resources = [entry["resource"] for entry in bundle["entry"]]
        else:
            values = _person(_mapping(head["person"], "a person"))
            patient = values["patient"]
            resources = [forms.plain("person", values)]
        self._record = Record(forms, patient, resources)
        self._scenarios: list[Scenario] = []
        self._accepted: dict[str, str] = {}
        self._left: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._latest = Moment(date.min, "", 0)

    def take(self, number: int, said: Mapping[str, Any]) -> None:
        """One moment: a hook that fires, or whatever is recorded then."""
        at = said.get("at", "")
        if at and not (isinstance(at, str) and _TIME.fullmatch(at)):
            raise ValueError(f'at is a time of day in quotes, such as "08:30", not {at!r}')
        moment = Moment(_day(_needed(said, "on"), self._begins), at, number)
        self._in_order(moment, is_hook="hook" in said)
        if "hook" in said:
            only(said, _HOOK_KEYS, "a moment at which a hook fires")
            self._fire(moment, said)
            return
        only(said, _FACT_KEYS, "a moment at which something is recorded")
        if not any(key in RECORDED for key in said):
            raise ValueError(f"nothing happens: it has neither a hook nor one of {', '.join(RECORDED)}")
        record_moment(self._record, moment, said)

    def _in_order(self, moment: Moment, *, is_hook: bool) -> None:
        """Refuses a moment before the one above it; what has no time of day may stand anywhere in its day."""
        time = f"{moment.instant():%H:%M}" if is_hook else moment.time
        before = self._latest.time if moment.day == self._latest.day else ""
        if moment.day < self._latest.day or (time and time < before):
            raise ValueError(f"{moment.day} {time}".strip() + f" is before {self._latest.day} {before}".rstrip())
        self._latest = replace(moment, time=max(time, before))

    def course(self) -> Course:
        """The course, once every moment was taken."""
        names = [scenario.name for scenario in self._scenarios]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"two moments are named {', '.join(sorted(repeated))}")
        ends = max(self._latest.day, self._record.latest())
        return Course(
            self._file.stem,
            self._title,
            self._file,
            self._record.patient,
            self._begins,
            ends,
            tuple(self._scenarios),
            tuple(self._record.at(Moment(ends + timedelta(days=1), "", 0))),
            self._accepted,
            self._left,
        )

    def _fire(self, moment: Moment, said: Mapping[str, Any]) -> None:
        name, hook = str(_needed(said, "name")), said["hook"]
        if hook not in _HOOKS:
            raise ValueError(f"{hook!r} is no hook; known are {', '.join(_HOOKS)}")
        drafts = self._drafts(moment, said.get("draft", []))
        if drafts:
            drafts[0] = merged(drafts[0], dated(said.get("draft-change", {}), moment.instant()))
        selected = said.get("select") or range(1, len(drafts) + 1)
        if not all(isinstance(number, int) and 1 <= number <= len(drafts) for number in selected):
            raise ValueError(f"select names drafts by number, 1 to {len(drafts)}")
        without = said.get("without", [])
        scenario = Scenario(
            name=f"{self._file.stem}/{name}",
            path=self._file,
            hook=hook,
            now=moment.instant(),
            patient=self._record.patient,
            resources=self._record.at(moment),
            drafts=drafts,
            selections=[reference(drafts[number - 1]) for number in selected],
            without=frozenset([without] if isinstance(without, str) else without),
            prefetch=said.get("prefetch", {}),
            in_process_only=said.get("in-process-only", False),
            expect=_expected(said),
            why=str(said.get("why", "")),
            statements=tuple(said.get("statements", self._statements)),
            line=self._lines[moment.index - 1] if self._lines else 1,
            story=self._title,
        )
        self._scenarios.append(scenario)
        self._accept(moment, said, scenario)

    def _accept(self, moment: Moment, said: Mapping[str, Any], scenario: Scenario) -> None:
        """Puts what was accepted onto the record: the drafts as signed, or what a suggestion leaves."""
        accept = said.get("accept")
        if accept is None:
            if "leaves" in said:
                raise ValueError("leaves says what an accepted suggestion leaves, and nothing is accepted")
            return
        offered = [label for card in _cards(scenario.expect) for label in card.get("suggestions", [])]
        if accept == _AS_DRAFTED:
            orders: Sequence[Mapping[str, Any]] = scenario.drafts
        elif accept not in offered:
            raise ValueError(f"accept is {_AS_DRAFTED!r} or the label of an expected suggestion, not {accept!r}")
        else:
            orders = self._drafts(moment, _needed(said, "leaves"))
        if not orders:
            raise ValueError("there is no draft to accept")
        self._accepted[scenario.name] = accept
        self._left[scenario.name] = orders
        name = scenario.name.partition("/")[2]
        on_record = {reference(resource) for resource in scenario.resources}
        for number, order in enumerate(orders, 1):
            if reference(order) in on_record:
                change(self._record, moment, order)
                continue
            sign(self._record, moment, order, name if number == 1 else f"{name}-{number}")
            self._record.complete_renewed(moment, order)

    def _drafts(self, moment: Moment, said: Any) -> list[dict[str, Any]]:
        """The drafts that a moment names: files of drafts/, or orders on record, each with its changes."""
        return [self._draft(moment, number, item) for number, item in enumerate(_listed(said), 1)]

    def _draft(self, moment: Moment, number: int, item: Any) -> dict[str, Any]:
        item = {"file": item} if isinstance(item, str) else _mapping(item, "a draft")
        only(item, (*_DRAFTED_FROM, "dosage", "change"), "a draft")
        if sum(key in item for key in _DRAFTED_FROM) != 1:
            raise ValueError(
                "a draft is either a file of drafts/, an order on record, or one that renews such an order"
            )
        if "order" in item:
            draft = dict(self._record.order(str(item["order"]), moment))
        elif "renews" in item:
            order = self._record.order(str(item["renews"]), moment)
            renewal = self._record.forms.plain("renewal", {"day": moment.stamp(), "order": reference(order)})
            draft = {**order, **renewal, "id": f"draft-{number}"}
        else:
            draft = read_json(named_file(self._fixtures, DRAFT, item["file"]))
            kind = draft["resourceType"]
            whose = {subject_element(kind): {"reference": f"Patient/{self._record.patient}"}}
            draft |= {"id": f"draft-{number}", **whose, written_element(kind): moment.stamp()}
        if "dosage" in item:
            dosages = [_mapping(dosage, "a dosage") for dosage in _listed(item["dosage"])]
            for dosage in dosages:
                only(dosage, DOSE_KEYS, "a dosage")
            draft["dosageInstruction"] = [self._record.forms.dosage(dosage) for dosage in dosages]
        changed: dict[str, Any] = merged(draft, dated(item.get("change", {}), moment.instant()))
        return changed


def _person(said: Mapping[str, Any]) -> dict[str, Any]:
    """What fills in a person: the id is made of the name."""
    only(said, ("name", "gender", "born"), "a person")
    given, _, family = str(_needed(said, "name")).strip().rpartition(" ")
    patient = re.sub(r"[^a-z0-9]+", "-", f"{given} {family}".lower()).strip("-")
    return {**said, "given": given or None, "family": family, "patient": patient}


def _expected(said: Mapping[str, Any]) -> Any:
    expect = _needed(said, "expect")
    if isinstance(expect, dict) and "status" in expect:
        check_expected(expect)
        return expect
    if not isinstance(expect, list) or not all(
        isinstance(c, dict) and {"topic", "indicator"} <= c.keys() for c in expect
    ):
        raise ValueError(
            "expect is a list of cards with topic and indicator, [] for silence, or an error with its status"
        )
    check_expected(expect)
    return expect


def _cards(expect: Any) -> Iterable[Mapping[str, Any]]:
    return expect if isinstance(expect, list) else ()


def _day(said: Any, begins: date | None) -> date:
    """A day as written: an ISO date, or a number of days from the beginning."""
    if isinstance(said, int) and not isinstance(said, bool) and begins is not None:
        try:
            return begins + timedelta(days=said)
        except OverflowError:
            raise ValueError(f"{said} days from the beginning is no day") from None
    try:
        return date.fromisoformat(said)
    except (TypeError, ValueError):
        days = " or a number of days from the beginning" if begins is not None else ""
        raise ValueError(f"{said!r} is no day: write a date such as 2025-03-01{days}") from None


def _needed(said: Mapping[str, Any], key: str) -> Any:
    if key not in said:
        raise ValueError(f"{key} is missing")
    return said[key]


def _mapping(said: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise ValueError(f"{what} is written as names and values, not as {type(said).__name__}")
    return said


def _with_on(said: Mapping[Any, Any]) -> Mapping[str, Any]:
    """A moment whose key ``on`` is a word, which YAML 1.1 reads as true; a key without a value says nothing."""
    return {("on" if key is True else key): value for key, value in said.items() if value is not None}


def check_shapes(said: Mapping[str, Any], shapes: Mapping[str, tuple[tuple[type, ...], str]]) -> None:
    """Refuses a value of another shape than its key has.

    Raises:
        ValueError: there is one.
    """
    for key, (kinds, what) in shapes.items():
        if key in said and not isinstance(said[key], kinds):
            raise ValueError(f"{key} is written as {what}, not as {type(said[key]).__name__}")


def check_expected(expect: Any) -> None:
    """Refuses expected cards, or an expected error, with a value of another shape than its key has.

    Raises:
        ValueError: there is one.
    """
    for said in expect if isinstance(expect, list) else [expect]:
        check_shapes(said, _EXPECTED)
        for key, (kinds, _) in _EXPECTED.items():
            other = [entry for entry in said.get(key, ()) if not isinstance(entry, str)] if list in kinds else []
            if other:
                raise ValueError(f"each entry of {key} is a text, not {type(other[0]).__name__}")


def _listed(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [said]
