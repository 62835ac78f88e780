"""README.md shows a request and its answer, shortened. Both must be what the service sends and answers today."""

import json
import re
from typing import Any

from click.testing import CliRunner

from cds_service.cli import main
from tests.support.places import ROOT

CUT = "…"
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def shown(index: int) -> Any:
    """The JSON block of this number, without its marks of what was left out."""
    blocks = re.findall(r"^```json\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    return json.loads(blocks[index].replace(f", {CUT}", ""))


def differences(part: Any, whole: Any, path: str = "") -> list[str]:
    """Where ``part`` says something else than ``whole``. What it leaves out is no difference, and days are not."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [line for key in part for line in differences(part[key], whole.get(key), f"{path}.{key}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) <= len(whole):
        return [
            line
            for i, (a, b) in enumerate(zip(part, whole, strict=False))
            for line in differences(a, b, f"{path}[{i}]")
        ]
    if isinstance(part, str) and isinstance(whole, str):
        text, same = DATE.sub("DATE", part), DATE.sub("DATE", whole)
        if text == same or (text.endswith(CUT) and same.startswith(text.removesuffix(CUT).rstrip())):
            return []
    return [] if part == whole else [f"{path}: {part!r} is shown, {whole!r} is so"]


def test_the_request_and_the_answer_that_it_shows_are_those_of_today(client):
    printed = CliRunner().invoke(main, ["sample"])
    assert printed.exit_code == 0, printed.output
    request = json.loads(printed.output)
    answer = client.post("/cds-services/vitamin-b12-order-select", json=request).json
    assert differences(shown(0), request) == []
    assert differences(shown(1), answer) == []
    assert len(answer["cards"]) == len(shown(1)["cards"])


def test_a_difference_is_noticed():
    whole = {"a": [{"b": "below 25. More", "c": 1}], "d": "2026-11-26"}
    assert differences({"a": [{"b": f"below 25. {CUT}"}], "d": "2020-01-01"}, whole) == []
    assert differences({"a": [{"b": f"below 30. {CUT}"}]}, whole)
    assert differences({"a": [{"c": 2}]}, whole)
    assert differences({"e": CUT}, whole)
