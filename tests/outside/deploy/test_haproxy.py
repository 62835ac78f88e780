"""The example for HAProxy, run: TLS outside, only what clients call, an instance that is killed not noticed."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from tests.support.places import ROOT
from tests.support.servers import Service, free_port

EXAMPLE = ROOT / "deploy/haproxy/cds-service.cfg"
HOOK = "/cds-services/vitamin-b12-order-select"
LOAD_SECONDS = 3
BUFFER_BYTES = 100_000  # of the example's buffer, what is left for a body

pytestmark = [
    pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None, reason="haproxy is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@pytest.fixture(scope="module")
def instances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instances")
    one, two = (
        Service(f"sqlite:///{folder}/{name}.sqlite3", folder / name, CDS_SERVICE_INSECURE="1")
        for name in ("one", "two")
    )
    with one, two:
        yield one, two


@pytest.fixture(scope="module")
def send(instances, tmp_path_factory):
    folder = tmp_path_factory.mktemp("haproxy")
    key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "cds.key"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", *key, "-out", "cds.crt", "-days", "2", *name]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    (folder / "cds.pem").write_text((folder / "cds.crt").read_text() + (folder / "cds.key").read_text())
    port, text = free_port(), EXAMPLE.read_text()
    for said, ours in {
        "127.0.0.1:8081": f"127.0.0.1:{instances[0].port}",
        "127.0.0.1:8082": f"127.0.0.1:{instances[1].port}",
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/haproxy/tls": str(folder),
    }.items():
        assert said in text, f"the example no longer says {said}"
        text = text.replace(said, ours)
    (folder / "haproxy.cfg").write_text(text)
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    checked = subprocess.run([program, "-c", "-f", folder / "haproxy.cfg"], capture_output=True, text=True)
    assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked.stderr
    process = subprocess.Popen([program, "-db", "-f", folder / "haproxy.cfg"], stderr=subprocess.DEVNULL)
    trusting = ssl.create_default_context(cafile=str(folder / "cds.crt"))

    def sent(path, body=None, timeout=10):
        headers = {"Content-Type": "application/json"}
        call = urllib.request.Request(f"https://localhost:{port}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(call, timeout=timeout, context=trusting) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.02)
    yield sent
    process.terminate()
    process.wait(10)


def test_a_hook_passes_and_gets_its_cards(send, hook_body):
    status, answer = send(HOOK, hook_body)
    assert status == 200 and b'"cards"' in answer


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz", "/openapi.json", "/", "/cds-services-other"])
def test_what_is_for_inside_is_not_outside(send, path):
    status, answer = send(path)
    assert status == 404 and b"OperationOutcome" not in answer


def test_a_body_larger_than_a_buffer_passes(send, hook_body):
    assert send(HOOK, hook_body.ljust(200_000))[0] == 200


def test_an_instance_killed_under_load_fails_no_call_that_fits_a_buffer(send, instances, hook_body):
    """Last: one instance does not come back."""
    assert len(hook_body) < BUFFER_BYTES
    statuses = []
    running = threading.Event()
    running.set()

    def call():
        while running.is_set():
            statuses.append(send(HOOK, hook_body)[0])

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(LOAD_SECONDS / 2)
    before = len(statuses)
    instances[0].kill()
    time.sleep(LOAD_SECONDS / 2)
    running.clear()
    for caller in callers:
        caller.join(20)
    assert set(statuses) == {200} and 0 < before < len(statuses)
