"""Placeholders of texts and phrases: each can be filled, and says something (``render``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cds_service.content.decide import Finding
from cds_service.content.files import problem_at, texts_path
from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule
from cds_service.content.nearest import instead, nearest
from cds_service.content.render import limits
from cds_service.content.value_words import unit_in_words
from cds_service.fhir.time_units import DAYS
from cds_service.vocabulary.problems import Problem

_ENDS = (".date", ".sent", ".reason")
_YEARS = "years"
_MOST = 3  # of the placeholders that are named in place of one


def problems_of_placeholders(pack: Pack) -> Iterator[Problem]:
    """Every placeholder that nothing fills, or that would be shown as nothing or as half of what is meant.

    Whatever fills the texts of a pack may do so once there is none.
    """
    for decision in pack.decisions.values():
        path = texts_path(decision.path) or decision.path
        for key, text in decision.texts.items():
            rules = [rule for rule in decision.rules if rule.then.text == key]
            yield from _of_text(pack, decision, path, ("texts", key), text.parts, rules)
        for key, phrase in decision.phrases.items():
            yield from _of_text(pack, decision, path, ("phrases", key), (phrase,), None)


def _of_text(
    pack: Pack,
    decision: Decision,
    path: Path,
    place: tuple[str, str],
    parts: Iterable[str],
    rules: Sequence[Rule] | None,
) -> Iterator[Problem]:
    """What is wrong with a text that ``rules`` lead to; ``None`` for a phrase, which stands in the texts of others."""
    faults: dict[str, None] = {}
    for part in parts:
        for match in PLACEHOLDER.finditer(part):
            fault = _fault_of(pack, decision, match[1], rules, part[match.end() :])
            faults |= {fault: None} if fault else {}
        if set("{}") & set(PLACEHOLDER.sub("", part)):
            faults["a brace stands alone; placeholders stand in pairs of them, such as {order}"] = None
    yield from (problem_at(path, place, "placeholder", fault) for fault in faults)


def _fault_of(pack: Pack, decision: Decision, name: str, rules: Sequence[Rule] | None, behind: str) -> str:
    """Why a placeholder cannot stand there, ``""`` if it can; ``behind`` is what follows it."""
    head, _, rest = name.partition(".")
    match head:
        case "limit" | "name" | "regimen" | "dosage-of" if not rest:
            known = {"limit": _limits_known(pack, decision, is_phrase=rules is None), "name": [*pack.names]}
            return f"{{{name}}} alone names nothing{_meant(head, '', known.get(head, [*pack.templates]))}"
        case "limit":
            return _fault_of_limit(pack, decision, rest, rules, behind)
        case "name":
            return "" if rest in pack.names else f"no name {rest!r} in pack.yaml{_meant(head, rest, [*pack.names])}"
        case "regimen" | "dosage-of":
            meant = _meant(head, rest, [*pack.templates])
            return "" if rest in pack.templates else f"no order template {rest!r}{meant}"
    if name in pack.decisions:
        return _fault_of_decision(pack, decision, name, is_phrase=rules is None)
    if name in ("order", "whose") or name in pack.facts:
        return ""
    if any(name.endswith(end) and name.removesuffix(end) in pack.facts for end in _ENDS):
        return ""
    return f"nothing is called {name!r}{instead(name, _all_names(pack))}"


def _all_names(pack: Pack) -> list[str]:
    """What a placeholder without a word in front can be called."""
    of_facts = [fact + end for fact in pack.facts for end in ("", *_ENDS)]
    return ["order", "whose", *of_facts, *pack.decisions]


def _meant(head: str, rest: str, known: Sequence[str]) -> str:
    """The placeholders that may have been meant; all of them if they are few and none is like it."""
    near = nearest(rest, known) if rest else []
    if near:
        return f"; did you mean {' or '.join(f'{{{head}.{name}}}' for name in near)}?"
    few = ", ".join(f"{{{head}.{name}}}" for name in known[:_MOST])
    return f"; there can be {few}{' and others' if len(known) > _MOST else ''}" if few else "; there is none"


# --- decisions --------------------------------------------------------------------------------------------------------


def _fault_of_decision(pack: Pack, decision: Decision, name: str, *, is_phrase: bool) -> str:
    if not pack.decisions[name].phrases:
        return f"{name!r} would be shown as nothing: it has no phrases, which say its values in words"
    if is_phrase and decision.id in _said_by(pack, name):
        return f"the phrases of {decision.id!r} say themselves, by {{{name}}}"
    return ""


def _said_by(pack: Pack, name: str) -> set[str]:
    """The decisions that stand in the phrases of one, in the phrases of these, and so on; and the first itself."""
    found: set[str] = set()
    pending = [name]
    while pending:
        named = pending.pop()
        if named in pack.decisions and named not in found:
            found.add(named)
            pending += [
                said for phrase in pack.decisions[named].phrases.values() for said in PLACEHOLDER.findall(phrase)
            ]
    return found


# --- limits -----------------------------------------------------------------------------------------------------------


def _fault_of_limit(pack: Pack, decision: Decision, name: str, rules: Sequence[Rule] | None, behind: str) -> str:
    known = _limits_known(pack, decision, is_phrase=rules is None)
    if name not in known:
        own = name in decision.inputs and rules is not None
        table, _, fact = name.partition(".")
        if own or (table in pack.decisions and fact in pack.decisions[table].inputs):
            return f"{name!r} has no limit: no rule of its table compares it with a number"
        return f"no limit {name!r} of this rule's inputs{_meant_limit(name, known)}"
    return _fault_of_unit(pack, decision, name, rules or (), behind)


def _limits_known(pack: Pack, decision: Decision, *, is_phrase: bool) -> list[str]:
    """The limits that a text of a decision can name, the nearest to it first: those of its own inputs, those of the
    definitions that it reads, those of all others. A phrase stands in texts of other decisions, and has none of its own
    inputs.
    """
    own = [] if is_phrase else [name for place, name in enumerate(decision.inputs) if _has_numbers(decision, place)]
    read = [decision.id, *decision.inputs] if is_phrase else list(decision.inputs)
    tables = dict.fromkeys([*(name for name in read if name in pack.decisions), *pack.decisions])
    of_others = [
        f"{table}.{name}"
        for table in tables
        for place, name in enumerate(pack.decisions[table].inputs)
        if _has_numbers(pack.decisions[table], place)
    ]
    return [*own, *of_others]


def _has_numbers(decision: Decision, place: int) -> bool:
    return any(cell is not None and cell.numbers() for cell in (rule.cells[place] for rule in decision.rules))


def _meant_limit(name: str, known: Sequence[str]) -> str:
    """The limits that may have been meant: of the same fact first, whatever its table."""
    of_fact = [other for other in known if name and _fact_of(other) == _fact_of(name)]
    if of_fact:
        return f"; did you mean {' or '.join(f'{{limit.{other}}}' for other in of_fact[:_MOST])}?"
    return _meant("limit", name, known)


def _fact_of(limit: str) -> str:
    """The fact of a limit that may have a table in front; names of facts can have a dot themselves."""
    return limit.rpartition(".")[2]


def _fault_of_unit(pack: Pack, decision: Decision, name: str, rules: Sequence[Rule], behind: str) -> str:
    """A limit whose unit nothing writes. A time says its unit in its sentence: ``90 days ago, over 84``; under 18."""
    fact = name if name in decision.inputs and rules else name.partition(".")[2]
    declared = pack.facts.get(fact)
    if declared is None or declared.analyte is not None or not declared.unit_written:
        return ""
    if declared.unit in (*DAYS, _YEARS) or declared.values:
        return ""
    unit = unit_in_words(pack, fact)
    if " ".join(behind.split()).startswith(unit):
        return ""
    shown = f"as {limits(pack, Finding(decision, rules[0], {}), name)!r} " if rules else ""
    return (
        f"{{limit.{name}}} would be shown {shown}without a unit: give the fact {fact!r} an analyte of units.yaml that "
        f"writes {declared.unit}, or write {unit!r} behind it"
    )
