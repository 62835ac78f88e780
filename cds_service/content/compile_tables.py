"""One table in its expanded form with its texts, compiled to a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cds_service.content.model import SUGGESTION_KINDS, CardText, Decision, Outcome, Rule, Suggestion
from cds_service.content.reviews import review_of
from cds_service.content.unary import parse_cell

_WITHHOLD = {"": "", "withheld": "all", "medications withheld": "medications"}
_OF_TEMPLATES = ("replace", "add", "dosage", "last-dosage")


def compile_decision(path: Path, table: Mapping[str, Any], texts: Mapping[str, Any], topic_prefix: str) -> Decision:
    """The decision in the file at ``path``, its ``table`` in the expanded form.

    Whatever it refers to is there, and its cells can be read.
    """
    inputs = tuple(table["inputs"])
    rules = tuple(
        _compile_rule(index, rule, inputs, is_definition=table["kind"] == "definition")
        for index, rule in enumerate(table["rules"])
    )
    columns = tuple(
        tuple(cell for rule in rules if (cell := rule.cells[number]) is not None) for number in range(len(inputs))
    )
    return Decision(
        id=table["id"],
        version=table["version"],
        status=table["status"],
        kind=table["kind"],
        each=table.get("each", "order"),
        title=table["title"],
        question=table["question"],
        why=" ".join(table.get("why", "").split()),
        hit_policy=table["hit-policy"],
        inputs=inputs,
        rules=rules,
        columns=columns,
        texts={
            key: _compile_text(text, texts.get("override-reasons", ())) for key, text in texts.get("texts", {}).items()
        },
        phrases=texts.get("phrases", {}),
        safety=table.get("safety", False),
        path=path,
        values=tuple(dict.fromkeys(rule.then.value for rule in rules if rule.then.value)),
        known_gaps=tuple(table.get("known-gaps", ())),
        review=review_of(table["review"]) if "review" in table else None,
        topic_prefix=topic_prefix,
    )


def _compile_rule(index: int, rule: Mapping[str, Any], inputs: Sequence[str], *, is_definition: bool) -> Rule:
    when = rule.get("when", {})
    return Rule(
        id=rule["id"],
        cells=tuple(parse_cell(str(when.get(name, "-"))) for name in inputs),
        then=_compile_outcome(rule["then"], is_definition=is_definition),
        statement=rule.get("statement", ""),
        basis=rule.get("basis", ""),
        index=index,
        settles=tuple(rule.get("settles", ())),
        alone=rule.get("alone", False),
        unknown_as_absent=rule.get("unknown-as-absent", ""),
        withdrawn=rule.get("withdrawn"),
    )


def _compile_outcome(then: str | Mapping[str, Any], *, is_definition: bool) -> Outcome:
    """What a rule says. A bare word is the value of a definition; of any other table it says nothing."""
    if isinstance(then, str):
        return Outcome(value=then) if is_definition else Outcome(silent=True)
    return Outcome(
        indicator=then.get("indicator", ""),
        text=then.get("text", ""),
        suggestions=tuple(_compile_suggestion(entry) for entry in then.get("suggest", [])),
        not_checked=then.get("not-checked", False),
        not_covered=then.get("not-covered", False),
        withhold=_WITHHOLD[then.get("suggestions", "")],
        selection=then.get("selection", "at-most-one"),
    )


def _compile_suggestion(entry: Mapping[str, Any]) -> Suggestion:
    kind = next(key for key in SUGGESTION_KINDS if key in entry)
    return Suggestion(
        id=entry["id"],
        kind=kind,
        template=template_of(entry),
        route=entry[kind] if kind == "route" else {},
        recommended=entry.get("recommended", False),
        when={name: parse_cell(str(cell)) for name, cell in entry.get("when", {}).items()},
    )


def template_of(entry: Mapping[str, Any]) -> str:
    """The id of the order template that a suggestion carries; ``""`` if its kind carries none."""
    return next((str(entry[kind]) for kind in _OF_TEMPLATES if kind in entry), "")


def _compile_text(text: Mapping[str, Any], reasons: Sequence[Mapping[str, str]]) -> CardText:
    summary, detail, source, ordered = (
        " ".join(text.get(key, "").split()) for key in ("summary", "detail", "source", "ordered")
    )
    own_reasons = tuple(text.get("override-reasons", reasons))
    return CardText(summary, detail, text.get("suggestions", {}), source, ordered, own_reasons)
