"""Content that no clinician has reviewed shows itself on a laptop only, unless a deployer accepts it (Z15)."""

import re
import shutil

import pytest

from cds_service.content.proof.versions import update_lock
from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


@pytest.fixture(scope="module")
def request_body(request_for):
    return request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (Settings(), False),
        (Settings(loopback=True), True),
        (Settings(accept_unreviewed_content=True), True),
    ],
)
def test_unreviewed_content_runs_as_shadow_beyond_loopback(request_body, settings, shown):
    client = create_app(settings).test_client()
    assert bool(client.post(ORDER_SELECT, json=request_body).json["cards"]) is shown
    ready = client.get("/readyz")
    assert ready.status_code == 200
    content = ready.json["content"]
    assert (content["id"], content["reviewed"], content["shown"]) == ("vitamin-b12", False, shown)


def test_a_recorded_review_shows_the_content_and_ends_the_notice(request_body, tmp_path):
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    pack = cards / "vitamin-b12/pack.yaml"
    text = pack.read_text().replace('date: ""', 'date: "2026-11-23"').replace('role: ""', "role: Pharmacist")
    text = re.sub(r"\nversion: \S+", "\nversion: 9.0.0", text)
    pack.write_text(text.replace('  version: ""', "  version: 9.0.0"))
    assert update_lock(cards) == []
    (card,) = create_app(Settings(cards=cards)).test_client().post(ORDER_SELECT, json=request_body).json["cards"]
    assert "has not been reviewed" not in card["detail"]


def test_a_review_of_an_older_version_does_not_count(request_body, tmp_path):
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    pack = cards / "vitamin-b12/pack.yaml"
    text = pack.read_text().replace('date: ""', 'date: "2026-11-23"').replace('role: ""', "role: Pharmacist")
    text = re.sub(r"\nversion: \S+", "\nversion: 9.0.1", text)
    pack.write_text(text.replace('  version: ""', "  version: 9.0.0"))
    assert update_lock(cards) == []
    client = create_app(Settings(cards=cards)).test_client()
    assert client.post(ORDER_SELECT, json=request_body).json["cards"] == []
    assert client.get("/readyz").json["content"]["reviewed"] is False


def test_a_review_of_one_decision_ends_the_notice_on_its_cards_only(request_body, tmp_path):
    cards = tmp_path / "cards"
    shutil.copytree(packaged("cards"), cards)
    pack, table = (cards / "vitamin-b12" / name for name in ("pack.yaml", "decisions/imPlatelets/table.yaml"))
    for path in (pack, table):
        path.write_text(re.sub(r"\nversion: \S+", "\nversion: 9.0.0", path.read_text()))
    table.write_text(table.read_text() + 'review: {date: "2026-11-23", role: Pharmacist, version: 9.0.0}\n')
    assert update_lock(cards) == []
    client = create_app(Settings(cards=cards, loopback=True)).test_client()
    (card,) = client.post(ORDER_SELECT, json=request_body).json["cards"]
    assert "has not been reviewed" not in card["detail"]
