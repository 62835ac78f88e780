"""The pages on population runs: which there are, what each found, and whether rules speak as often as expected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, abort, render_template

from cds_service.console.population_event import event_view, heading_in_words
from cds_service.console.population_view import view_of
from cds_service.content.model import Decision, Pack
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.population.drift import DAYS, LEAST, Watch, watch
from cds_service.population.examples import example_of, headings_of
from cds_service.population.run_folder import RunFolderError
from cds_service.population.runs import JudgedRun, Spoken, judged_runs, newest, runs_in, spoken
from cds_service.population.shared_counts import Shown
from cds_service.population.words import ratio_in_words
from cds_service.store.database import StoreDown
from cds_service.store.store import Store


class PopulationPages:
    """The pages over the runs in the folder ``runs`` that judged the pack that ``content`` gives.

    ``store`` has the counts of the cards that are shown; without it they are not held against a run.
    """

    def __init__(self, content: Callable[[], Prepared], runs: Path, store: Store | None) -> None:
        self._content, self._runs, self._store = content, runs, store

    def register(self, pages: Blueprint) -> None:
        """Adds the pages to ``pages``; the endpoint of each has the name of its method."""
        pages.get("/population")(self.population)
        pages.get("/population/<run>")(self.population_run)
        pages.get("/population/<run>/event/<event>")(self.population_event)

    def population(self) -> tuple[str, int]:
        """The runs, the newest first, and how often rules speak against what the newest led to expect.

        Runs that cannot be read are named with the reason, for nobody knows of which pack they are.
        """
        prepared = self._content()
        try:
            runs = runs_in(self._runs)
        except RunFolderError as error:
            return render_template("population_runs.html", problem=str(error), runs=[], broken=[], days=DAYS), 503
        held, is_store_down = self._held(prepared.pack)
        page = render_template(
            "population_runs.html",
            problem="",
            runs=judged_runs(runs, prepared.pack),
            broken=[run for run in runs if run.problem],
            days=DAYS,
            least=LEAST,
            watch=held,
            is_store_down=is_store_down,
            ratio=ratio_in_words,
            words=lambda rule: rule_words(prepared.pack, prepared.regimens, rule.decision, rule.rule).whole,
        )
        return page, 200

    def population_run(self, run: str) -> str:
        """What one run found; ``run`` is the name of its folder, as it is listed."""
        found = self._listed(run)
        headings = {name: heading_in_words(heading) for name, heading in headings_of(found.folder).items()}
        view = view_of(found.summary, Shown())
        return render_template("population_run.html", opens=found.name, run=view, headings=headings)

    def population_event(self, run: str, event: str) -> str:
        """Why an example of a run was answered as it was; ``event`` is its name, as the run keeps it."""
        found = self._listed(run)
        example = example_of(found.folder, event)
        if example is None:
            abort(404)
        shown = event_view(example, found.summary.manifest, self._content().pack)
        return render_template("population_event.html", name=found.name, event=shown)

    def _listed(self, name: str) -> JudgedRun:
        """The run of this name; the answer is 404 if no such run of this pack is listed."""
        try:
            listed = judged_runs(runs_in(self._runs), self._content().pack)
        except RunFolderError:
            listed = []
        found = next((one for one in listed if one.name == name), None)
        if found is None:
            abort(404)
        return found

    def spoken(self, pack: Pack, decision: Decision) -> Spoken | None:
        """How often the rules of a decision would have spoken in the newest run; ``None`` if there is none."""
        if decision.kind != "card":
            return None
        try:
            run = newest(judged_runs(runs_in(self._runs), pack))
        except RunFolderError:
            return None
        return spoken(run, decision.id) if run is not None else None

    def _held(self, pack: Pack) -> tuple[Watch | None, bool]:
        """What was shown against the newest run of the version, and whether the store cannot be read."""
        if self._store is None:
            return None, False
        try:
            return watch(self._runs, pack, self._store, datetime.now(UTC)), False
        except StoreDown:
            return None, True
