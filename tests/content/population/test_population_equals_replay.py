"""A scenario that is written as lines of an export, and judged, gets the cards that a client would get."""

from collections import Counter

from tests.support.population import events, exported, judged, problems, task_for, topics

OVERRIDDEN = "what the client sent is not what its record holds"
NOT_NEW = "a draft stops or changes an order that is there, or is none"
UNDATED = "of some resource nobody knows when it was seen"
LATER = "some resource is dated after the call"
IN_PART = "not all of the orders that would be judged were selected"
# How many scenarios an export cannot tell, at most. Whoever adds one counts it here.
AT_MOST = {OVERRIDDEN: 92, NOT_NEW: 76, UNDATED: 138, LATER: 1, IN_PART: 8}


def why_not(scenario, rows, answer):
    """Why an export cannot tell the scenario; ``None`` if it can."""
    if scenario.without or scenario.prefetch:
        return OVERRIDDEN
    if any(draft.get("status") != "draft" for draft in scenario.drafts):
        return NOT_NEW
    kinds = {kind for kind, _ in problems(rows)}
    if kinds & {"undated", "future"}:
        return UNDATED if "undated" in kinds else LATER
    selected = len(answer.judged) if answer is not None else 0
    if scenario.hook == "order-select" and any(row["orders"] != selected for row in events(rows)):
        return IN_PART
    return None


def test_population_equals_replay(scenarios, answers):
    left_out, compared, differing = Counter(), Counter(), {}
    for scenario in scenarios:
        rows = judged(task_for(scenario), scenario.patient, exported(scenario))
        fired = answers[scenario.name]
        reason = why_not(scenario, rows, fired.answer)
        if reason is not None:
            left_out[reason] += 1
            continue
        expected = sorted(card["source"]["topic"]["code"] for card in fired.cards)
        got = [topic for row in events(rows) for topic in topics(row)]
        compared[scenario.hook, bool(expected)] += 1
        if got != expected or any(row["outcome"] == "defect" for row in rows):
            differing[scenario.name] = got, expected
    assert differing == {}
    assert {reason: number for reason, number in left_out.items() if number > AT_MOST[reason]} == {}
    assert len(compared) == 6, "each hook with and without cards"
    assert sum(compared.values()) >= 1348
