"""``replay --fhir-server``: each patient is loaded onto a real FHIR server and read from there.

``make test`` takes two of the four files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.packaged import packaged
from tests.support.ports import free_port
from tests.support.sample import sampled
from tests.support.servers import wait_until_answers

FILES = sampled(
    ("scenarios/oral", "scenarios/platelets-and-im", "courses/falling-platelets", "courses/transfer-of-care"), 2
)
STORIES = [str(packaged("fixtures") / f"{name}.yaml") for name in FILES]
NUMBERS = {"platelets-and-im/twentyFivePointZero", "platelets-and-im/fiftyPointZero"}  # JavaScript writes 25.0 as 25


def replay(*arguments):
    return CliRunner().invoke(main, ["replay", *STORIES, *arguments, "--format", "json"])


def judged(result):
    results = json.loads(result.stdout)
    skipped = [result for result in results if result["skipped"]]
    assert len(skipped) < len(results) / 4, skipped
    return {result["scenario"]: result["differences"] for result in results if result["scenario"] not in NUMBERS}


def different(result):
    return {name: differences for name, differences in judged(result).items() if differences}


def test_the_cards_are_those_of_prefetch_and_the_server_is_left_empty(fhir_stores):
    base = f"{fhir_stores}/replay-in-process/fhir"
    assert different(replay("--fhir-server", base)) == {}
    for kind in ("Patient", "Observation", "Condition"):
        assert requests.get(f"{base}/{kind}?_summary=count", timeout=10).json().get("total", 0) == 0


def test_a_live_service_is_told_of_the_server_and_reads_it(fhir_stores, tmp_path):
    base, port = f"{fhir_stores}/replay-live/fhir", free_port()
    settings = {
        "CDS_SERVICE_STORE": f"sqlite:///{tmp_path / 'store'}",
        "CDS_SERVICE_FHIR_OPEN_SERVERS": base,
        "CDS_SERVICE_FHIR_BUDGET_MS": "10000",
    }
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL) as service:
        try:
            wait_until_answers(f"http://127.0.0.1:{port}/healthz", service)
            result = replay("--against", f"http://127.0.0.1:{port}", "--fhir-server", base)
            assert different(result) == {}
            read = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
            assert "cds_service_fhir" in read
        finally:
            service.terminate()


@pytest.mark.parametrize(
    "arguments", [("--fhir-server", "http://127.0.0.1:9/fhir"), ("--against", "http://127.0.0.1:9")]
)
def test_a_server_that_is_not_there_is_named(arguments):
    result = replay(*arguments)
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.stderr
    assert "does not answer" in result.stderr
