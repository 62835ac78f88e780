"""What is read at a start is broken, and then a worker dies, or the whole service: the old goes on, and says so."""

import json
import os
import shutil
import signal
import time

import pytest

from tests.support.places import SECOND_PACK
from tests.support.servers import Service, is_there, serving, status_of
from tests.support.trust_parts import write_one_client
from tests.support.waiting import eventually

SERVE = ("-m", "cds_service", "serve", "--port", "{port}", "--workers", "2")


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    (tmp_path / "site.toml").write_text('[decisions]\noff = ["levelAndNeedle"]\n')
    write_one_client(tmp_path)
    return tmp_path


@pytest.fixture
def service(folder):
    made = Service(
        f"sqlite:///{folder}/store.sqlite3",
        folder / "log",
        SERVE,
        CDS_SERVICE_CARDS=str(folder / "cards"),
        CDS_SERVICE_SITE=str(folder / "site.toml"),
        CDS_SERVICE_CLIENTS=str(folder / "clients.toml"),
        CDS_SERVICE_STATE=str(folder / "state"),
    )
    with made:
        made.wait_for_workers(2)
        yield made


def half_a_lock(folder):
    lock = folder / "cards/examplol/lock.json"
    lock.write_bytes(lock.read_bytes()[:100])


def content_away(folder):
    (folder / "cards").rename(folder / "away")


def broken_site(folder):
    (folder / "site.toml").write_text("[decisions\n")


def no_site(folder):
    (folder / "site.toml").unlink()


def both(folder):
    half_a_lock(folder)
    no_site(folder)


FAULTS = {content_away: ["content"], broken_site: ["site"], both: ["content", "site"]}


def state(service):
    status, said = status_of(f"{service.base}/readyz")
    return status, json.loads(said)


def kill_one_worker(service):
    """And wait until another one has taken its place."""
    (_, *workers) = serving(service)
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: not is_there(workers[0]))

    def is_replaced():
        assert service.process.poll() is None, "the service has ended with its worker"
        return len(serving(service)) == 1 + len(workers)

    eventually(is_replaced)
    service.wait_for_workers(2)


def assert_the_old_goes_on(service, before, places):
    for _ in range(20):  # whichever worker it is that answers
        status, now = state(service)
        assert status == 200
        for place in ("content", "site"):
            assert bool(now[place]["problem"]) == (place in places), now
            assert {**now[place], "problem": ""} == before[place]
        status, said = status_of(f"{service.base}/cds-services")
        assert status == 200
        assert json.loads(said)["services"]


@pytest.mark.parametrize(("break_it", "places"), FAULTS.items())
def test_what_is_broken_when_a_worker_dies_and_when_the_service_starts_again(service, folder, break_it, places):
    _, before = state(service)
    assert before["site"]["off"] == ["levelAndNeedle"]
    break_it(folder)
    eventually(lambda: all(state(service)[1][place]["problem"] for place in places))
    kill_one_worker(service)
    time.sleep(1.5)  # each worker looks once a second
    assert_the_old_goes_on(service, before, places)
    service.stop()
    service.start()
    service.wait_for_workers(2)
    assert_the_old_goes_on(service, before, places)
    assert "Refused, the last good one is served" in (folder / "log").read_text()


def test_clients_that_cannot_be_read_when_a_worker_dies(service, folder):
    """A restart is refused: who may call is not to be guessed from what was once true."""
    clients = folder / "clients.toml"
    clients.write_text(clients.read_text().replace("issuer", "isuer"))
    kill_one_worker(service)
    for _ in range(20):
        assert status_of(f"{service.base}/cds-services/examplol-select", b"{}")[0] == 401
    service.stop()
    with pytest.raises(RuntimeError, match="clients"):
        service.start()


def test_a_first_start_with_broken_content_is_refused(service, folder):
    service.stop()
    shutil.rmtree(folder / "state")
    half_a_lock(folder)
    with pytest.raises(RuntimeError, match="lock"):
        service.start()


def test_copies_are_bounded_however_often_workers_are_killed(service, folder):
    def files():
        return sum(len(names) for _, _, names in os.walk(folder / "state"))

    before = files()
    kill_one_worker(service)
    time.sleep(5.5)  # killed sooner than this, a worker is taken for one that cannot start
    kill_one_worker(service)
    assert files() == before
    lines = (folder / "cards/examplol/lock.json").read_text()
    (folder / "cards/examplol/lock.json").write_text(lines + "\n")  # the same content, published anew
    eventually(
        lambda: json.loads(status_of(f"{service.base}/readyz")[1])["content"]["problem"] == "" and files() > before
    )
    assert files() <= 2 * before
