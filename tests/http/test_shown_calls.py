"""docs/integrating.md shows a request, its answer, a feedback and an error: all are what the service takes and says."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from tests.conftest import ORDER_SELECT
from tests.http import shown_calls

MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DATE = re.compile(rf"\d{{4}}-\d\d-\d\d(?:T[\d:]+Z)?|\b\d{{1,2}} (?:{MONTHS})(?: \d{{4}})?\b")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def shown(index: int) -> Any:
    """The JSON block of the page with this number."""
    blocks = re.findall(r"^```json\n(.*?)^```", shown_calls.PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return json.loads(blocks[index])


def differences(part: Any, whole: Any, path: str = "") -> list[str]:
    """Where ``part`` says something else than ``whole``: what it leaves out, days and uuids are no difference."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [line for key in part for line in differences(part[key], whole.get(key), f"{path}.{key}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) <= len(whole):
        pairs = enumerate(zip(part, whole, strict=False))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    if isinstance(part, str) and isinstance(whole, str):
        part, whole = (UUID.sub("UUID", DATE.sub("DATE", text)) for text in (part, whole))
    return [] if part == whole else [f"{path}: {part!r} is shown, {whole!r} is so"]


def test_the_page_shows_the_four_as_they_are_now():
    """Otherwise: make calls."""
    text = shown_calls.PAGE.read_text(encoding="utf-8")
    assert shown_calls.page(text) == text


def test_the_request_is_that_of_sample_and_leaves_only_out_what_the_page_says():
    sample = CliRunner().invoke(main, ["sample"])
    assert sample.exit_code == 0, sample.output
    whole, part = json.loads(sample.output), shown(0)
    found = {
        key: part["prefetch"].pop(key) for key, value in list(part["prefetch"].items()) if not value.get("entry", 1)
    }
    assert differences(part, whole) == []
    assert {"conditions", "medicationRequests", "vitaminB12"} <= found.keys()


def test_the_request_is_answered_so_today_and_the_feedback_is_taken(client):
    now = datetime.now(UTC)
    answer = client.post(ORDER_SELECT, json=shown_calls.request(now)).json
    assert differences(shown(1), answer) == []
    assert len(answer["cards"]) == len(shown(1)["cards"])
    feedback = shown_calls.feedback(answer["cards"][0], now)
    assert differences(shown(2), feedback) == []
    assert client.post(f"{ORDER_SELECT}/feedback", json=feedback).status_code == 200


def test_the_error_that_it_shows_is_the_one_for_a_sample_without_a_user(client):
    request = shown_calls.request()
    del request["context"]["userId"]
    refused = client.post(ORDER_SELECT, json=request)
    assert refused.status_code == 400
    assert differences(shown(3), refused.json) == []


def test_a_difference_is_noticed():
    whole = {"a": [{"b": "below 25", "c": 1}], "d": "2026-11-26"}
    assert differences({"a": [{"b": "below 25"}], "d": "2020-01-01"}, whole) == []
    assert differences({"a": [{"b": "below 30"}]}, whole)
    assert differences({"a": [{"c": 2}]}, whole)
    assert differences({"e": 1}, whole)
    with pytest.raises(ValueError, match="0 places"):
        shown_calls.page("a page without places")
