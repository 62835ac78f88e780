"""How an answer differs from the expected one, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def differences(expect: Any, status: int, body: Mapping[str, Any]) -> list[str]:
    """Every difference between an answer and the expected one; none if nothing is expected (``None``).

    ``expect`` is a list of cards as scenarios write them; or ``{status, names}``, an error and texts that it must hold;
    or ``{cards, offers}`` for captured requests: topics and indicators of the cards and, if given, the types of all
    actions.
    """
    if expect is None:
        return []
    if isinstance(expect, dict) and "cards" in expect:
        return _captured_differences(expect, status, body)
    if isinstance(expect, dict):
        wrong = [] if status == expect["status"] else [f"expected status {expect['status']}, got {status}"]
        text = str(body)
        return wrong + [f"the error does not name {name!r}" for name in expect.get("names", []) if name not in text]
    if status != 200 or "cards" not in body:
        return [f"expected cards, got status {status}: {_words_of(body)}"]
    cards = body["cards"]
    wrong = _topics([card["topic"] for card in expect], [card["source"]["topic"]["code"] for card in cards])
    if wrong:
        return wrong
    for wanted, card in zip(expect, cards, strict=True):
        wrong += _card_differences(wanted, card)
    return wrong


def without_offers(expect: Any) -> Any:
    """``expect`` without the actions, which depend on the client's profile."""
    if isinstance(expect, dict):
        return {key: value for key, value in expect.items() if key != "offers"}
    return expect


def _captured_differences(expect: Mapping[str, Any], status: int, body: Mapping[str, Any]) -> list[str]:
    if status != 200 or "cards" not in body:
        return [f"expected cards, got status {status}: {_words_of(body)}"]
    wanted = [(card["topic"], card["indicator"]) for card in expect["cards"]]
    got = [(card["source"]["topic"]["code"], card["indicator"]) for card in body["cards"]]
    wrong = [] if wanted == got else [f"expected {_list(wanted)}, got {_list(got)}"]
    offers = [a["type"] for card in body["cards"] for s in card.get("suggestions", []) for a in s["actions"]]
    if offers != expect.get("offers", offers):
        wrong.append(f"expected the actions {', '.join(expect['offers'])}, got {', '.join(offers) or 'none'}")
    return wrong


def _list(cards: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{topic} ({indicator})" for topic, indicator in cards) or "no card"


def missing_card(topic: str) -> str:
    """That a card was expected and not answered."""
    return f"missing card {topic}"


def _topics(wanted: Sequence[str], got: Sequence[str]) -> list[str]:
    if wanted == got:
        return []
    missing = [missing_card(topic) for topic in wanted if topic not in got]
    surplus = [f"unexpected card {topic}" for topic in got if topic not in wanted]
    return missing + surplus or [f"expected the order {', '.join(wanted)}, got {', '.join(got)}"]


def _card_differences(wanted: Mapping[str, Any], card: Mapping[str, Any]) -> list[str]:
    topic = wanted["topic"]
    wrong = []
    if card["indicator"] != wanted["indicator"]:
        wrong.append(f"{topic}: expected {wanted['indicator']}, got {card['indicator']}")
    labels = [suggestion["label"] for suggestion in card.get("suggestions", [])]
    if labels != wanted.get("suggestions", []):
        wrong.append(f"{topic}: expected suggestions {wanted.get('suggestions', [])}, got {labels}")
    recommended = [s["label"] for s in card.get("suggestions", []) if s.get("isRecommended")]
    if recommended != wanted.get("recommended", []):
        wrong.append(f"{topic}: expected {wanted.get('recommended', [])} recommended, got {recommended}")
    selection = card.get("selectionBehavior", "at-most-one")
    if selection != wanted.get("selection", "at-most-one"):
        wrong.append(f"{topic}: expected selection {wanted.get('selection', 'at-most-one')}, got {selection}")
    text = f"{card['summary']}\n{card['detail']}"
    wrong += [f"{topic}: does not say {words!r}" for words in wanted.get("says", []) if words not in text]
    wrong += [f"{topic}: says {words!r}" for words in wanted.get("says-not", []) if words in text]
    return wrong


def _words_of(body: Mapping[str, Any]) -> str:
    """What an OperationOutcome says; ``""`` if the body is something else."""
    issues = body.get("issue")
    issue = issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}
    return str(issue.get("diagnostics") or issue.get("details", {}).get("text", ""))
