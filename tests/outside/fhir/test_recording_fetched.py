"""What was fetched for a call stands in its recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime

import requests
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from tests.support.ports import free_port
from tests.support.servers import wait_until_answers

SCENARIOS = list(read_scenarios(packaged("fixtures")))
SELECT = "/cds-services/vitamin-b12-order-select"


def test_serve_records_what_it_fetched_too_and_warns(tmp_path, fhir_stores):
    """A recording is whole: the replay needs no FHIR server."""
    scenario = next(s for s in SCENARIOS if s.name == "platelets-and-im/sample")
    base, port, folder = f"{fhir_stores}/recorded/fhir", free_port(), tmp_path / "kept"
    today = datetime.now().astimezone()
    for resource in scenario.record(today):
        put = requests.put(
            f"{base}/{resource['resourceType']}/{resource['id']}",
            data=encode(resource),
            headers={"Content-Type": "application/fhir+json"},
            timeout=10,
        )
        assert put.ok
    settings = {
        "CDS_SERVICE_STORE": f"sqlite:///{tmp_path / 'store'}",
        "CDS_SERVICE_FHIR_OPEN_SERVERS": base,
        "CDS_SERVICE_FHIR_BUDGET_MS": "10000",
    }
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--record", str(folder)]
    warned = tmp_path / "stderr"
    with (
        warned.open("wb") as stderr,
        subprocess.Popen([*command, "--deidentify"], env=os.environ | settings, stderr=stderr) as service,
    ):
        try:
            wait_until_answers(f"http://127.0.0.1:{port}/healthz", service)
            body = scenario.request({}, today) | {"fhirServer": base}
            answer = requests.post(
                f"http://127.0.0.1:{port}{SELECT}",
                data=encode(body),
                headers={"Content-Type": "application/json"},
                timeout=20,
            )
            assert [card["indicator"] for card in answer.json()["cards"]] == ["critical"]
        finally:
            service.terminate()  # then it writes what it holds
    assert "requests are recorded in" in warned.read_text()
    replayed = json.loads(CliRunner().invoke(main, ["replay", str(folder), "--format", "json"]).stdout)
    assert [card["indicator"] for card in replayed[0]["cards"]] == ["critical"]
