"""The commands of deploy/README.md: back up while it serves, lose everything, restore, and nothing is lost."""

import json
import os
import shlex
import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest

from tests.support.places import ROOT
from tests.support.servers import PostgreSQL, Service, postgresql_programs, status_of
from tests.support.shown_commands import block

PAGE = ROOT / "deploy/README.md"
HOOK = "/cds-services/vitamin-b12-order-select"


def run(name, places, **environment):
    for line in block(PAGE, name, places).splitlines():
        done = subprocess.run(
            shlex.split(line), capture_output=True, text=True, timeout=60, env=os.environ | environment
        )
        assert done.returncode == 0, done.stderr


def report(url):
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", "report", "--format", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"CDS_SERVICE_STORE": url},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    del told["made_at"]
    return told


def send_feedback(service, card):
    entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
    body = json.dumps({"feedback": [entry]}).encode()
    assert status_of(f"{service.base}{HOOK}/feedback", body)[0] == 200


def use(service, hook_body):
    """A card with feedback, and a card that is still without; the second is given back."""
    cards = []
    for instance in (uuid4(), uuid4()):
        body = hook_body.replace(b"d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", str(instance).encode())
        status, answer = status_of(service.base + HOOK, body)
        assert status == 200
        cards.append(json.loads(answer)["cards"][0]["uuid"])
    send_feedback(service, cards[0])
    return cards[1]


def prove(url, log, hook_body, back_up, lose, restore):
    with Service(url, log) as service:
        unanswered = use(service, hook_body)
    with Service(url, log) as service:
        send_feedback(service, str(uuid4()))  # on a card that is not ours
        before = report(url)
        back_up()
    assert before["rules"][0]["shown"] == 2 and before["unmatched"] == 1
    lose()
    restore()
    assert report(url) == before
    with Service(url, log) as service:
        send_feedback(service, unanswered)  # the key of uuids is back too
    overridden = [sum(rule["overridden"] for rule in told["rules"]) for told in (before, report(url))]
    assert overridden == [1, 2]


def test_an_sqlite_store(tmp_path, hook_body):
    state, backups = tmp_path / "state", tmp_path / "backups"
    backups.mkdir()
    places = {
        "/opt/cds-service/bin/python": sys.executable,
        "/var/lib/cds-service": str(state),
        "/var/backups": str(backups),
    }

    def lose():
        for path in state.iterdir():
            path.write_bytes(b"lost")

    prove(
        f"sqlite:///{state}/store.sqlite3",
        tmp_path / "log",
        hook_body,
        lambda: run("backup-sqlite", places),
        lose,
        lambda: run("restore-sqlite", places),
    )


def test_a_postgresql_store(tmp_path, hook_body):
    programs = postgresql_programs()
    if programs is None or not (programs / "pg_dump").exists():
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(programs)

    def database(statement):
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def lose():
        database("DROP DATABASE cds WITH (FORCE)")
        database("CREATE DATABASE cds")

    places = {"postgresql://cds@db.hospital.example/cds": server.dsn("cds"), "/var/backups": str(tmp_path)}
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    try:
        database("CREATE DATABASE cds")
        prove(
            server.dsn("cds").replace("postgresql://", "postgresql+psycopg://"),
            tmp_path / "log",
            hook_body,
            lambda: run("backup-postgresql", places, **path),
            lose,
            lambda: run("restore-postgresql", places, **path),
        )
    finally:
        server.remove()
