"""Content is replaced under a running service: whole, only if it passes ``check``, and without a restart."""

from __future__ import annotations

import re
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.content.proof.versions import update_lock
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK

TABLE = "examplol/decisions/levelAndNeedle/table.yaml"
NEEDLE = next(s for s in read_scenarios(SECOND_PACK / "fixtures") if s.name == "level-and-needle/below")


@pytest.fixture
def cards(tmp_path):
    return Path(shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards"))


@pytest.fixture
def serve(cards, tmp_path):
    def build(**settings):
        return create_app(Settings(cards=cards, loopback=True, key=KEY, **settings)).test_client()

    return build


def edit(cards, *changes, path=TABLE):
    text = (cards / path).read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (cards / path).write_text(text, encoding="utf-8")
    sources = cards / "examplol/sources.yaml"  # what is called the source's word has to be
    text = sources.read_text(encoding="utf-8").replace("numbers: [17]", "numbers: [17, 20]")
    sources.write_text(text.replace("numbers: [17, 23]", "numbers: [17, 20, 23]"), encoding="utf-8")


HIGHER = [("version: 1.1.0", "version: 1.2.0"), ("'< 17'", "'< 20'"), ("'[17..23]'", "'[20..23]'")]


def publish(cards, pack="examplol", version="9.9.9"):
    pack = cards / "examplol/pack.yaml"
    pack.write_text(
        re.sub(r"\nversion: \S+", f"\nversion: {version}", pack.read_text(encoding="utf-8")), encoding="utf-8"
    )
    assert update_lock(cards) == []


def content(client):
    return client.get("/readyz").json["content"]


def refused(client):
    text = client.get("/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith("cds_service_content_refused")).split()[1])


def eventually(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def test_published_content_is_taken_up_without_a_restart(cards, serve):
    client = serve()
    before = content(client)["version"]
    edit(cards, *HIGHER)
    publish(cards)
    eventually(lambda: content(client)["version"] == "9.9.9")
    assert content(client)["problem"] == ""
    assert 'cds_service_content{pack="examplol",version="9.9.9"} 1.0' in client.get("/metrics").text
    assert f'cds_service_content{{pack="examplol",version="{before}"}} 1.0' not in client.get("/metrics").text


def test_edits_that_are_not_published_are_left_alone(cards, serve):
    client = serve()
    before = content(client)
    edit(cards, ("'< 17'", "'< 20'"))
    for _ in range(15):
        assert content(client) == before
        time.sleep(0.1)
    assert refused(client) == 0


def test_content_with_a_gap_is_refused_with_its_place_and_the_old_goes_on(cards, serve):
    client = serve()
    before = content(client)
    edit(cards, ("version: 1.1.0", "version: 1.2.0"), ("'< 17'", "'< 16'"))
    (cards / "examplol/lock.json").write_text((cards / "examplol/lock.json").read_text() + "\n")
    eventually(lambda: content(client)["problem"] != "")
    assert TABLE in content(client)["problem"]
    assert str(cards) in content(client)["problem"]
    assert {**content(client), "problem": ""} == before
    assert client.get("/readyz").status_code == 200
    assert refused(client) == 1
    edit(cards, ("'< 16'", "'< 17'"))
    publish(cards)
    eventually(lambda: content(client)["problem"] == "")
    assert refused(client) == 0


def test_what_was_refused_half_copied_is_tried_again(cards, serve):
    """Who copies a folder may copy the lock first."""
    client = serve()
    finished = shutil.copytree(cards, cards.parent / "finished")
    edit(finished, *HIGHER)
    publish(finished)
    shutil.copy(finished / "examplol/lock.json", cards / "examplol/lock.json")
    eventually(lambda: content(client)["problem"] != "")
    for name in (TABLE, "examplol/pack.yaml", "examplol/sources.yaml"):
        shutil.copy(finished / name, cards / name)
    eventually(lambda: content(client)["problem"] == "")


def test_a_folder_that_is_gone_changes_nothing_until_it_is_back(cards, serve):
    client = serve()
    version = content(client)["version"]
    away = cards.rename(cards.parent / "away")
    eventually(lambda: content(client)["problem"] != "")
    assert content(client)["version"] == version
    away.rename(cards)
    eventually(lambda: content(client)["problem"] == "")


def test_other_services_need_a_restart(cards, serve):
    client = serve()
    edit(cards, ("id: examplol-select", "id: examplol-elsewhere"), path="examplol/pack.yaml")
    publish(cards)
    eventually(lambda: "need a restart" in content(client)["problem"])
    assert any("examplol-select" in s["id"] for s in client.get("/cds-services").json["services"])


def test_the_site_is_still_followed_while_the_content_is_broken(cards, serve, tmp_path):
    site = tmp_path / "site.toml"
    site.write_text("")
    client = serve(site=site)
    (cards / TABLE).write_text("nonsense")
    (cards / "examplol/lock.json").write_text((cards / "examplol/lock.json").read_text() + "\n")
    eventually(lambda: content(client)["problem"] != "")
    site.write_text('[decisions]\noff = ["levelAndNeedle"]\n')
    eventually(lambda: client.get("/readyz").json["site"]["off"] == ["levelAndNeedle"])


def test_a_rule_that_was_switched_off_under_other_content_is_told_of_when_this_one_is_taken_up(
    cards, serve, tmp_path, caplog
):
    """It stays off, and whoever goes back to content in which it is right has to know."""
    site = tmp_path / "site.toml"
    site.write_text('[rules.off.examplolLevelAndNeedleBelow]\nreason = "A drill."\ndate = 2026-11-29\n')
    client = serve(site=site)
    edit(cards, *HIGHER)
    publish(cards)
    eventually(lambda: content(client)["version"] == "9.9.9")
    told = "rules that the site has switched off: examplolLevelAndNeedleBelow since 2026-11-29"
    eventually(lambda: told in caplog.messages)


def test_every_answer_meanwhile_is_that_of_one_content(cards, serve):
    client = serve()
    services = {s["hook"]: s for s in client.get("/cds-services").json["services"]}
    service = services[NEEDLE.hook]
    body = encode(NEEDLE.request(service["prefetch"], datetime.now(UTC)))
    answers, stop = set(), threading.Event()

    def fire():
        with client.application.test_client() as mine:
            while not stop.is_set():
                answer = mine.post(f"/cds-services/{service['id']}", data=body, content_type="application/json")
                (card,) = answer.json["cards"]
                answers.add((", below 17" in card["detail"], "levelAndNeedle 1.1.0" in card["detail"]))

    threads = [threading.Thread(target=fire) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        edit(cards, *HIGHER)
        publish(cards)
        eventually(lambda: len(answers) == 2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert answers == {(True, True), (False, False)}
