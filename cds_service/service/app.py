"""The web application: the only place where parts are joined to the world."""

from __future__ import annotations

import gc
import hmac
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_service import __version__
from cds_service.content.model import Service
from cds_service.judge.evaluate import evaluate
from cds_service.net.fhir_client import FetchLimits, FhirClient
from cds_service.net.servers import AllowedServers
from cds_service.packaged import packaged
from cds_service.protocol.encodings import ACCEPTED, TooLongError, decoded
from cds_service.protocol.faults import Fault, operation_outcome
from cds_service.protocol.feedback import MAX_BODY_BYTES, decode_feedback
from cds_service.protocol.openapi import openapi
from cds_service.protocol.profiles import Profile
from cds_service.recording.exchange import Heard
from cds_service.service.calls import Calls
from cds_service.service.gate import Gate
from cds_service.service.logs import Tell, open_audit, silent, start_log
from cds_service.service.metrics import Counts
from cds_service.service.served import ServedContent
from cds_service.settings import Settings, traces_are_wanted
from cds_service.store.database import StoreDown
from cds_service.store.store import Store
from cds_service.trust.clients import Clients
from cds_service.vocabulary.json_text import encode

if TYPE_CHECKING:
    from cds_service.service.traces import Traces

_log = logging.getLogger("cds_service")
_CHUNK_BYTES = 65_536
_OBJECTS_BEFORE_COLLECTION = 100_000
_JSON_TYPES = ("application/json", "application/fhir+json")
_CODES = {404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_SENTENCES = {
    404: "there is no such path",
    405: "this method is not allowed here",
    413: "the body is too large",
    415: "expected Content-Type application/json",
}


def create_app(settings: Settings | None = None, log: Tell = silent) -> Flask:
    """The WSGI application. Content is loaded here, once; a fault in it stops the start.

    ``log`` is told of each call of a service.

    Raises:
        ProblemsError: the content cannot be used or is not the locked one, or the file of clients cannot be used.
        ValueError: a FHIR server is configured that cannot be one, or the store's URL is none; a store that is only
            down stops nothing.
    """
    settings = settings or Settings()
    store = Store(settings.store, settings.uuid_key())
    serving = ServedContent(settings, store.key)
    counts = Counts()
    status = serving.status()
    counts.serving(status.version, status.off, status.content_refused)
    pack = serving.now().prepared.pack
    gate = Gate(settings, pack.services, pack.templates, counts.refused)
    fhir_servers = allowed_servers(settings, gate.clients)
    app = Flask("cds_service", static_folder=None)
    traces = _traces(pack.services) if traces_are_wanted() else None
    if traces is not None:
        app.before_request(traces.begin)
        log = traces.telling(log)
    fhir = FhirClient(fhir_limits(settings), on_search=traces.queried if traces else None)
    calls = Calls(pack.services, counts, log, open_audit(settings.audit, store.key, counts.audit_failed))
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would lose the body (REQ-11)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes

    @app.before_request
    def enter() -> None:
        calls.begin()
        gate.enter()

    @app.get("/cds-services")
    def list_services() -> Response:
        return Response(serving.now().catalogues[g.client.profile], mimetype="application/json")

    @app.post("/cds-services/<service_id>")
    def call_service(service_id: str) -> Response:
        served = serving.now()
        service = served.prepared.pack.services.get(service_id)
        if service is None:
            raise Fault(404, "not-found", "there is no service of this id")
        body = _body(settings.max_body_bytes)
        gate.use(body)
        client = g.client
        fetch = counts.fetching(fhir.within_budget(fhir_servers[client.name]))
        profile = Profile(client.profile, client.preference_list, client.issuer)
        heard = g.heard = Heard(service, body, datetime.now(UTC), profile)
        answer = evaluate(served.prepared, service, body, heard.now, profile, fetch)
        heard.fetched = answer.chart.fetched if answer.chart is not None else {}
        calls.answered(answer, served.prepared.pack.version)
        counts.findings(service, answer)
        for shown in served.attribution.shown(answer.body["cards"]):
            store.count(service.id, *shown)
        return Response(encode(answer.body), mimetype="application/json")

    @app.post("/cds-services/<service_id>/feedback")
    def take_feedback(service_id: str) -> Response:
        """Feedback is on disk before the 200 (FB-14); a store that is down is a 503, so that it is sent again."""
        served = serving.now()
        if service_id not in served.prepared.pack.services:
            raise Fault(404, "not-found", "there is no service of this id")
        body = _body(min(settings.max_body_bytes, MAX_BODY_BYTES))
        gate.use(body)
        said = decode_feedback(body, keep_comments=settings.keep_comments)
        now = datetime.now(UTC)
        try:
            store.add(served.attribution.entries(said, store.keys, service_id, client=g.client.name, now=now))
        except StoreDown:
            text = "the feedback could not be stored; send it again later"
            raise Fault(503, "transient", text) from None
        calls.stored(len(said))
        response = Response(status=200)
        del response.headers["Content-Type"]  # there is no content
        return response

    if settings.console == "on" or (settings.console == "auto" and settings.loopback and gate.clients is None):
        from cds_service.console.routes import console

        app.register_blueprint(console(serving, store, settings.cards, packaged("fixtures")))

    if settings.record is not None:
        from cds_service.recording.recorder import Recorder

        secret = hmac.digest(store.key, b"recordings", "sha256") if settings.record_deidentified else b""
        recorder = Recorder(
            settings.record,
            lambda: serving.now().prepared,
            counts.recorded,
            most=settings.record_most,
            most_bytes=settings.record_most_bytes,
            key=secret,
        )
        app.extensions["recorder"] = recorder

        @app.after_request
        def record(response: Response) -> Response:
            if "heard" in g:
                recorder.keep(g.heard)
            return response

    @app.get("/metrics")
    def measured() -> Response:
        served = serving.now()
        status = serving.status()
        counts.serving(status.version, status.off, status.content_refused)
        counts.state(
            shown=served.prepared.shown,
            site_refused=bool(serving.site_problem),
            store_reachable=store.reachable(),
        )
        return Response(counts.text(), content_type=counts.CONTENT_TYPE)

    @app.get("/openapi.json")
    def describe() -> Response:
        document = openapi(__version__, serving.now().listed, authenticated=gate.clients is not None)
        return Response(encode(document), mimetype="application/json")

    @app.get("/healthz")
    def alive() -> Response:
        return Response(b'{"status":"alive"}', mimetype="application/json")

    @app.get("/readyz")
    def ready() -> Response:
        served = serving.now()
        pack = served.prepared.pack
        reachable = store.reachable()
        state: dict[str, Any] = {
            "status": "ready" if reachable else "not ready: the store cannot be reached",
            "content": {
                "id": pack.id,
                "version": pack.version,
                "reviewed": pack.reviewed,
                "shown": served.prepared.shown,
                "problem": serving.content_problem,
            },
            "site": {"digest": pack.site_digest, "off": served.off, "problem": serving.site_problem},
            "store": {"reachable": reachable},
        }
        return Response(encode(state), status=200 if reachable else 503, mimetype="application/json")

    @app.after_request
    def leave(response: Response) -> Response:
        calls.end(gate.allow_browsers(response))
        if response.status_code >= 400 and request.method == "POST":
            _drain(2 * settings.max_body_bytes)
        return response

    @app.errorhandler(Fault)
    def refuse(fault: Fault) -> Response:
        response = _outcome(fault.status, fault.outcome())
        if fault.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if fault.status == 415:
            response.headers["Accept-Encoding"] = ACCEPTED  # RFC 9110, 12.5.3
        return response

    @app.errorhandler(HTTPException)
    def refuse_http(error: HTTPException) -> Response:
        status = 413 if isinstance(error, RequestEntityTooLarge) else error.code or 500
        text = _SENTENCES.get(status, "the request could not be answered")
        response = _outcome(status, operation_outcome(_CODES.get(status, "processing"), text))
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        calls.failed(error)
        return _outcome(500, operation_outcome("exception", "the service failed; this is a defect of it"))

    return app


def allowed_servers(settings: Settings, clients: Clients | None) -> dict[str, AllowedServers]:
    """The FHIR servers that may be called for each client, by its name.

    While no clients are configured, for anybody (``""``): those of the settings, and on loopback any there.

    Raises:
        ValueError: one of them cannot be the base URL of a FHIR server.
    """
    if clients is None:
        anybody = AllowedServers.of(
            settings.fhir_servers,
            open_bases=settings.fhir_open_servers,
            private_hosts=settings.fhir_private_hosts,
            loopback=settings.loopback,
        )
        return {"": anybody}
    private = clients.private_hosts.union(settings.fhir_private_hosts)
    return {
        client.name: AllowedServers.of(client.fhir_servers, open_bases=client.open_fhir_servers, private_hosts=private)
        for client in clients.clients
    }


def fhir_limits(settings: Settings) -> FetchLimits:
    """What FHIR calls may cost."""
    return FetchLimits(
        seconds=timedelta(milliseconds=settings.fhir_budget_ms).total_seconds(),
        pages=settings.fhir_max_pages,
        bytes=settings.fhir_max_bytes,
        ca_bundle=str(settings.fhir_ca_bundle) if settings.fhir_ca_bundle else None,
    )


def _traces(services: Mapping[str, Service]) -> Traces | None:
    """What makes spans of calls; none without the extra: a cluster may set where spans go for everybody in it."""
    try:
        from cds_service.service.traces import Traces
    except ModuleNotFoundError:
        _log.warning("no traces are sent, though an OTLP endpoint is set: install cds-service[opentelemetry]")
        return None
    return Traces(services)


def _body(limit: int) -> bytes:
    """The bytes of a JSON body, at most ``limit`` as sent and when decoded.

    Raises:
        Fault: 400, 415.
        RequestEntityTooLarge: 413.
    """
    if request.mimetype not in _JSON_TYPES:
        raise Fault(415, "not-supported", _SENTENCES[415])
    request.max_content_length = limit
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= limit:
        raise RequestEntityTooLarge  # a stream without a length was cut off at the limit
    try:
        return decoded(body, request.headers.get("Content-Encoding", ""), limit)
    except TooLongError:
        raise RequestEntityTooLarge from None


def _drain(limit: int) -> None:
    """Reads away at most ``limit`` bytes that a refused caller is still sending.

    Else the connection is reset under the answer, and a proxy takes the service for dead.
    """
    left = limit
    while left > 0 and (read := len(request.environ["wsgi.input"].read(min(left, _CHUNK_BYTES)))):
        left -= read


def _outcome(status: int, outcome: Mapping[str, Any]) -> Response:
    return Response(encode(outcome), status=status, mimetype="application/fhir+json")


def wsgi() -> Flask:
    """The factory that WSGI servers call.

    Raises:
        ValueError: nobody is authenticated, and nobody said that this is meant.
    """
    settings = Settings()
    if settings.clients is None and not settings.loopback and not settings.insecure:
        raise ValueError(
            "no clients are configured: set CDS_SERVICE_CLIENTS to a clients.toml, or say who can reach this "
            "service with CDS_SERVICE_LOOPBACK=1 (this machine only) or CDS_SERVICE_INSECURE=1 (anybody)"
        )
    app = create_app(settings, start_log(settings))
    # What was made at the start is never garbage, and what a call makes dies by itself: looking for cycles in thousands
    # of decoded resources over and over took half the time of a large call.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    return app
