"""Calls are answered where they come in; one that waits or takes long holds up nobody there."""

import copy
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_service.service.body_reading import LARGE_BYTES
from tests.support.fhir_stub import Stub
from tests.support.servers import Service, status_of

HOOK = "/cds-services/vitamin-b12-order-select"
MEANWHILE = 5
HANG = 60


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    patient = {"CDS_SERVICE_FHIR_BUDGET_MS": str(HANG * 1000)}
    with Service(f"sqlite:///{folder}/store.sqlite3", folder / "log", **patient) as running:
        yield running


@pytest.fixture
def costly(hook_body):
    """As many orders as are judged at once, each with so many steps that all of it takes long."""
    request = json.loads(hook_body)
    (entry,) = request["context"]["draftOrders"]["entry"]
    entry["resource"]["dosageInstruction"] *= 32
    orders = [copy.deepcopy(entry) for _ in range(10)]
    for number, order in enumerate(orders):
        order["resource"]["id"] = f"draft-{number}"
    request["context"]["draftOrders"]["entry"] = orders
    request["context"]["selections"] = [f"MedicationRequest/draft-{number}" for number in range(10)]
    body = json.dumps(request).encode()
    assert len(body) < LARGE_BYTES, "it would go to a thread for its size"
    return body


@pytest.fixture
def without_prefetch(hook_body):
    """A call for which a FHIR server must be asked, which hangs until the test lets it go."""
    let_go = threading.Event()

    def hold(asked):
        let_go.wait(HANG)
        asked.say({"resourceType": "Bundle", "type": "searchset"})

    with Stub(hold) as stub:
        request = json.loads(hook_body)
        del request["prefetch"]
        request["fhirServer"] = stub.base
        yield json.dumps(request).encode(), stub, let_go
        let_go.set()


def timed(path, body=None):
    """The status of an answer, and the seconds until it came."""
    began = time.monotonic()
    status, _ = status_of(path, body)
    return status, time.monotonic() - began


def test_a_call_that_takes_long_holds_up_nobody(service, hook_body, costly):
    others = []
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(timed, service.base + HOOK, costly)
        while not long.done():
            others += [timed(f"{service.base}/healthz"), timed(service.base + HOOK, hook_body)]
    status, seconds = long.result()
    assert {status, *(status for status, _ in others)} == {200}
    assert max(waited for _, waited in others) < seconds / 2


def test_a_call_that_waits_for_a_fhir_server_holds_up_nobody(service, hook_body, without_prefetch):
    body, stub, let_go = without_prefetch
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(status_of, service.base + HOOK, body)
        while not stub.seen:
            assert not waiting.done()
        for _ in range(MEANWHILE):
            assert status_of(service.base + HOOK, hook_body)[0] == 200
        assert not waiting.done()
        let_go.set()
        waiting.result()
