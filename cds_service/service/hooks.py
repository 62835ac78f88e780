"""The routes of CDS Hooks: discovery, the call of a service, and feedback on its cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

from flask import Flask, Response, g

from cds_service.content.model import Service
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.net.fhir_client import FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.protocol.faults import Fault
from cds_service.protocol.feedback import MAX_BODY_BYTES, decode_feedback
from cds_service.protocol.profiles import Profile
from cds_service.recording.exchange import Exchange
from cds_service.service.bodies import json_body
from cds_service.service.caching import revalidated
from cds_service.service.calls import Calls
from cds_service.service.gate import Gate
from cds_service.service.incoming import Incoming
from cds_service.service.metrics import Metrics
from cds_service.service.processor_time import ProcessorTime
from cds_service.service.reply import Reply
from cds_service.service.served import ServedPack
from cds_service.service.served_content import ServedContent
from cds_service.service.step_by_step import NotBriefError, Steps, Work, reply_here
from cds_service.settings import Settings
from cds_service.store.database import StoreDown
from cds_service.store.store import Store
from cds_service.trust.clients import Client
from cds_service.vocabulary.fetched import Fetch
from cds_service.vocabulary.json_text import encode


@dataclass(frozen=True, slots=True)
class HookRoutes:
    """The routes and what they need. ``fhir_servers`` are those that may be called, by the name of the client."""

    settings: Settings
    content: ServedContent
    store: Store
    gate: Gate
    calls: Calls
    metrics: Metrics
    fhir: FhirClient
    fhir_servers: Mapping[str, AllowedServers]
    processor_time: ProcessorTime

    def register(self, app: Flask) -> None:
        """Adds the routes to ``app``; the endpoint of each has the name of its method."""
        app.get("/cds-services")(self.list_services)
        app.post("/cds-services/<service_id>", endpoint="call_service")(_view(self.call_service))
        app.post("/cds-services/<service_id>/feedback", endpoint="take_feedback")(_view(self.take_feedback))

    def direct(self) -> Mapping[str, Callable[[Incoming], Steps]]:
        """The routes that need nothing of Flask, by the names of their endpoints."""
        return {answer.__name__: answer for answer in (self.call_service, self.take_feedback)}

    def list_services(self) -> Response:
        """Discovery, as the profile of the client has it; 304 if the client has it already."""
        return revalidated(
            Response(self.content.now().catalogues[g.incoming.client.profile], mimetype="application/json")
        )

    def call_service(self, incoming: Incoming) -> Steps:
        """The cards of one service for one request; what a recorder may keep is noted in ``incoming.exchange``.

        A call for which no FHIR server is asked is judged at once, unless it takes long.

        Raises:
            Fault: the request cannot be answered with cards.
            RequestEntityTooLarge: its body is too long.
        """
        of_pack, service = self._found(incoming)
        prepared = of_pack.prepared
        incoming.is_replay = self.gate.is_replay(incoming)
        body = json_body(incoming, self.settings.max_body_bytes)
        if self.gate.remembers_tokens:
            yield Work(partial(self.gate.claim_token, incoming, body))
        client = incoming.client
        profile = Profile(client.profile, client.preference_list, client.issuer)
        exchange = incoming.exchange = Exchange(service, body, datetime.now(UTC), profile)
        judged = partial(evaluate, prepared, service, body, exchange.now, profile)
        answer: Answer = yield Work(
            do=lambda: self.processor_time.bounded(lambda call: judged(call.unstopped(self._fetch(client)))),
            do_briefly=lambda: self.processor_time.brief(partial(judged, _fetch_later)),
        )
        exchange.fetched = answer.chart.fetched if answer.chart is not None else {}
        self.calls.answered(incoming, answer, prepared.pack)
        if not incoming.is_replay:
            self.metrics.count_findings(service, answer)
            asides = [item.counted_as for item in answer.not_understood]
            site = prepared.pack.site_digest if answer.judged and prepared.shown else None
            self.store.count_call(service.id, prepared.pack.version, asides, judged_under=site)
            for shown in of_pack.attribution.shown(answer.body["cards"]):
                self.store.count(service.id, *shown)
        return Reply.of(200, encode(answer.body), "application/json")

    def take_feedback(self, incoming: Incoming) -> Steps:
        """Stores feedback, which is on disk before the 200 is sent (FB-14).

        Raises:
            Fault: 503 if the store is down, so that the client sends the feedback again; else what is wrong with it.
            RequestEntityTooLarge: its body is too long.
        """
        of_pack, service = self._found(incoming)
        body = json_body(incoming, min(self.settings.max_body_bytes, MAX_BODY_BYTES))
        if self.gate.remembers_tokens:
            yield Work(partial(self.gate.claim_token, incoming, body))
        feedback = decode_feedback(body, keep_comments=self.settings.keep_comments)
        now = datetime.now(UTC)
        entries = of_pack.attribution.entries(
            feedback, self.store.keys, service.id, client=incoming.client.name, now=now
        )
        try:
            yield Work(partial(self.store.add, entries))
        except StoreDown:
            text = "the feedback could not be stored; send it again later"
            raise Fault(503, "transient", text) from None
        self.calls.stored(incoming, len(feedback))
        return Reply.of(200)

    def _fetch(self, client: Client) -> Fetch:
        """What asks FHIR servers for one call; the time that it may take begins now."""
        seconds = timedelta(milliseconds=client.fhir_budget_ms).total_seconds()
        return self.metrics.counting(self.fhir.within_budget(self.fhir_servers[client.name], seconds))

    def _found(self, incoming: Incoming) -> tuple[ServedPack, Service]:
        """The service that is called, and its pack.

        Raises:
            Fault: 404, there is none of this id.
        """
        found = self.content.now().services.get(str(incoming.service_id))
        if found is None:
            raise Fault(404, "not-found", "there is no service of this id")
        return found


def _fetch_later(*_: object, **__: object) -> NoReturn:
    """Asks no FHIR server, which would have to be waited for.

    Raises:
        NotBriefError: always.
    """
    raise NotBriefError


def _view(answer: Callable[[Incoming], Steps]) -> Callable[[str], Response]:
    """``answer`` as Flask calls it."""

    def view(service_id: str) -> Response:
        return reply_here(answer(g.incoming)).response()

    return view
