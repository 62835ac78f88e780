"""The first page: a story, a scenario that a search found, a filled-in form, or a body of JSON, and its answer.

Nothing of it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, render_template, request

from cds_service.console.answer import ShownAnswer, shown_answer
from cds_service.console.form import AS_TOLD, Choices, Entered, choices_of, entered_of
from cds_service.console.form_beginning import begun_with
from cds_service.console.form_record import with_record
from cds_service.console.form_request import form_id, scenario_of
from cds_service.console.outcomes import outcomes_of
from cds_service.console.story_list import Found, Tile, found, reason_of, stories_of, tiles_of
from cds_service.console.taken import NotOfferedError, after_taking, hook_after
from cds_service.content.prepared import Prepared
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.replay.scenario import DEFAULT_NOW, Scenario
from cds_service.replay.scenarios import is_of_course, read_scenarios
from cds_service.replay.stories import Story, read_stories

_MOST_BYTES = 2_000_000
_LONGEST_QUERY = 200  # characters
# What the profiles of clients are called for people.
_CLIENTS = {"2.0": "CDS Hooks 2.0", "3.0": "CDS Hooks 3.0", "epic": "Epic", "sandbox": "the CDS Hooks sandbox"}
_YEARS = range(1900, 2201)  # look-backs from a time near the ends of the calendar lead out of it
_NO_SCENARIO = "There is no such scenario. Choose a story, or search for another."
_NOT_OFFERED = "The answer has no such suggestion. Choose a story, and take a suggestion of its cards."
# How a case was entered: in the form, or by a link to another result, which leaves the form folded above its answer.
_BY_FORM, _BY_BAND = "form", "band"
_TAKEN = "taken"
_BLANK: Mapping[str, Any] = {
    "entered": Entered(),
    "chosen": None,
    "text": "",
    "now": DEFAULT_NOW,
    "profile": "2.0",
    "problem": "",
    "answer": None,
    "not_used": (),
    "outcomes": (),
    "query": None,
    "found": None,
    "taken": None,
    "follow": None,
}


class TryPage:
    """The page for the content that ``content`` gives, with the patients, drafts and scenarios of ``fixtures``."""

    def __init__(self, content: Callable[[], Prepared], fixtures: Path) -> None:
        self._content = content
        self._fixtures = fixtures
        self._choices_by_version: dict[str, Choices] = {}
        self._tiles_of: tuple[Prepared, list[Tile]] | None = None

    def register(self, pages: Blueprint) -> None:
        """Adds the page to ``pages``; the endpoints have the names of the methods."""
        pages.get("/")(self.try_it)
        pages.post("/")(self.try_json)

    def try_it(self) -> Response:
        """Looks for scenarios, fires the one that is asked for, or what was entered into the form."""
        profile = request.args.get("profile", "2.0")
        if profile not in PROFILES:
            abort(404)
        if request.args.get("by") in (_BY_FORM, _BY_BAND):
            return self._decide(profile)
        if "q" in request.args and "scenario" not in request.args:
            query = request.args["q"][:_LONGEST_QUERY].strip()
            return self._page(query=query, found=self._found(query), profile=profile)
        if not self._scenarios and "scenario" not in request.args:
            return self._page(profile=profile)
        chosen = self._scenarios.get(request.args.get("scenario", self._first))
        if chosen is None:
            return self._page(404, problem=_NO_SCENARIO)
        choices = self._with_record(begun_with(self._choices(), chosen), AS_TOLD)
        return self._fire(chosen, profile, chosen=chosen, choices=choices)

    def _decide(self, profile: str) -> Response:
        """Fires what was entered into the form; ``story`` names the scenario that this began with."""
        choices = self._choices()
        if "story" in request.args:
            told = self._scenarios.get(request.args["story"])
            if told is None:
                return self._page(404, problem=_NO_SCENARIO)
            choices = begun_with(choices, told)
        choices = self._with_record(choices, request.args.get("patient", choices.beginning.patient).strip())
        entered = entered_of(request.args, choices)
        if entered.faults:
            return self._page(400, entered=entered, profile=profile, choices=choices)
        scenario = scenario_of(choices, entered, self._fixtures)
        return self._fire(scenario, profile, entered=entered, choices=choices)

    def try_json(self) -> Response:
        """Fires the body that was sent, as of the time that was sent."""
        if not is_same_origin():
            abort(403)
        request.max_content_length = request.max_form_memory_size = _MOST_BYTES
        text, now, profile = (request.form.get(name, "") for name in ("request", "now", "profile"))
        profile = profile if profile in PROFILES else "2.0"
        fields = {"text": text, "now": now, "profile": profile}
        try:
            moment = datetime.fromisoformat(now)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except ValueError:
            return self._page(400, **fields, problem="The time must be ISO 8601, such as 2026-11-23T12:00:00Z.")
        if moment.year not in _YEARS:
            return self._page(400, **fields, problem="The time must lie between the years 1900 and 2200.")
        answer = shown_answer(self._content(), text.encode("utf-8", "replace"), moment, profile)
        return self._page(answer.fault.status if answer.fault else 200, **fields, answer=answer)

    def _fire(self, scenario: Scenario, profile: str, **fields: Any) -> Response:
        """The page with the answer to a scenario, after the suggestions of it that are ``taken``.

        404 if the content has no service for its hook, or an answer no such suggestion.
        """
        prepared = self._content()
        if prepared.pack.service_for(scenario.hook) is None:
            problem = f"No service of this content answers the hook {scenario.hook}."
            return self._page(404, problem=problem, profile=profile, **fields)
        try:
            taken = after_taking(prepared, scenario, profile, request.args.getlist(_TAKEN))
        except NotOfferedError:
            return self._page(404, problem=_NOT_OFFERED, profile=profile, **fields)
        text = json.dumps(taken.request, indent=2, ensure_ascii=False)
        answer = shown_answer(prepared, text.encode(), scenario.now, profile)
        outcomes = () if answer.fault or taken.names else outcomes_of(prepared, fields["choices"], scenario, profile)
        not_used = list(_not_used(answer, fields["choices"]))
        return self._page(
            text=text,
            now=scenario.now.isoformat(),
            answer=answer,
            profile=profile,
            outcomes=outcomes,
            not_used=not_used,
            taken=taken if taken.names else None,
            follow=taken.names if hook_after(prepared.pack, scenario.hook) else None,
            **fields,
        )

    def _page(self, status: int = 200, **fields: Any) -> Response:
        """The page; ``fields`` are those that are not blank."""
        chosen: Scenario | None = fields.get("chosen")
        told = next((story for story in self._stories if story.scenario is chosen), None)
        text = render_template(
            "try.html",
            **{**_BLANK, "choices": self._choices(), **fields},
            tiles=self._tiles(),
            stories=self._numbers,
            scenarios=len(self._scenarios),
            title=told.title if told else chosen.title if chosen else "",
            why=told.shows if told else reason_of(chosen) if chosen else "",
            course=chosen.path.stem if chosen and is_of_course(chosen) else "",
            clients={name: _CLIENTS.get(name, name) for name in PROFILES},
            case=_case(chosen),
            told=_told(chosen),
        )
        return Response(text, status=status)

    def _choices(self) -> Choices:
        pack = self._content().pack
        if pack.version not in self._choices_by_version:
            choices = choices_of(pack, self._fixtures)
            self._choices_by_version[pack.version] = self._with_record(choices, choices.beginning.patient)
        return self._choices_by_version[pack.version]

    def _with_record(self, choices: Choices, patient: str) -> Choices:
        return with_record(choices, self._content(), patient, self._fixtures)

    def _found(self, query: str) -> Found:
        return found(self._scenarios.values(), self._stories, self._content().pack, query)

    def _tiles(self) -> list[Tile]:
        """The tiles for the content that is served now, fired once for it."""
        prepared = self._content()
        if self._tiles_of is None or self._tiles_of[0] is not prepared:
            self._tiles_of = prepared, tiles_of(prepared, self._stories, self._scenarios.values())
        return self._tiles_of[1]

    @property
    def _first(self) -> str:
        """The name of the scenario for those who have not chosen one."""
        return self._stories[0].scenario.name if self._stories else next(iter(self._scenarios), "")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return stories_of(self._scenarios.values())

    @cached_property
    def _stories(self) -> list[Story]:
        return read_stories(self._fixtures, self._scenarios)

    @cached_property
    def _scenarios(self) -> dict[str, Scenario]:
        return {scenario.name: scenario for scenario in read_scenarios(self._fixtures)}


def _not_used(answer: ShownAnswer, choices: Choices) -> Iterator[str]:
    """A sentence for each number that was entered and that the service set aside, with the reason."""
    entered = {f"Observation/{form_id(result)}" for result in choices.results.values()}
    for series in answer.reasoning.get("results", ()):
        for result in series["results"]:
            if result["reference"] in entered and "because" in result:
                yield f"{series['label']} was not used: {result['because']}"


def _case(chosen: Scenario | None) -> dict[str, str]:
    """The fields of the form for the case that is shown, from which another result leads to another case."""
    if chosen is not None:
        return {
            "by": _BY_BAND,
            "story": chosen.name,
            **_profile(),
        }
    return {**request.args.to_dict(), "by": _BY_BAND}


def _told(chosen: Scenario | None) -> dict[str, str]:
    """The address of the case that is shown, without what was taken of its suggestions: a suggestion adds its name."""
    if chosen is not None:
        return {"scenario": chosen.name, **_profile()}
    return {name: value for name, value in _case(chosen).items() if name != _TAKEN}


def _profile() -> dict[str, str]:
    return {"profile": request.args["profile"]} if "profile" in request.args else {}


def is_same_origin() -> bool:
    """Whether a form was sent by a page of this console; other pages must not make a browser fire requests."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc == request.host
