"""The pages that show the content as a person reads it: its index, tables, map, review sheets and value sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from cds_service.console.acceptance_rows import DecisionFigures
from cds_service.console.cited import cited
from cds_service.console.content_index import index_of
from cds_service.console.decision_table import FiredHere, fired_here, proof_of, shown_table
from cds_service.console.firing import FiredScenarios, answer_to
from cds_service.console.review_pages import WORDS, sheets_of
from cds_service.console.table_map import Lit, lit_by, map_of
from cds_service.content.look_backs import look_backs_of
from cds_service.content.model import Decision, Pack
from cds_service.content.prepared import Prepared
from cds_service.content.reviews import better
from cds_service.export.review_sheet import HAZARD_STATUSES, ORDER, locked_identities
from cds_service.fhir.codes import SYSTEMS
from cds_service.judge.evaluate import Answer
from cds_service.population.runs import Spoken
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.problems import ProblemsError


class ContentPages:
    """The pages over the pack that ``content`` gives, whose files stand in ``folder``.

    ``fixtures`` is the folder of the scenarios that show what rules do. ``spoken`` says how often a decision would have
    spoken in a population run, if there is one; ``figures`` what became of its cards, if that can be read.
    """

    def __init__(
        self,
        content: Callable[[], Prepared],
        folder: Path,
        fixtures: Path,
        spoken: Callable[[Pack, Decision], Spoken | None] | None = None,
        figures: Callable[[Decision], DecisionFigures | None] | None = None,
    ) -> None:
        self._content = content
        self._spoken = spoken
        self._figures = figures
        self._folder = folder
        self._scenarios = FiredScenarios(content, fixtures)

    def register(self, pages: Blueprint) -> None:
        """Adds the pages to ``pages``; the endpoint of each has the name of its method."""
        pages.get("/content")(self.content)
        pages.get("/content/map")(self.map)
        pages.get("/content/review")(self.reviews)
        pages.get("/content/hazards")(self.hazards)
        pages.get("/content/decisions/<name>")(self.decision)
        pages.get("/content/decisions/<name>/review")(self.review)
        pages.get("/content/decisions/<name>/try/<rule>")(self.try_rule)
        pages.get("/content/value-sets/<name>")(self.value_set)
        pages.url_defaults(_with_scenario)
        pages.add_app_template_filter(_cited, "cited")

    def content(self) -> str:
        """Everything that the content holds: decisions, statements and settlements with their rules, value sets.

        ``q`` leaves only what has all its words.
        """
        prepared = self._content()
        asked = request.args.get("q", "").strip()
        index = index_of(prepared.pack, prepared.today(datetime.now(UTC)), asked)
        return render_template("content.html", asked=asked, index=index)

    def reviews(self) -> str:
        """Whether the content is reviewed, how that is done, where it is signed, and the sheet of each decision."""
        prepared = self._content()
        index = index_of(prepared.pack, prepared.today(datetime.now(UTC)))
        folder = f"{self._folder.parent.name}/{self._folder.name}"
        return render_template("reviews.html", index=index, folder=folder, order=ORDER)

    def map(self) -> tuple[str, int]:
        """Which decision feeds which: of one ``decision``, and of all; with the way of one ``scenario`` lit.

        Where no decision is named it is the first card that spoke in the scenario, else the first of the index.
        """
        prepared = self._content()
        name, about = request.args.get("scenario", ""), request.args.get("decision", "")
        if about and about not in prepared.pack.decisions:
            abort(404)
        answer, problem, status = self._fired(prepared, name)
        lit = lit_by(prepared.pack, answer) if answer is not None else Lit()
        index = index_of(prepared.pack, prepared.today(datetime.now(UTC)))
        cards = [(title, entries) for name, title, entries in index.groups if name != "definition"]
        listed = [entry.decision for _, entries in cards for entry in entries]
        spoke = [decision.id for decision in listed if decision.id in lit.spoke]
        is_chosen = bool(about)
        about = about or next(iter([*spoke, *(decision.id for decision in listed)]), "")
        page = render_template(
            "map.html",
            cards=cards,
            is_chosen=is_chosen,
            decision=prepared.pack.decisions.get(about),
            picture=map_of(prepared.pack, lit, about),
            whole=map_of(prepared.pack, lit),
            scenario=name,
            called=self._scenarios.title(name) if answer is not None else "",
            lit=lit,
            problem=problem,
            answer=answer,
        )
        return page, status

    def decision(self, name: str) -> tuple[str, int]:
        """One decision: its table, the cards and scenarios of its rules, and the proof that the table is complete.

        ``scenario`` is fired, and the rules that fired are lit with what was read in the heads. Where there is none, or
        nothing in it asked for this decision, the rules are lit that ``fired`` names.
        """
        prepared = self._content()
        decision = _decision(prepared.pack, name)
        scenario = request.args.get("scenario", "")
        answer, problem, status = self._fired(prepared, scenario)
        here = fired_here(prepared.pack, decision, answer) if answer is not None else None
        fired = request.args.getlist("fired")
        if answer is not None and here is None and not fired:
            problem = "Nothing asked for this decision in that request."
        here = here or FiredHere(rules=frozenset(fired))
        page = self._page(prepared, decision, here, scenario=scenario if answer is not None else "", problem=problem)
        return page, status

    def try_rule(self, name: str, rule: str) -> Response | tuple[str, int]:
        """Leads to a scenario in which a rule fires."""
        prepared = self._content()
        decision = _decision(prepared.pack, name)
        if rule not in {known.id for known in decision.rules}:
            abort(404)
        scenario = self._scenarios.first(decision, rule)
        if scenario:
            return redirect(url_for(".try_it", scenario=scenario, _anchor="story"))
        here = FiredHere(rules=frozenset([rule]))
        return self._page(prepared, decision, here, problem="No invented patient fires this rule."), 404

    def review(self, name: str) -> str:
        """The review sheet of one decision, made to be printed on one page."""
        prepared = self._content()
        decision = _decision(prepared.pack, name)
        scenarios, day = self._scenarios.all().values(), prepared.today(datetime.now(UTC))
        try:
            known = locked_identities(self._folder, prepared.pack)
        except (OSError, ProblemsError):
            abort(503, "The lock of the content cannot be read just now.")
        (sheet,) = sheets_of(prepared, known, [decision], scenarios, day)
        return render_template(
            "review_page.html",
            sheet=sheet,
            sheet_at=lambda other: url_for(".review", name=other),
            hazards_at=url_for(".hazards"),
            **WORDS,
        )

    def hazards(self) -> str:
        """The hazard log: what may harm a patient, what remains of it, and whether anybody has accepted that."""
        return render_template("hazards.html", pack=self._content().pack, statuses=HAZARD_STATUSES)

    def value_set(self, name: str) -> str:
        """One value set: its codes, and where each of them was verified."""
        pack = self._content().pack
        if name not in pack.value_sets:
            abort(404)
        facts = [f for f in pack.facts.values() if any(vs.id == name for vs in f.value_sets.values())]
        written, systems = _as_written(self._folder, pack, name), {one.canonical: one.name for one in SYSTEMS}
        return render_template("value_set.html", written=written, facts=facts, systems=systems)

    def _page(
        self, prepared: Prepared, decision: Decision, here: FiredHere, *, scenario: str = "", problem: str = ""
    ) -> str:
        pack, today = prepared.pack, prepared.today(datetime.now(UTC))
        return render_template(
            "decision.html",
            pack=pack,
            decision=decision,
            review=better(pack.standing(today), decision.standing(today)),
            table=shown_table(pack, prepared.regimens, decision, self._scenarios.by_topic, here.rules),
            here=here,
            scenario=scenario,
            called=self._scenarios.title(scenario) if scenario else "",
            problem=problem,
            spoken=self._spoken(pack, decision) if self._spoken else None,
            figures=self._figures(decision) if self._figures else None,
            proof=proof_of(pack, decision),
            look_backs=look_backs_of(pack, decision),
            used_by=[other for other in pack.decisions.values() if decision.id in other.inputs],
        )

    def _fired(self, prepared: Prepared, name: str) -> tuple[Answer | None, str, int]:
        """What the scenario of this name is answered, or why there is nothing to show and with which status."""
        if not name:
            return None, "", 200
        scenario = self._scenarios.all().get(name)
        if scenario is None:
            return None, "There is no such scenario.", 404
        answer = answer_to(prepared, scenario)
        if answer is None:
            return None, f"No service of this content answers the hook {scenario.hook}.", 404
        if isinstance(answer, Fault):
            return None, f"The request was refused: {answer.text}.", 200
        return answer, "", 200


def _cited(text: str, pack: Pack, page: str | None = None) -> Markup:
    """A text that names statements by their ids, with their titles, which lead to the page of the content.

    With another ``page`` they lead there, and nowhere with ``""``.
    """
    return cited(pack, text, url_for(".content") if page is None else page)


def _with_scenario(endpoint: str, values: dict[str, Any]) -> None:
    """Links from an answer to a table take its scenario along, so that what was read is shown there too."""
    here = (request.endpoint or "").rpartition(".")[2]
    if endpoint.endswith(".decision") and here == "try_it" and "scenario" in request.args:
        values.setdefault("scenario", request.args["scenario"])


def _decision(pack: Pack, name: str) -> Decision:
    decision = pack.decisions.get(name)
    if decision is None:
        abort(404)
    return decision


def _as_written(folder: Path, pack: Pack, name: str) -> Mapping[str, Any]:
    """The file of a value set, which says where each code was verified; ``local`` holds the site's own codes."""
    file = folder / "value-sets" / f"{name}.yaml"
    written: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return written | {"local": [concept for concept in pack.value_sets[name].codes.values() if concept.local]}
