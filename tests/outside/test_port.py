"""One port, one service (Z84): the system would share the calls between two that listen on one port."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.support.ports import free_port
from tests.support.servers import Service, status_of, wait_until_answers


def serve(port, store, *more):
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CDS_SERVICE_STORE": f"sqlite:///{store}"},
    )


def assert_refused(port, store, *more):
    """It ends by itself with one line, has said nothing before, and has not touched its store."""
    second = serve(port, store, *more)
    try:
        said, why = second.communicate(timeout=60)
    finally:
        second.kill()
    assert second.returncode not in (0, None)
    assert said == "" and why.count("\n") == 1
    assert f"Port {port} of " in why and "is taken" in why
    assert not store.exists()


@contextmanager
def listening(host, options):
    """Somebody else's listener."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        other.bind((host, 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_service_on_a_taken_port_says_so_and_ends(tmp_path, workers):
    command = ("-m", "cds_service", "serve", "--port", "{port}", "--workers", workers)
    with Service(f"sqlite:///{tmp_path}/one.sqlite3", tmp_path / "log", command) as first:
        assert_refused(first.port, tmp_path / "two.sqlite3")
        assert_refused(first.port, tmp_path / "two.sqlite3", "--host", "0.0.0.0", "--insecure")  # noqa: S104
        assert status_of(f"{first.base}/healthz")[0] == 200


@pytest.mark.parametrize("options", [[], ["SO_REUSEADDR"], ["SO_REUSEPORT"], ["SO_REUSEADDR", "SO_REUSEPORT"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])  # noqa: S104
def test_a_port_that_another_program_has_is_taken(tmp_path, host, options):
    with listening(host, options) as port:
        assert_refused(port, tmp_path / "store.sqlite3")


def test_of_two_that_start_together_one_serves(tmp_path):
    port = free_port()
    both = [serve(port, tmp_path / f"{number}.sqlite3") for number in range(2)]
    try:
        while all(each.poll() is None for each in both):
            time.sleep(0.02)
        (ended,) = [each for each in both if each.poll() is not None]
        assert ended.returncode == 1
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", next(each for each in both if each is not ended))
    finally:
        for each in both:
            each.terminate()
            each.communicate(timeout=20)


def test_a_service_starts_again_on_its_port_at_once(tmp_path):
    """Connections that ended lately do not keep the port, whichever way the service ended."""
    service = Service(f"sqlite:///{tmp_path}/store.sqlite3", tmp_path / "log").start()
    for end in (service.stop, service.kill, service.stop):
        assert status_of(f"{service.base}/healthz")[0] == 200
        end()
        service.start()
    service.stop()


def test_a_port_that_may_not_be_listened_on_is_one_line(tmp_path):
    refused = serve(8080, tmp_path / "store.sqlite3", "--host", "192.0.2.1", "--insecure")
    said, why = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert said == "" and why.count("\n") == 1 and "192.0.2.1 cannot be listened on" in why


def test_a_call_that_comes_as_soon_as_the_service_says_where_it_listens_is_answered(tmp_path):
    port = free_port()
    process = serve(port, tmp_path / "store.sqlite3")
    try:
        assert process.stdout.readline().startswith(f"CDS Hooks on http://127.0.0.1:{port}/cds-services")
        assert status_of(f"http://127.0.0.1:{port}/healthz")[0] == 200
    finally:
        process.terminate()
        process.communicate(timeout=20)
