"""The web application: here the parts of the service are made, joined to each other, and joined to Flask."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from cds_service.net.fhir_client import FhirClient
from cds_service.protocol.feedback import MAX_BODY_BYTES
from cds_service.service.calls import Calls
from cds_service.service.direct_calls import DirectCalls
from cds_service.service.drift_watch import DriftWatch
from cds_service.service.environ import Environ
from cds_service.service.errors import Errors
from cds_service.service.fhir_access import allowed_servers, fhir_limits
from cds_service.service.front import Front
from cds_service.service.gate import Gate
from cds_service.service.hooks import HookRoutes
from cds_service.service.logs import CallLog, discard, open_audit, start_log
from cds_service.service.metrics import Metrics
from cds_service.service.needed_files import refuse_unusable_files
from cds_service.service.operations import OperationRoutes
from cds_service.service.passage import Passage
from cds_service.service.processor_time import ProcessorTime
from cds_service.service.served_content import ServedContent
from cds_service.service.step_by_step import Steps
from cds_service.settings import (
    Settings,
    SettingsError,
    kubernetes_names,
    read_settings,
    refuse_hidden_preview,
    traces_are_wanted,
)
from cds_service.store.store import Store

if TYPE_CHECKING:
    from cds_service.recording.recorder import Recorder
    from cds_service.service.traces import Traces

_log = logging.getLogger("cds_service")
_OBJECTS_BEFORE_COLLECTION = 100_000
_NOT_TO_BE_STARTED_AGAIN = 3  # the status of a worker with which gunicorn ends instead of starting the next one


def create_app(settings: Settings | None = None, log: CallLog = discard) -> Flask:
    """The WSGI application. Content is loaded here, once; a fault in it stops the start.

    ``log`` gets each call of a service: a mapping without data of patients.

    Raises:
        ProblemsError: the content cannot be used or is not the locked one, or the file of clients cannot be used; every
            problem with file and line.
        ValueError: a configured FHIR server cannot be one, the store's URL is not a URL of a database, there is a
            preview and no console, or a file of the settings cannot be used. A store that is only down stops no start.
    """
    return _joined(settings or read_settings(), Metrics(), log).app


class _Joined(NamedTuple):
    """The application, what finds out who calls it, and what begins to answer a call without Flask."""

    app: Flask
    gate: Gate
    begin: Callable[[Environ], Steps | None]


def _joined(settings: Settings, metrics: Metrics, log: CallLog) -> _Joined:
    refuse_hidden_preview(settings)
    refuse_unusable_files(settings)
    store = Store(settings.store, settings.uuid_key())
    content = ServedContent(settings, store.key)
    metrics.set_content(content.statuses())
    served = content.now()
    are_all = all(state.served is not None for state in content.packs())
    gate = Gate(settings, served.services, served.templates, metrics.count_refusal, are_all=are_all)
    fhir_servers = allowed_servers(settings, gate.clients)
    app = _empty_app(settings.max_body_bytes)
    traces = _traces(content.hook_of) if traces_are_wanted() else None
    if traces is not None:
        log = traces.log_with_trace(log)
    audit = open_audit(settings.audit, store.key, metrics.count_audit_failure)
    calls = Calls(content.serves, metrics, log, audit)
    fhir = FhirClient(fhir_limits(settings), on_search=traces.add_search if traces else None)
    processor_time = ProcessorTime(timedelta(milliseconds=settings.processor_ms).total_seconds())
    hooks = HookRoutes(settings, content, store, gate, calls, metrics, fhir, fhir_servers, processor_time)
    hooks.register(app)
    authenticated, open_discovery = gate.clients is not None, settings.open_discovery
    drift = DriftWatch(settings.runs, content, store)
    OperationRoutes(content, store, metrics, drift, authenticated, open_discovery).register(app)
    if not settings.console_problem:
        _add_console(app, settings, content, store)
    passage = Passage(gate, calls, traces, _recorder(app, settings, content, metrics))
    passage.surround(app)
    errors = Errors(calls.count_defect)
    errors.register(app)
    if not settings.direct_calls:
        return _Joined(app, gate, lambda _: None)
    calls_directly = DirectCalls(app.wsgi_app, hooks.direct(), content.serves, passage, errors)
    app.wsgi_app = calls_directly  # type: ignore[method-assign]  # as Flask has it for what stands before it
    return _Joined(app, gate, calls_directly.begin)


def _empty_app(max_body_bytes: int) -> Flask:
    app = Flask("cds_service", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would lose the body (REQ-11)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    return app


def _add_console(app: Flask, settings: Settings, content: ServedContent, store: Store) -> None:
    """The pages for people: a console for each pack, and the pages of the preview if there is one."""
    from cds_service.service.consoles import consoles, preview_pages

    links: list[tuple[str, str]] = []
    if settings.preview is not None:
        preview = preview_pages(settings, settings.preview, content)
        preview.register(app)
        links = [preview.LINK]
    for pages in consoles(content, store, links, keeps_comments=settings.keep_comments, runs=settings.runs):
        app.register_blueprint(pages)


def _traces(hook_of: Callable[[str], str]) -> Traces | None:
    """What makes the spans of calls; ``hook_of`` gives the hook of a service by its id.

    ``None`` if the extra that it needs is not installed: where spans go may be set for a whole cluster, so this is no
    reason not to start.
    """
    try:
        from cds_service.service.traces import Traces
    except ModuleNotFoundError:
        _log.warning("no traces are sent, though an OTLP endpoint is set: the extra opentelemetry is not installed")
        return None
    return Traces(hook_of)


def _recorder(app: Flask, settings: Settings, content: ServedContent, metrics: Metrics) -> Recorder | None:
    """What keeps each request of a hook after it has been answered, if the settings name a folder for that."""
    if settings.record is None:
        return None
    from cds_service.recording.recorder import Recorder

    recorder = Recorder(
        settings.record,
        content.prepared_for,
        metrics.count_recording,
        most=settings.record_most,
        most_bytes=settings.record_most_bytes,
        deidentified=settings.record_deidentified,
    )
    app.extensions["recorder"] = recorder
    return recorder


def front() -> Front:
    """The factory that ``cds-service serve`` names to Granian, with the settings of the environment.

    Raises:
        SystemExit, ValueError, ProblemsError: as ``wsgi``.
    """
    settings, joined = _started()
    limit = settings.max_body_bytes
    return Front(joined.app, joined.begin, joined.gate, limit, {"take_feedback": min(limit, MAX_BODY_BYTES)})


def wsgi() -> Flask:
    """The factory for other servers, which speak WSGI, with the settings of the environment.

    Such a server must read each body before it calls: this one reads it in the thread that is to answer.

    Raises:
        SystemExit: the settings cannot be used, and stderr says why.
        ValueError: as ``create_app``.
        ProblemsError: as ``create_app``.
    """
    return _started()[1].app


def _started() -> tuple[Settings, _Joined]:
    """The settings of the environment, and what they make."""
    try:
        settings = _settings_of_server()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201  (there is no log yet, and a traceback would hide the sentence)
        raise SystemExit(_NOT_TO_BE_STARTED_AGAIN) from None
    metrics = Metrics()
    log = start_log(settings, metrics.count_lost_line)
    if made := kubernetes_names(os.environ):
        _log.info("no settings, for Kubernetes made them of Services: %s", ", ".join(made))
    joined = _joined(settings, metrics, log)
    # What was made at the start is never garbage, and what a call makes is freed by reference counts alone. Without
    # this, looking for cycles in thousands of decoded resources took half the time of a large call.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    return settings, joined


def _settings_of_server() -> Settings:
    """The settings of the environment, if they say who may call.

    Raises:
        SettingsError: they cannot be used; or no clients are configured, and no setting says that anybody may call; or
            there is a preview and no console.
    """
    settings = read_settings()
    refuse_hidden_preview(settings)
    if settings.clients is None and not settings.loopback and not settings.insecure:
        raise SettingsError(
            "no clients are configured: set CDS_SERVICE_CLIENTS to a clients.toml, or say who can reach this "
            "service with CDS_SERVICE_LOOPBACK=1 (this machine only) or CDS_SERVICE_INSECURE=1 (anybody)"
        )
    return settings
