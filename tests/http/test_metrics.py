"""What is counted, and that a shadow decision is counted and shown to nobody."""

import os
import re
import shutil
import subprocess
import sys

from cds_service.content.proof.versions import update_lock
from cds_service.packaged import packaged
from cds_service.protocol.headers import REPLAY
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


def app_with(tmp_path, status):
    cards = tmp_path / status
    shutil.copytree(packaged("cards"), cards)
    table = cards / "vitamin-b12/decisions/imPlatelets/table.yaml"
    text = re.sub(r"\nversion: \S+", "\nversion: 9.0.0", table.read_text())
    table.write_text(text.replace("status: active", f"status: {status}"))
    pack = cards / "vitamin-b12/pack.yaml"
    pack.write_text(re.sub(r"\nversion: \S+", "\nversion: 9.0.0", pack.read_text()))
    assert update_lock(cards) == []
    return create_app(Settings(cards=cards, loopback=True, key=KEY)).test_client()


def test_calls_and_findings_are_counted_by_rule(request_for):
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    client.post(ORDER_SELECT, json=body)
    client.post(ORDER_SELECT, json=body)
    client.post(ORDER_SELECT, json={})
    told = client.get("/metrics").text
    assert 'cds_service_calls_total{service="vitamin-b12-order-select",status="200"} 2.0' in told
    assert 'cds_service_calls_total{service="vitamin-b12-order-select",status="400"} 1.0' in told
    assert re.search(
        r'findings_total\{decision="imPlatelets",.*rule="TransfusionFirst",.*status="active",.*\} 2\.0', told
    )


def test_Z85_a_replay_is_counted_apart(request_for):
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    marked = {REPLAY: "true"}
    assert client.post(ORDER_SELECT, json=body, headers=marked).json == client.post(ORDER_SELECT, json=body).json
    assert client.post(ORDER_SELECT, json={}, headers=marked).status_code == 400
    told = client.get("/metrics").text
    service = 'service="vitamin-b12-order-select"'
    assert f'cds_service_replays_total{{{service},status="200"}} 1.0' in told
    assert f'cds_service_replays_total{{{service},status="400"}} 1.0' in told
    assert f'cds_service_calls_total{{{service},status="200"}} 1.0' in told
    assert f'cds_service_calls_total{{{service},status="400"}}' not in told
    assert f"cds_service_call_seconds_count{{{service}}} 1.0" in told
    assert re.search(r'findings_total\{decision="imPlatelets",.*rule="TransfusionFirst",.*\} 1\.0', told)


def test_a_shadow_decision_is_counted_and_shown_to_nobody(tmp_path, request_for):
    client = app_with(tmp_path, "shadow")
    answer = client.post(ORDER_SELECT, json=request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).json
    assert answer == {"cards": []}
    told = client.get("/metrics").text
    assert re.search(
        r'findings_total\{decision="imPlatelets",.*rule="TransfusionFirst",.*status="shadow",.*\} 1\.0', told
    )


def test_a_draft_or_retired_decision_is_not_even_asked(tmp_path, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for status in ("draft", "retired"):
        client = app_with(tmp_path, status)
        assert client.post(ORDER_SELECT, json=body).json == {"cards": []}
        assert 'findings_total{decision="imPlatelets"' not in client.get("/metrics").text


def test_no_value_of_a_patient_stands_in_the_metrics(request_for):
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    client.post(ORDER_SELECT, json=request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"))
    told = client.get("/metrics").text
    assert "kwame" not in told and "mensah" not in told


def test_an_unknown_path_gives_no_new_label(request_for):
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    client.post("/cds-services/made-up", json={})
    assert "made-up" not in client.get("/metrics").text


def test_feedback_is_counted_whether_it_is_kept_or_not():
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    entry = {"card": "5d0c9a3e-0000-4000-8000-000000000000", "outcome": "overridden"}
    entry["outcomeTimestamp"] = "2026-01-05T09:30:00Z"
    client.post(f"{ORDER_SELECT}/feedback", json={"feedback": [entry]})
    client.post(f"{ORDER_SELECT}/feedback", json={})
    told = client.get("/metrics").text
    for status in (200, 400):
        labels = f'service="vitamin-b12-order-select",status="{status}"'
        assert f"cds_service_feedback_total{{{labels}}} 1.0" in told


def test_what_is_served_and_kept_can_be_watched(tmp_path, pack):
    client = create_app(Settings(loopback=True, key=KEY)).test_client()
    told = client.get("/metrics").text
    assert 'cds_service_content_shown{pack="vitamin-b12"} 1.0' in told
    assert "cds_service_site_refused 0.0" in told
    assert "cds_service_store_reachable 1.0" in told
    (tmp_path / "file").write_text("")
    lost = create_app(Settings(insecure=True, key=KEY, store=f"sqlite:///{tmp_path}/file/store.sqlite3"))
    told = lost.test_client().get("/metrics").text
    assert f'cds_service_content_shown{{pack="{pack.id}"}} {float(pack.is_reviewed)}' in told
    assert "cds_service_store_reachable 0.0" in told


def test_what_one_worker_said_last_outlives_no_other_worker(tmp_path):
    """A worker that was killed leaves its file of values behind; another tells what is so now."""
    script = (
        "import sys; from cds_service.service.metrics import Metrics;"
        "from cds_service.service.served_content import ServedStatus; metrics = Metrics(); off = sys.argv[2] == 'off';"
        "metrics.set_content([ServedStatus('p', '1', {'a': False}, False)]);"
        "metrics.set_content([ServedStatus('p', sys.argv[1], {'a': off, 'b': False}, off)]);"
        "print(metrics.text().decode())"
    )

    def worker(*words):
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    said = worker("2", "off")
    assert 'cds_service_decision_off{decision="a",pack="p"} 1.0' in said
    assert 'cds_service_content_refused{pack="p"} 1.0' in said
    said = worker("3", "on")
    assert 'cds_service_decision_off{decision="a",pack="p"} 0.0' in said
    assert 'cds_service_content_refused{pack="p"} 0.0' in said
    assert 'cds_service_content{pack="p",version="1"} 0.0' in said
    assert 'cds_service_content{pack="p",version="2"}' not in said
    assert 'cds_service_content{pack="p",version="3"} 1.0' in said
