"""The web application: here the parts of the service are made, joined to each other, and joined to Flask."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from cds_service.content.model import Service
from cds_service.net.fhir_client import FhirClient
from cds_service.packaged import packaged
from cds_service.service.bodies import drain
from cds_service.service.calls import Calls
from cds_service.service.errors import answer_errors
from cds_service.service.fhir_access import allowed_servers, fhir_limits
from cds_service.service.gate import Gate
from cds_service.service.hooks import HookRoutes
from cds_service.service.logs import CallLog, discard, open_audit, start_log
from cds_service.service.metrics import Metrics
from cds_service.service.operations import OperationRoutes
from cds_service.service.served import ServedContent
from cds_service.settings import Settings, traces_are_wanted
from cds_service.store.store import Store

if TYPE_CHECKING:
    from cds_service.service.traces import Traces

_log = logging.getLogger("cds_service")
_OBJECTS_BEFORE_COLLECTION = 100_000


def create_app(settings: Settings | None = None, log: CallLog = discard) -> Flask:
    """The WSGI application. Content is loaded here, once; a fault in it stops the start.

    ``log`` gets each call of a service: a mapping without data of patients.

    Raises:
        ProblemsError: the content cannot be used or is not the locked one, or the file of clients cannot be used; every
            problem with file and line.
        ValueError: a configured FHIR server cannot be one, or the store's URL is not a URL of a database. A store that
            is only down does not stop the start.
    """
    settings = settings or Settings()
    store = Store(settings.store, settings.uuid_key())
    content = ServedContent(settings, store.key)
    metrics = Metrics()
    metrics.set_content(content.status())
    pack = content.now().prepared.pack
    gate = Gate(settings, pack.services, pack.templates, metrics.count_refusal)
    fhir_servers = allowed_servers(settings, gate.clients)
    app = _empty_app(settings.max_body_bytes)
    traces = _traces(pack.services) if traces_are_wanted() else None
    if traces is not None:
        app.before_request(traces.begin)
        log = traces.log_with_trace(log)
    audit = open_audit(settings.audit, store.key, metrics.count_audit_failure)
    calls = Calls(pack.services, metrics, log, audit)
    fhir = FhirClient(fhir_limits(settings), on_search=traces.add_search if traces else None)
    HookRoutes(settings, content, store, gate, calls, metrics, fhir, fhir_servers).register(app)
    OperationRoutes(content, store, metrics, authenticated=gate.clients is not None).register(app)
    if settings.console == "on" or (settings.console == "auto" and settings.loopback and gate.clients is None):
        from cds_service.console.routes import console

        app.register_blueprint(console(lambda: content.now().prepared, store, settings.cards, packaged("fixtures")))
    _record(app, settings, content, metrics)
    _surround(app, gate, calls, settings.max_body_bytes)
    answer_errors(app, calls.count_defect)
    return app


def _empty_app(max_body_bytes: int) -> Flask:
    app = Flask("cds_service", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would lose the body (REQ-11)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    return app


def _traces(services: Mapping[str, Service]) -> Traces | None:
    """What makes the spans of calls.

    ``None`` if the extra that it needs is not installed: where spans go may be set for a whole cluster, so this is no
    reason not to start.
    """
    try:
        from cds_service.service.traces import Traces
    except ModuleNotFoundError:
        _log.warning("no traces are sent, though an OTLP endpoint is set: the extra opentelemetry is not installed")
        return None
    return Traces(services)


def _record(app: Flask, settings: Settings, content: ServedContent, metrics: Metrics) -> None:
    """Makes ``app`` keep each request of a hook after it has been answered, if the settings name a folder for that."""
    if settings.record is None:
        return
    from cds_service.recording.recorder import Recorder

    recorder = Recorder(
        settings.record,
        lambda: content.now().prepared,
        metrics.count_recording,
        most=settings.record_most,
        most_bytes=settings.record_most_bytes,
        deidentified=settings.record_deidentified,
    )
    app.extensions["recorder"] = recorder

    @app.after_request
    def record(response: Response) -> Response:
        if "exchange" in g:
            recorder.keep(g.exchange)
        return response


def _surround(app: Flask, gate: Gate, calls: Calls, max_body_bytes: int) -> None:
    """What comes before and after every request, whatever its path: its id, the gate, CORS, log and audit.

    Flask runs functions that come after a request in the reverse of the order in which they were added.
    """

    @app.before_request
    def enter() -> None:
        calls.begin()
        gate.enter()

    @app.after_request
    def leave(response: Response) -> Response:
        calls.end(gate.allow_browsers(response))
        if response.status_code >= 400 and request.method == "POST":
            drain(2 * max_body_bytes)
        return response


def wsgi() -> Flask:
    """The factory that WSGI servers call, with the settings of the environment.

    Raises:
        ValueError: no clients are configured, and no setting says that anybody may call; or as ``create_app``.
        ProblemsError: as ``create_app``.
    """
    settings = Settings()
    if settings.clients is None and not settings.loopback and not settings.insecure:
        raise ValueError(
            "no clients are configured: set CDS_SERVICE_CLIENTS to a clients.toml, or say who can reach this "
            "service with CDS_SERVICE_LOOPBACK=1 (this machine only) or CDS_SERVICE_INSECURE=1 (anybody)"
        )
    app = create_app(settings, start_log(settings))
    # What was made at the start is never garbage, and what a call makes is freed by reference counts alone. Without
    # this, looking for cycles in thousands of decoded resources took half the time of a large call.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    return app
