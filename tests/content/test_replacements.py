"""Nothing that was sent may vanish: what decided a card is replaced by something unknown, and silence must not follow.

For every scenario that is answered with cards, each resource that decided one of them is taken: the draft order, the
results, problems, allergies and treatments that the findings shown were read from. In it each code, system, unit,
route, status, date and reference is replaced in turn by something that nobody knows, and so is each coded concept as a
whole and each quantity with its unit and code. The replacements are ``zz-unknown`` for a code,
``http://example.org/unknown`` for a system, ``zorkmid`` for a unit, ``zz`` for a status, ``someday`` for a date,
``Type/zz-missing`` for a reference, and a route of unknown code and text. Whose the resource is stays as it is. A code
such as ``zz-unknown`` has the form of no code system, so it does not say that the entry is about something else.

What is demanded afterwards:

- **platelets, allergy**: the decision that the resource was read for still speaks, or the answer is 412.
- **route**: some card is shown, or the answer is 412.
- **drug, reference**: the same. If neither a code nor a name tells the agent any more, nothing can be judged that turns
  on it; and an order known by name alone is judged for safety only (Z29). In these two cases there may be no card, but
  then ``explain`` has a line about the draft (Z54).
- **order** (dose, schedule, reason), **problems, history, results, person**: what was found is still found; or a line
  of a card says what is not known; or, where no card is shown, ``explain`` has a line about the resource, and the log
  and the counter of the call count it.

Two scenarios that show the same findings from the same resource are one case. ``make test`` takes one scenario in four.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from cds_service.replay.run import profile_of
from cds_service.replay.scenario import moved
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.not_understood import NotToldError, counted, explained, logged
from tests.support.replacements import Firing, deciding
from tests.support.sample import EVERY_CASE, sampled
from tests.support.scenarios import request_of

LEAST_REPLACEMENTS = 5000 if EVERY_CASE else 800
ONE_IN = 12
STRICT = ("drug", "route", "platelets", "allergy", "reference")
LENIENT = ("order", "problems", "history", "results", "person")
GROUP_OF_TYPE = {
    "Condition": "problems",
    "AllergyIntolerance": "allergy",
    "Observation": "results",
    "Patient": "person",
}
INDEX = re.compile(r"\[\d+\]")
# How a line of a card says that something is not known.
NOT_KNOWN = re.compile(
    r"not (fully understood|understood|known|stated|read|checked|recognised|usable|judged)|unknown|could not|cannot"
    r"|no usable|unreadable|by name",
    re.IGNORECASE,
)


@dataclass
class Tried:
    """What the replacements of one group came to. ``silent`` are requests without a card that explain accounts for."""

    number: int = 0
    kinds: Counter = field(default_factory=Counter)
    faults: dict = field(default_factory=lambda: defaultdict(list))
    silent: dict = field(default_factory=dict)


def words_of(value):
    """Every text and display in an element that may name something."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in ("text", "display") and isinstance(member, str):
                yield member.casefold()
            else:
                yield from words_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from words_of(member)


def codings_of(value):
    """The system and code of every coding in an element."""
    if isinstance(value, Mapping):
        if isinstance(value.get("code"), str):
            yield value.get("system", ""), value["code"]
        for member in value.values():
            yield from codings_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from codings_of(member)


def agent_told(pack, order):
    """The agent that a code of the content, or a name of it at the beginning of a text, still tells; else ``None``."""
    reference = order.get("medicationReference", {})
    # A contained Medication tells it only if the order refers to it.
    contained = [one for one in order.get("contained", []) if reference.get("reference") == f"#{one.get('id')}"]
    drug = [order.get("medicationCodeableConcept"), reference, contained]
    codings, words = list(codings_of(drug)), list(words_of(drug))
    by_code = [value_set.match(codings) for value_set in pack.drugs]
    named = [(name, concept) for value_set in pack.drugs for name, concept in value_set.names.items()]
    # The longest name is the most exact one: it may tell an agent where a shorter one tells none.
    by_name = [
        concept
        for name, concept in sorted(named, key=lambda pair: -len(pair[0]))
        if any(text.startswith(name) for text in words)
    ]
    return next((concept.agent for concept in (*by_code, *by_name) if concept is not None), None)


def group_of(reference, replacement, read_for, is_draft):
    """Which of the demands of this module a replacement is under."""
    kind, path = reference.partition("/")[0], replacement.path
    if is_draft:
        if "route" in path:
            return "route"
        if path[0] in ("medicationCodeableConcept", "contained"):
            return "drug"
        return "reference" if path[0] == "medicationReference" else "order"
    if any(fact == "platelets" for _, fact in read_for):
        return "platelets"
    return GROUP_OF_TYPE.get(kind, "history")


class Trial:
    """Fires every replacement and holds each answer against what is demanded."""

    def __init__(self, prepared, scenarios):
        self.prepared = prepared
        self.tried = {group: Tried() for group in (*STRICT, *LENIENT)}
        bodies, cases = set(), set()
        for scenario in scenarios:
            firing = Firing(prepared, scenario.hook, scenario.now, profile_of(scenario, prepared.pack), bodies)
            request = request_of(prepared, scenario)
            before = firing.fire(encode(request))
            if not before.cards:
                continue
            drafts = request["context"].get("draftOrders", {}).get("entry", [])
            drafted = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in drafts}
            for reference, read_for in deciding(before.answer).items():
                for replacement, after in firing.replaced(request, reference, before.topics, cases):
                    group = group_of(reference, replacement, read_for, reference in drafted)
                    tried = self.tried[group]
                    tried.number += 1
                    tried.kinds[replacement.kind] += 1
                    fault = self.fault(firing, group, reference, replacement, read_for, before, after)
                    if fault:
                        what = f"{reference.partition('/')[0]}.{INDEX.sub('', replacement.place)}"
                        tried.faults[f"{what} ({replacement.kind}): {fault}"].append(scenario.name)

    @property
    def number(self):
        return sum(tried.number for tried in self.tried.values())

    def fault(self, firing, group, reference, replacement, read_for, before, after):
        """What is wrong with the answer, in words; ``None`` if it is as demanded."""
        if after.status == 412:
            return None
        if after.status != 200:
            return f"the answer is {after.status}"
        if group in ("platelets", "allergy"):
            decisions = {decision for decision, fact in read_for if fact == "platelets" or group == "allergy"}
            missing = decisions & before.decisions - after.decisions
            return f"{', '.join(sorted(missing))} falls silent" if missing or not after.cards else None
        if group in STRICT:
            if after.cards:
                return None
            safe = any(topic.safety for topic in before.topics)
            agents = {str(judged.facts.order["order.agent"].value) for judged in before.answer.judged}
            if group == "route" or (safe and agent_told(self.prepared.pack, replacement.resource) in agents):
                return "no card"
            return self.line_missing(firing, group, reference, replacement, after)
        if before.topics <= after.topics:
            return None
        if after.cards:
            said = any(NOT_KNOWN.search(sentence) for sentence in after.sentences - before.sentences)
            if not said and any("not fully understood" in sentence for sentence in after.sentences):
                # The same number as before, of which this resource is now one if explain says so.
                said = self.line_missing(firing, group, reference, replacement, after) is None
            lost = ", ".join(sorted(topic.code for topic in before.topics - after.topics))
            return None if said else f"{lost} is lost and no card says what is not known"
        return self.line_missing(firing, group, reference, replacement, after)

    def line_missing(self, firing, group, reference, replacement, after):
        """Whether explain is silent about a resource too; if not, the request is kept for the log and the counter."""
        try:
            lines = explained(self.prepared, firing.service, after.answer, firing.now)
        except NotToldError as error:
            return f"no card, and {error}"
        if not any(reference in line["reference"] or line["reference"] in reference for line in lines):
            return "no card and no line in explain"
        kept = (reference.partition("/")[0], replacement.kind, firing.service.id)
        self.tried[group].silent.setdefault(kept, (firing.service.id, firing.now, after.body))
        return None


@pytest.fixture(scope="module")
def trial(prepared, scenarios):
    return Trial(prepared, sampled(scenarios, ONE_IN))


def report(trial, group):
    """The faults of a group, the commonest first."""
    tried = trial.tried[group]
    faults = sorted(tried.faults.items(), key=lambda item: -len(item[1]))
    total = sum(map(len, tried.faults.values()))
    lines = [f"{len(names):5} {fault}, as in {names[0]}" for fault, names in faults[:40]]
    return "\n".join([f"{total} of {tried.number} replacements of {group}:", *lines])


def test_thousands_of_replacements_were_tried(trial, record_property):
    table = ", ".join(f"{group} {tried.number}" for group, tried in trial.tried.items())
    record_property("summary", f"{trial.number} replacements by something unknown were tried: {table}")
    assert trial.number >= LEAST_REPLACEMENTS
    assert all(tried.number for tried in trial.tried.values()), table


@pytest.mark.parametrize("group", STRICT)
def test_what_bears_on_safety_ends_in_a_card_or_a_refusal(trial, group):
    if trial.tried[group].faults:
        pytest.fail(report(trial, group), pytrace=False)


@pytest.mark.parametrize("group", LENIENT)
def test_what_else_is_not_understood_is_said_where_something_was_lost(trial, group):
    if trial.tried[group].faults:
        pytest.fail(report(trial, group), pytrace=False)


def test_what_only_explain_tells_is_in_the_log_and_counted(trial):
    """One request of each kind of replacement, of each type of resource and service, fired at the application."""
    kept = [request for tried in trial.tried.values() for request in tried.silent.values()]
    assert kept, "explain tells of no replacement that no card tells of, so there is nothing to count"
    lines = []
    client = create_app(Settings(loopback=True, key=KEY), lines.append).test_client()
    today = datetime.now(UTC).date()
    for service, now, body in kept:
        before = counted(client.get("/metrics").text)
        lines.clear()
        sent = moved(json.loads(body), (today - now.date()).days)
        answer = client.post(f"/cds-services/{service}", json=sent)
        (line,) = lines
        if answer.status_code == 412 or answer.json["cards"]:
            continue
        assert sum(logged(line).values()), f"the log says nothing of {sent}"
        after = counted(client.get("/metrics").text)
        assert sum(after.values()) > sum(before.values()), f"no counter counts {logged(line)}"
