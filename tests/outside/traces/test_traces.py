"""Spans as a collector gets them from a real service: what they say, whose children they are, when there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from cds_service import __version__
from cds_service.settings import traces_are_wanted
from tests.support.collector import CLIENT, ERROR, SERVER, Collector
from tests.support.fhir_stub import Stub, bundle, saying
from tests.support.ports import free_port
from tests.support.servers import Service

SERVICE = "vitamin-b12-order-select"
ORDER_SELECT = f"/cds-services/{SERVICE}"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
COMMAND = ("-m", "cds_service", "serve", "--port", "{port}")


@contextmanager
def serving(folder, *more, **environment):
    with Service(f"sqlite:///{folder}/store.sqlite3", folder / "log", (*COMMAND, *more), **environment) as service:
        yield service


@pytest.fixture(scope="module")
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def service(tmp_path_factory, collector):
    folder = tmp_path_factory.mktemp("traced")
    environment = collector.environment | {"CDS_SERVICE_LOG_FORMAT": "json", "CDS_SERVICE_FHIR_BUDGET_MS": "300"}
    with serving(folder, **environment) as service:
        yield service


@pytest.fixture
def call(service, collector):
    """A call, its answer, and its span."""

    def send(body, path=ORDER_SELECT, **headers):
        before = len([span for span in collector.spans() if span.raw.kind == SERVER])
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        answer = requests.post(f"{service.base}{path}", data, headers=headers, timeout=10)
        return answer, collector.calls(before + 1)[-1]

    return send


def line_of(service, answer):
    """The line of the log that tells of a call."""
    lines = [json.loads(line) for line in service._log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == answer.headers["X-Request-ID"]]
    return line


def test_the_span_of_a_hook_says_what_the_log_says(call, service, request_for, pack):
    answer, span = call(request_for(PATIENT, DRAFT))
    cards = [card["source"]["topic"]["code"] for card in answer.json()["cards"]]
    assert span.name == "POST /cds-services/{id}" and span.raw.kind == SERVER and not span.raw.parent_span_id
    assert cards
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/cds-services/{id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": ORDER_SELECT,
        "cds_service.request_id": answer.headers["X-Request-ID"],
        "cds_service.service": SERVICE,
        "cds_service.hook": "order-select",
        "cds_service.asked": "hook",
        "cds_service.client": "",
        "cds_service.outcome": "cards",
        "cds_service.pack": pack.id,
        "cds_service.content": pack.version,
        "cds_service.cards": cards,
    }
    line = line_of(service, answer)
    assert line["trace_id"] == span.raw.trace_id.hex()
    assert span.seconds == pytest.approx(line["seconds"], abs=0.3)
    assert not span.raw.events and not span.raw.links and span.raw.status.code != ERROR


def test_what_sends_the_spans_says_who_it_is_and_nothing_of_its_machine(call):
    _, span = call({})
    named = {"service.name": "cds-service", "service.version": __version__, "telemetry.sdk.language": "python"}
    assert named.items() <= span.resource.items()
    assert {name.rpartition(".")[0] for name in span.resource} == {"service", "service.instance", "telemetry.sdk"}


def test_an_order_of_something_else_is_silence(call, request_for):
    _, span = call(request_for(PATIENT, "atorvastatin"))
    assert (span.attributes["cds_service.outcome"], span.attributes["cds_service.cards"]) == ("silence", [])


def test_a_fhir_search_is_a_span_without_its_url(call, collector, request_for):
    with Stub(saying(bundle())) as fhir:
        body = request_for(PATIENT, DRAFT, without=["vitaminB12"]) | {"fhirServer": fhir.base}
        call(body)
        answer, span = call(body, traceparent=f"00-{TRACE}-{CALLER}-01", baggage="patient=x", tracestate="a=b")
        (query,) = collector.below(span)
        assert query.name == "GET Observation" and query.raw.kind == CLIENT
        assert query.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": fhir.port,
            "cds_service.fhir.resource": "Observation",
            "cds_service.fhir.prefetch": "vitaminB12",
            "cds_service.fhir.pages": 1,
            "cds_service.fhir.outcome": "read",
        }
        passed_on = {name.casefold() for _, headers in fhir.seen for name in headers}
        assert passed_on.isdisjoint({"traceparent", "tracestate", "baggage"})
    assert answer.ok and query.raw.status.code != ERROR


@pytest.mark.parametrize(
    ("fhir_says", "status", "outcome", "kind"),
    [
        (saying({}, 403), 403, "fetchRefused", "status 403"),
        (saying({}, 500), 500, "fetchFailed", "status 500"),
        (saying(b"x", content_type="text/html"), 200, "fetchFailed", "not JSON"),
        (saying(b"x"), 200, "fetchFailed", "not FHIR"),
        (lambda asked: asked.wait(2), None, "fetchTooLate", "too late"),
        (lambda asked: None, None, "fetchFailed", "ProtocolError"),
    ],
)
def test_a_fhir_search_that_failed_says_how(call, collector, request_for, fhir_says, status, outcome, kind):
    with Stub(fhir_says) as fhir:
        _, span = call(request_for(PATIENT, DRAFT, without=["platelets"]) | {"fhirServer": fhir.base})
    (query,) = collector.below(span)
    assert query.raw.status.code == ERROR and not query.raw.status.message
    assert query.attributes.get("http.response.status_code") == status
    assert query.attributes["cds_service.fhir.outcome"] == outcome
    assert query.attributes["error.type"] == kind
    assert 0 <= query.seconds < 20


def test_several_searches_are_a_span_each_side_by_side(call, collector, request_for):
    with Stub(lambda asked: (asked.wait(0.05), asked.say(bundle()))) as fhir:
        _, span = call(request_for(PATIENT, DRAFT, without=["all"]) | {"fhirServer": fhir.base})
        queries = collector.below(span)
        assert len(queries) == len(fhir.seen) > 5
    assert sum(query.seconds for query in queries) > 2 * max(query.seconds for query in queries)


def test_refused_calls_and_feedback_have_spans_too(call, collector):
    _, refused = call({"hook": "order-select"})
    assert refused.attributes["http.response.status_code"] == 400
    assert refused.attributes["cds_service.outcome"] == "refused"
    assert refused.raw.status.code != ERROR  # the caller's mistake
    assert not refused.raw.events
    entry = {"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
    _, feedback = call({"feedback": [entry]}, f"{ORDER_SELECT}/feedback")
    assert feedback.name == "POST /cds-services/{id}/feedback"
    assert feedback.attributes["url.path"] == f"{ORDER_SELECT}/feedback"
    assert feedback.attributes["cds_service.outcome"] == "stored"
    assert feedback.attributes["cds_service.feedback"] == 1


def test_a_defect_is_told_and_never_in_its_words(tmp_path, request_for):
    code = "import cds_service.judge.evaluate as way\ndef judge(*_): raise KeyError('marker-of-a-patient')"
    code += "\nway.judge = judge\nfrom cds_service.cli import main\nmain(['serve', '--port', '{port}'])"
    with Collector() as collector:
        with Service(f"sqlite:///{tmp_path}/s", tmp_path / "log", ("-c", code), **collector.environment) as service:
            assert (
                requests.post(service.base + ORDER_SELECT, json=request_for(PATIENT, DRAFT), timeout=10).status_code
                == 500
            )
        (span,) = collector.calls(1)
        assert (span.attributes["cds_service.outcome"], span.attributes["error.type"]) == ("failed", "500")
        assert span.raw.status.code == ERROR
        assert "marker" not in collector.text()


def test_what_is_no_call_of_ours_has_no_span(call, service, collector):
    for path in ("/healthz", "/readyz", "/metrics", "/cds-services", "/", "/nowhere"):
        requests.get(f"{service.base}{path}", timeout=10)
    requests.post(f"{service.base}/cds-services/nobodys", json={}, timeout=10)
    requests.options(f"{service.base}{ORDER_SELECT}", timeout=10)
    requests.put(f"{service.base}{ORDER_SELECT}", json={}, timeout=10)
    before = len(collector.spans())
    call({})
    assert len(collector.spans()) == before + 1


def test_the_trace_of_the_caller_is_continued(call):
    _, span = call({}, traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="vendor=anything", baggage="patient=x")
    assert (span.raw.trace_id.hex(), span.raw.parent_span_id.hex()) == (TRACE, CALLER)
    assert span.raw.trace_state == ""


@pytest.mark.parametrize(
    "header",
    [
        "",
        "anything",
        f"00-{TRACE}-{CALLER}",
        f"00-{TRACE.upper()}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}-01-more",
        f"00-{TRACE}-{CALLER}-01, 00-{TRACE}-{CALLER}-01",
        f"00-{TRACE[:-1]}g-{CALLER}-01",
        f"01-{TRACE}-{CALLER}-01-" + "x" * 600,
    ],
)
def test_a_trace_that_is_not_well_formed_is_none(call, header):
    _, span = call({}, traceparent=header)
    assert span.raw.trace_id.hex() != TRACE and not span.raw.parent_span_id


def test_a_caller_that_samples_nothing_gets_no_spans_and_the_same_answer(call, service, collector, request_for):
    body = request_for(PATIENT, DRAFT)
    headers = {"traceparent": f"00-{TRACE[::-1]}-{CALLER}-00"}
    silent = requests.post(f"{service.base}{ORDER_SELECT}", json=body, headers=headers, timeout=10)
    told, _ = call(body)
    assert silent.json() == told.json()
    assert TRACE[::-1] not in {span.raw.trace_id.hex() for span in collector.spans()}


def test_every_worker_sends_its_spans_and_the_last_ones_before_it_ends(tmp_path, request_for):
    body = request_for(PATIENT, DRAFT)
    with Collector() as collector:
        environment = collector.environment | {
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
            "OTEL_SERVICE_NAME": "b12",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ward",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
        with serving(tmp_path, "--workers", "2", **environment) as service, ThreadPoolExecutor(8) as callers:
            service.wait_for_workers(2)
            done = callers.map(lambda _: requests.post(service.base + ORDER_SELECT, json=body, timeout=20), range(60))
            assert {answer.status_code for answer in done} == {200}
        calls = collector.calls(60)
    assert {span.resource["service.name"] for span in calls} == {"b12"}
    assert {span.resource["deployment.environment.name"] for span in calls} == {"test"}
    assert all(headers["x-tenant"] == "ward" for headers in collector.headers)
    assert len({span.resource["service.instance.id"] for span in calls}) == 2


@pytest.mark.parametrize("kind", ["dead", "hanging"])
def test_a_collector_that_does_not_answer_delays_and_breaks_nothing(tmp_path, request_for, kind):
    """Not even when the queue overflows, and not the end of the service either."""
    body, took = request_for(PATIENT, DRAFT), []
    with Collector(hanging=True) as collector:
        environment = collector.environment | {"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
        if kind == "dead":
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
        with serving(tmp_path, **environment) as service, requests.Session() as session:
            for _ in range(40):
                began = time.monotonic()
                assert session.post(service.base + ORDER_SELECT, json=body, timeout=20).json()["cards"]
                took.append(time.monotonic() - began)
            began = time.monotonic()
            service.process.terminate()
            assert service.process.wait(20) == 0
            assert time.monotonic() - began < 20  # it would be waited for ten seconds for each of five batches
    assert max(took) < 9  # an exporter waits for ten seconds


def without(*variables):
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | dict(variables)


def imported(code="", *variables):
    """The modules of OpenTelemetry and the log of a process that makes the application."""
    code += "\nimport sys, logging; logging.basicConfig()\nfrom cds_service.service.app import create_app; create_app()"
    code += "\nprint([name for name in sys.modules if name.split('.')[0] == 'opentelemetry' and sys.modules[name]])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=without(*variables), timeout=60
    )
    return done.stdout.strip(), done.stderr


SET = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")


def test_switched_off_it_is_not_even_imported():
    assert imported() == ("[]", "")
    assert imported("", SET)[0] != "[]"


def test_without_the_extra_the_service_serves_and_says_what_is_missing():
    found, log = imported("import sys; sys.modules['opentelemetry'] = None", SET)
    assert found == "[]" and "the extra opentelemetry is not installed" in log


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_the_variables_of_opentelemetry_switch_it_on(monkeypatch, variables, wanted):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces_are_wanted() is wanted
