"""What a service leaves behind when it ends: nothing in the temporary folder, and no port that is still held."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.ports import free_port
from tests.support.servers import status_of, wait_until_answers


def started(tmp_path, port, **settings):
    """A service of two workers whose temporary folder is ``tmp_path / "temporary"``."""
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    store = {"CDS_SERVICE_STORE": f"sqlite:///{tmp_path}/store.sqlite3"}
    options = ["--port", str(port), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-W", "always::ResourceWarning", "-m", "cds_service", "serve", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | store | {"TMPDIR": str(temporary)} | settings,
    )


def left(tmp_path):
    return [path.name for path in (tmp_path / "temporary").iterdir()]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_metrics_of_workers_are_gone_when_the_service_has_ended(tmp_path, how):
    port = free_port()
    process = started(tmp_path, port)
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        assert b"cds_service_content" in status_of(f"http://127.0.0.1:{port}/metrics")[1]
        (folder,) = left(tmp_path)
        assert (tmp_path / "temporary" / folder).stat().st_mode & 0o777 == 0o700
    finally:
        process.send_signal(how)
        process.communicate(timeout=30)
    assert left(tmp_path) == []


def test_a_folder_for_metrics_that_the_deployer_names_stays(tmp_path):
    metrics, port = tmp_path / "metrics", free_port()
    metrics.mkdir()
    process = started(tmp_path, port, PROMETHEUS_MULTIPROC_DIR=str(metrics))
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert left(tmp_path) == [] and list(metrics.iterdir())


def test_a_service_that_is_told_to_stop_while_it_starts_leaves_nothing(tmp_path):
    process = started(tmp_path, free_port())
    try:
        while not any(name.startswith("cds-service-metrics-") for name in left(tmp_path)) and process.poll() is None:
            pass
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert left(tmp_path) == []


def test_a_start_that_is_refused_leaves_nothing_and_closes_its_port(tmp_path):
    clients = tmp_path / "clients.toml"
    clients.write_text("[clients.one]\n")
    process = started(tmp_path, free_port(), CDS_SERVICE_CLIENTS=str(clients))
    try:
        why = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode not in (0, None) and "clients.toml" in why
    assert "ResourceWarning" not in why
    assert left(tmp_path) == []
