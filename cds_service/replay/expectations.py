"""What was expected against what came: differences in words. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def differences(expect: Any, status: int, body: Mapping[str, Any]) -> list[str]:
    """Every way in which an answer is not the expected one; an empty list if it is, or if nothing is expected.

    ``expect`` is a list of cards as scenarios write them; ``{status, names}`` for an error that names something;
    ``{cards, offers}`` for captured requests: topics and indicators, and the types of all actions, if given.
    """
    if expect is None:
        return []
    if isinstance(expect, dict) and "cards" in expect:
        return _told_differences(expect, status, body)
    if isinstance(expect, dict):
        found = [] if status == expect["status"] else [f"expected status {expect['status']}, got {status}"]
        said = str(body)
        return found + [f"the error does not name {name!r}" for name in expect.get("names", []) if name not in said]
    if status != 200 or "cards" not in body:
        return [f"expected cards, got status {status}: {_said(body)}"]
    cards = body["cards"]
    found = _topics([card["topic"] for card in expect], [card["source"]["topic"]["code"] for card in cards])
    if found:
        return found
    for wanted, card in zip(expect, cards, strict=True):
        found += _card_differences(wanted, card)
    return found


def without_offers(expect: Any) -> Any:
    """The same, whatever kind of client it is that asks."""
    if isinstance(expect, dict):
        return {key: value for key, value in expect.items() if key != "offers"}
    return expect


def _told_differences(expect: Mapping[str, Any], status: int, body: Mapping[str, Any]) -> list[str]:
    if status != 200 or "cards" not in body:
        return [f"expected cards, got status {status}: {_said(body)}"]
    wanted = [(card["topic"], card["indicator"]) for card in expect["cards"]]
    got = [(card["source"]["topic"]["code"], card["indicator"]) for card in body["cards"]]
    found = [] if wanted == got else [f"expected {_list(wanted)}, got {_list(got)}"]
    offers = [a["type"] for card in body["cards"] for s in card.get("suggestions", []) for a in s["actions"]]
    if offers != expect.get("offers", offers):
        found.append(f"expected the actions {', '.join(expect['offers'])}, got {', '.join(offers) or 'none'}")
    return found


def _list(cards: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{topic} ({indicator})" for topic, indicator in cards) or "no card"


def _topics(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    if wanted == got:
        return []
    missing = [f"missing card {topic}" for topic in wanted if topic not in got]
    surplus = [f"unexpected card {topic}" for topic in got if topic not in wanted]
    return missing + surplus or [f"expected the order {', '.join(wanted)}, got {', '.join(got)}"]


def _card_differences(wanted: Mapping[str, Any], card: Mapping[str, Any]) -> list[str]:
    topic = wanted["topic"]
    found = []
    if card["indicator"] != wanted["indicator"]:
        found.append(f"{topic}: expected {wanted['indicator']}, got {card['indicator']}")
    labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
    if labels != wanted.get("suggestions", []):
        found.append(f"{topic}: expected suggestions {wanted.get('suggestions', [])}, got {labels}")
    recommended = [s["label"] for s in card.get("suggestions", []) if s.get("isRecommended")]
    if recommended != wanted.get("recommended", []):
        found.append(f"{topic}: expected {wanted.get('recommended', [])} recommended, got {recommended}")
    selection = card.get("selectionBehavior", "at-most-one")
    if selection != wanted.get("selection", "at-most-one"):
        found.append(f"{topic}: expected selection {wanted.get('selection', 'at-most-one')}, got {selection}")
    text = f"{card['summary']}\n{card['detail']}"
    found += [f"{topic}: does not say {said!r}" for said in wanted.get("says", []) if said not in text]
    found += [f"{topic}: says {said!r}" for said in wanted.get("says-not", []) if said in text]
    return found


def _said(body: Mapping[str, Any]) -> str:
    issues = body.get("issue")
    issue = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    return str(issue.get("diagnostics") or issue.get("details", {}).get("text", ""))
