"""The routes of CDS Hooks: discovery, the call of a service, and feedback on its cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask, Response, g

from cds_service.judge.evaluate import evaluate
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
from cds_service.service.metrics import Metrics
from cds_service.service.processor_time import ProcessorTime
from cds_service.service.served_content import ServedContent
from cds_service.settings import Settings
from cds_service.store.database import StoreDown
from cds_service.store.store import Store
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
        app.post("/cds-services/<service_id>")(self.call_service)
        app.post("/cds-services/<service_id>/feedback")(self.take_feedback)

    def list_services(self) -> Response:
        """Discovery, as the profile of the client has it; 304 if the client has it already."""
        return revalidated(Response(self.content.now().catalogues[g.client.profile], mimetype="application/json"))

    def call_service(self, service_id: str) -> Response:
        """The cards of one service for one request.

        What is noted for the recorder stands in ``g.exchange``.

        Raises:
            Fault: the request cannot be answered with cards.
            RequestEntityTooLarge: its body is too long.
        """
        served = self.content.now()
        found = served.services.get(service_id)
        if found is None:
            raise Fault(404, "not-found", "there is no service of this id")
        of_pack, service = found
        prepared = of_pack.prepared
        is_replay = self.gate.is_replay()
        if is_replay:
            self.calls.replayed()
        body = json_body(self.settings.max_body_bytes)
        self.gate.claim_token(body)
        client = g.client
        seconds = timedelta(milliseconds=client.fhir_budget_ms).total_seconds()
        fetch = self.metrics.counting(self.fhir.within_budget(self.fhir_servers[client.name], seconds))
        profile = Profile(client.profile, client.preference_list, client.issuer)
        exchange = g.exchange = Exchange(service, body, datetime.now(UTC), profile)
        answer = self.processor_time.bounded(
            lambda call: evaluate(prepared, service, body, exchange.now, profile, call.unstopped(fetch))
        )
        exchange.fetched = answer.chart.fetched if answer.chart is not None else {}
        self.calls.answered(answer, prepared.pack)
        if not is_replay:
            self.metrics.count_findings(service, answer)
            asides = [item.counted_as for item in answer.not_understood]
            self.store.count_call(service.id, prepared.pack.version, asides)
            for shown in of_pack.attribution.shown(answer.body["cards"]):
                self.store.count(service.id, *shown)
        return Response(encode(answer.body), mimetype="application/json")

    def take_feedback(self, service_id: str) -> Response:
        """Stores feedback, which is on disk before the 200 is sent (FB-14).

        Raises:
            Fault: 503 if the store is down, so that the client sends the feedback again; else what is wrong with it.
            RequestEntityTooLarge: its body is too long.
        """
        found = self.content.now().services.get(service_id)
        if found is None:
            raise Fault(404, "not-found", "there is no service of this id")
        body = json_body(min(self.settings.max_body_bytes, MAX_BODY_BYTES))
        self.gate.claim_token(body)
        feedback = decode_feedback(body, keep_comments=self.settings.keep_comments)
        now = datetime.now(UTC)
        entries = found[0].attribution.entries(feedback, self.store.keys, service_id, client=g.client.name, now=now)
        try:
            self.store.add(entries)
        except StoreDown:
            text = "the feedback could not be stored; send it again later"
            raise Fault(503, "transient", text) from None
        self.calls.stored(len(feedback))
        response = Response(status=200)
        del response.headers["Content-Type"]  # the answer has no body
        return response
