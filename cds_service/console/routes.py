"""The routes of the console. Joins its views to Flask; nothing here changes or keeps anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, render_template, request
from werkzeug.exceptions import HTTPException

from cds_service import __version__
from cds_service.console.form import Choices, Entered, FormError, choices_of, scenario_of
from cds_service.console.tables import columns_of, proof_of, rows_of, scenarios_by_topic, value_set_as_written
from cds_service.console.trying import Tried, fire
from cds_service.content.needs import templates_of
from cds_service.protocol.profiles import NAMES as PROFILES
from cds_service.replay.scenarios import DEFAULT_NOW, SAMPLE, Scenario, read_scenarios
from cds_service.service.served import Serving
from cds_service.store.database import StoreDown
from cds_service.store.store import Store

# Everything comes from here, nothing is written into the page, and nobody may frame it.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HOOKS = ("order-select", "order-sign", "patient-view")
_MOST_BYTES = 2_000_000
_PAGES = (("console.try_it", "Try"), ("console.content", "Content"), ("console.acceptance", "Acceptance"))
_SPANS = (7, 30, 90, 365)  # days
_COMMENTS = 50


def console(serving: Serving, store: Store, cards: Path, fixtures: Path) -> Blueprint:
    """The console over what is being served; ``fixtures`` are the patients, drafts and scenarios to choose from."""
    pages = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/console"
    )

    @cache
    def scenarios() -> dict[str, Scenario]:
        return {scenario.name: scenario for scenario in read_scenarios(fixtures)}

    @cache
    def by_topic() -> dict[str, list[str]]:
        return scenarios_by_topic(fixtures)

    @cache
    def _choices(version: str) -> Choices:
        return choices_of(serving.now().prepared.pack, fixtures)

    def choices() -> Choices:
        return _choices(serving.now().prepared.pack.version)

    def body_of(scenario: Scenario) -> str:
        pack = serving.now().prepared.pack
        service = next(service for service in pack.services.values() if service.hook == scenario.hook)
        return json.dumps(scenario.request(templates_of(pack, service)), indent=2, ensure_ascii=False)

    def show(status: int = 200, **more: Any) -> Response:
        stories: dict[str, list[Scenario]] = {}
        for scenario in scenarios().values():
            stories.setdefault(scenario.name.partition("/")[0], []).append(scenario)
        known: dict[str, Any] = {
            "entered": Entered(),
            "chosen": None,
            "text": "",
            "now": DEFAULT_NOW,
            "profile": "2.0",
            "problem": "",
            "tried": None,
        }
        text = render_template(
            "try.html",
            **(known | more),
            stories=stories,
            choices=choices(),
            profiles=PROFILES,
            hooks=_HOOKS,
        )
        return Response(text, status=status)

    @pages.get("/")
    def try_it() -> Response:
        profile = request.args.get("profile", "2.0")
        if profile not in PROFILES:
            abort(404)
        if request.args.get("by") == "form":
            entered = _entered(request.args, choices())
            try:
                scenario = scenario_of(choices(), entered, fixtures)
            except FormError as error:
                return show(400, entered=entered, problem=str(error), profile=profile)
            return fired(scenario, profile, entered=entered)
        name = request.args.get("scenario", SAMPLE)
        chosen = scenarios().get(name)
        if chosen is None:
            return show(404, problem="There is no such scenario.")
        return fired(chosen, profile, chosen=chosen)

    def fired(scenario: Scenario, profile: str, **more: Any) -> Response:
        text = body_of(scenario)
        tried = fire(serving.now().prepared, text.encode(), scenario.now, profile)
        return show(text=text, now=scenario.now.isoformat(), tried=tried, profile=profile, **more)

    @pages.post("/")
    def try_json() -> Response:
        if not _is_same_origin():
            abort(403)
        request.max_content_length = request.max_form_memory_size = _MOST_BYTES
        text, now, profile = (request.form.get(name, "") for name in ("request", "now", "profile"))
        more = {"text": text, "now": now, "profile": profile if profile in PROFILES else "2.0"}
        try:
            moment = datetime.fromisoformat(now)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except ValueError:
            return show(400, **more, problem="The time must be ISO 8601, such as 2026-11-23T12:00:00Z.")
        tried: Tried = fire(serving.now().prepared, text.encode("utf-8", "replace"), moment, str(more["profile"]))
        return show(tried.fault.status if tried.fault else 200, **more, tried=tried)

    @pages.get("/content")
    def content() -> str:
        pack = serving.now().prepared.pack
        rules: dict[str, list[tuple[str, str]]] = {}
        for decision in pack.decisions.values():
            for rule in decision.rules:
                for cited in {rule.statement, *rule.settles} - {""}:
                    rules.setdefault(cited, []).append((decision.id, rule.id))
        return render_template("content.html", pack=pack, rules=rules)

    @pages.get("/content/decisions/<name>")
    def decision(name: str) -> str:
        pack = serving.now().prepared.pack
        found = pack.decisions.get(name)
        if found is None:
            abort(404)
        return render_template(
            "decision.html",
            pack=pack,
            decision=found,
            columns=columns_of(pack, found),
            rows=rows_of(pack, found, by_topic()),
            proof=proof_of(pack, found),
            used_by=[d.id for d in pack.decisions.values() if name in d.inputs],
        )

    @pages.get("/content/value-sets/<name>")
    def value_set(name: str) -> str:
        pack = serving.now().prepared.pack
        if name not in pack.value_sets:
            abort(404)
        facts = [f for f in pack.facts.values() if any(vs.id == name for vs in f.value_sets.values())]
        return render_template("value_set.html", told=value_set_as_written(cards, pack, name), facts=facts)

    @pages.get("/acceptance")
    def acceptance() -> Response:
        span = request.args.get("days", "30")
        if span not in map(str, _SPANS):
            abort(404)
        since = datetime.now(UTC) - timedelta(days=int(span))
        try:
            told, days, comments = store.acceptance(since, _COMMENTS)
        except StoreDown:
            return Response(render_template("problem.html", title="The store cannot be reached"), status=503)
        by_rule: dict[tuple[str, str, str], list[Any]] = {}
        for day in days:
            by_rule.setdefault((day.decision, day.rule, day.version), []).append(day)
        highest = max((day.shown for day in days), default=1) or 1
        return Response(
            render_template(
                "acceptance.html",
                report=told,
                days=by_rule,
                highest=highest,
                first=since.date(),
                span=int(span),
                spans=_SPANS,
                comments=comments,
            )
        )

    @pages.app_context_processor
    def everywhere() -> dict[str, Any]:
        return {"pages": _PAGES, "pack": serving.now().prepared.pack, "version": __version__}

    @pages.errorhandler(HTTPException)
    def problem(error: HTTPException) -> tuple[str, int]:
        return render_template("problem.html", title=error.name), error.code or 500

    @pages.after_request
    def close(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    return pages


def _entered(sent: Mapping[str, str], choices: Choices) -> Entered:
    hook = sent.get("hook", "order-select")
    return Entered(
        hook=hook if hook in _HOOKS else "order-select",
        **{name: sent.get(name, "").strip() for name in ("patient", "draft", "route", "dose", "unit")},
        results={
            name: (sent.get(f"result-{name}", "").strip(), sent.get(f"unit-{name}", "").strip())
            for name in choices.results
        },
    )


def _is_same_origin() -> bool:
    """Whether a form was sent by a page of ours; others could make a browser here fire requests."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc == request.host
