"""The drill of deploy/README.md: a rule is withdrawn from a service that runs, is seen to be gone, and put back."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.places import ROOT
from tests.support.servers import Service
from tests.support.waiting import eventually

PAGE = ROOT / "deploy/README.md"
TOPIC = "imPlateletsTransfusionFirst"


def block(name):
    """A block of the page, without its fence."""
    return re.search(rf"```\w+ {name}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)[1]


def off(printed):
    """The rules that ``/readyz`` says are switched off, in what was printed."""
    return json.loads(re.search(r'"rules-off":(\[.*?\])', printed)[1])


@pytest.fixture
def typed(tmp_path):
    """What a block of commands prints, typed into a shell in ``tmp_path`` with the paths and the port of this test."""

    def run(name, service):
        text = block(name)
        for said, ours in {
            "/opt/cds-service/bin/cds-service": f"{sys.executable} -m cds_service",
            "/etc/cds-service/site.toml": str(tmp_path / "site.toml"),
            "http://127.0.0.1:8080": service.base,
        }.items():
            text = text.replace(said, ours)
        done = subprocess.run(
            ["bash", "-euc", text],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands of the page need curl")
def test_the_drill_withdraws_a_rule_and_puts_it_back(tmp_path, typed):
    site, new = tmp_path / "site.toml", tmp_path / "site.new.toml"
    site.write_text('plans = "stated"\n')
    log = tmp_path / "log"
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", log, CDS_SERVICE_SITE=str(site)) as service:
        assert TOPIC in typed("withdraw-see", service)
        new.write_text(site.read_text() + block("withdraw-lines"))
        proof = typed("withdraw-check", service)
        assert "The content holds" in proof
        assert f"switched off, {TOPIC} is missing as a control of HAZ-01" in proof
        typed("withdraw-place", service)
        eventually(lambda: off(typed("withdraw-gone", service)) == [TOPIC])
        told = typed("withdraw-gone", service)
        assert f'cds_service_rule_off{{pack="vitamin-b12",rule="{TOPIC}"}} 1.0' in told
        assert told.endswith('{"cards":[]}')
        new.write_text('plans = "stated"\n')
        typed("withdraw-place", service)
        eventually(lambda: off(typed("withdraw-gone", service)) == [])
        assert f'cds_service_rule_off{{pack="vitamin-b12",rule="{TOPIC}"}} 0.0' in typed("withdraw-gone", service)
        assert TOPIC in typed("withdraw-see", service)
        assert service.process.poll() is None  # it was the same one all the time


def test_what_is_off_is_said_at_the_start(tmp_path):
    site, log = tmp_path / "site.toml", tmp_path / "log"
    site.write_text('[decisions]\noff = ["monthlyMaintenance"]\n' + block("withdraw-lines"))
    with Service(f"sqlite:///{tmp_path}/store.sqlite3", log, CDS_SERVICE_SITE=str(site)):
        pass
    said = log.read_text().splitlines()
    assert "Decisions that the site has switched off: monthlyMaintenance" in said
    assert f"Rules that the site has switched off: {TOPIC} since 2026-11-29" in said
