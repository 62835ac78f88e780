"""A pack as one DMN 1.3 document: its decision tables, their inputs, and the diagram.

https://www.omg.org/spec/DMN/1.3: a fact becomes an ``inputData`` of the item definition ``text`` or ``range``, a
decision a ``decisionTable`` with the same rules in the same order. The variable of a definition holds its output, null
if it has none. Rule ids and statements stand in annotations, and also in ``description``, because dmn-js shows that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from cds_service.content.domains import SILENT
from cds_service.content.model import CardText, Decision, Pack, Rule, Suggestion
from cds_service.content.whose import basis_in_words
from cds_service.export.columns import Column, columns, feel_names, label
from cds_service.export.feel import clauses, quoted
from cds_service.export.layout import HEIGHT, WIDTH, Box, lay_out
from cds_service.vocabulary.facts import State

MODEL = "https://www.omg.org/spec/DMN/20191111/MODEL/"
_FEEL = "https://www.omg.org/spec/DMN/20191111/FEEL/"
_DMNDI = "https://www.omg.org/spec/DMN/20191111/DMNDI/"
_DC = "http://www.omg.org/spec/DMN/20180521/DC/"
_DI = "http://www.omg.org/spec/DMN/20180521/DI/"
_TEXT, _RANGE = "text", "range"


def dmn(pack: Pack) -> str:
    """The whole pack as DMN XML. The same content always gives the same text."""
    names = feel_names(pack)
    base = pack.canonical_base
    root = Element(
        "definitions",
        {
            "xmlns": MODEL,
            "xmlns:dmndi": _DMNDI,
            "xmlns:dc": _DC,
            "xmlns:di": _DI,
            "id": "definitions",
            "name": pack.title,
            "namespace": f"{base}/dmn",
            "expressionLanguage": _FEEL,
            "typeLanguage": _FEEL,
        },
    )
    _describe(root, f"{pack.id} {pack.version}.{_review(pack)} Generated from the content; changes belong there.")
    _item_definitions(root)
    tables = {decision.id: columns(pack, decision) for decision in pack.decisions.values()}
    for decision in pack.decisions.values():
        _decision(root, pack, decision, tables[decision.id], names)
    ranges = {column.name for table in tables.values() for column in table if column.is_numeric}
    read = {column.name for table in tables.values() for column in table if not column.is_decision}
    for name in pack.facts:
        if name in read:
            data = SubElement(root, "inputData", {"id": _id(name, names, pack), "name": names[name]})
            data.set("label", label(pack, name))
            kind = _RANGE if name in ranges else _TEXT
            SubElement(data, "variable", {"name": names[name], "typeRef": kind})
    _diagram(root, pack, names)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _review(pack: Pack) -> str:
    """A sentence about the clinical review of the pack: there is none, or when it ends (Z15)."""
    if pack.review is None or not pack.is_reviewed:
        return f" {pack.words['not-reviewed']}"
    return f" The next clinical review is due by {pack.review.next_review}."


def rule_id(decision: Decision, rule: Rule) -> str:
    """The ``id`` of the XML element of a rule."""
    return f"{decision.id}.{rule.id}"


def _describe(parent: Element, text: str) -> None:
    SubElement(parent, "description").text = text


def _text(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    SubElement(element, "text").text = text
    return element


def _id(name: str, names: Mapping[str, str], pack: Pack) -> str:
    """The ``id`` of the XML element of a decision or a fact."""
    return name if name in pack.decisions else f"fact.{names[name]}"


def _item_definitions(root: Element) -> None:
    """Adds the two shapes that a fact is exported in (Z34); a range has null where it has no bound."""
    states = ", ".join(quoted(state) for state in State)
    shapes = {
        _TEXT: {"value": "string"},
        _RANGE: {"low": "number", "high": "number", "lowOpen": "boolean", "highOpen": "boolean"},
    }
    for name, parts in shapes.items():
        item = SubElement(root, "itemDefinition", {"id": f"item.{name}", "name": name})
        state = SubElement(item, "itemComponent", {"name": "state"})
        SubElement(state, "typeRef").text = "string"
        _text(state, "allowedValues", states)
        for part, kind in parts.items():
            SubElement(SubElement(item, "itemComponent", {"name": part}), "typeRef").text = kind


def _decision(root: Element, pack: Pack, decision: Decision, table: Sequence[Column], names: Mapping[str, str]) -> None:
    name = names[decision.id]
    element = SubElement(root, "decision", {"id": decision.id, "name": name, "label": decision.title})
    about = f"{decision.title}. {decision.kind} {decision.version}, {decision.status}, for each {decision.each}."
    _describe(element, " ".join(filter(None, [about, decision.why])))
    SubElement(element, "question").text = decision.question
    SubElement(element, "variable", {"name": name, **({"typeRef": "string"} if _is_definition(decision) else {})})
    for column in table:
        tag = "requiredDecision" if column.is_decision else "requiredInput"
        requirement = SubElement(element, "informationRequirement", {"id": f"{decision.id}.needs.{names[column.name]}"})
        SubElement(requirement, tag, {"href": f"#{_id(column.name, names, pack)}"})
    body = SubElement(element, "decisionTable", {"id": f"{decision.id}.table", "hitPolicy": decision.hit_policy})
    inputs = []
    for number, column in enumerate(table):
        for clause in clauses(column, names[column.name], [rule.cells[number] for rule in decision.rules]):
            inputs.append(clause)
            identity = f"{decision.id}.in.{names[column.name]}.{clause.part}"
            head = SubElement(body, "input", {"id": identity, "label": clause.label})
            _text(head, "inputExpression", clause.expression, typeRef=clause.type)
    for output in _outputs(decision):
        attributes = {"id": f"{decision.id}.out.{output}", "label": output, "name": output}
        head = SubElement(body, "output", attributes)
        if _is_definition(decision):
            head.set("typeRef", "string")
            _text(head, "outputValues", ", ".join(quoted(value) for value in decision.values))
    SubElement(body, "annotation", {"name": "Rule and statement"})
    for rule in decision.rules:
        row = SubElement(body, "rule", {"id": rule_id(decision, rule)})
        note = _annotation(pack, decision, rule)
        _describe(row, note)
        for clause in inputs:
            _text(row, "inputEntry", clause.entries[rule.index])
        for entry in _entries(decision, rule):
            _text(row, "outputEntry", entry)
        _text(row, "annotationEntry", note)


def _is_definition(decision: Decision) -> bool:
    return decision.kind == "definition"


def _outputs(decision: Decision) -> Sequence[str]:
    if _is_definition(decision):
        return (decision.id,)
    if decision.kind == "note":
        return ("text", "withhold")
    return ("indicator", "summary", "suggestions")


def _entries(decision: Decision, rule: Rule) -> Sequence[str]:
    """The outputs of a rule, column by column; a silent rule has ``"silent"``."""
    then = rule.then
    if _is_definition(decision):
        return (quoted(then.value),)
    text = decision.texts[then.text] if then.text else CardText("")
    if decision.kind == "note":
        note = SILENT if then.silent else " ".join((text.detail or text.summary).split())
        return (quoted(note), quoted(then.withhold))
    offered = [quoted(_offer(decision, rule, suggestion)) for suggestion in then.suggestions]
    indicator = SILENT if then.silent else then.indicator
    return (quoted(indicator), quoted(text.summary), f"[{', '.join(offered)}]")


def _offer(decision: Decision, rule: Rule, suggestion: Suggestion) -> str:
    """The label of a suggestion with the conditions under which it is offered."""
    offer = decision.texts[rule.then.text].labels.get(suggestion.id, suggestion.id)
    conditions = [f"{name} is {cell.source}" for name, cell in suggestion.when.items() if cell is not None]
    return f"{offer} (if {' and '.join(conditions)})" if conditions else offer


def _annotation(pack: Pack, decision: Decision, rule: Rule) -> str:
    """What a rule rests on, in one line: its id, that a site has switched it off, the statement with its place, the
    basis, the settlements.
    """
    statement = pack.statements.get(rule.statement)
    cited = f'{statement.id}, {statement.place}: "{statement.quote}"' if statement else ""
    basis = basis_in_words(pack, decision, rule) if rule.basis else ""
    alone = "alone the answer for all steps" if rule.alone else ""
    off = f"switched off by the site on {rule.withdrawn.date}" if rule.withdrawn is not None else ""
    return "; ".join(filter(None, [rule.id, off, cited, basis, ", ".join(rule.settles), alone]))


def _diagram(root: Element, pack: Pack, names: Mapping[str, str]) -> None:
    """Adds the diagram (DMNDI): a box for each decision and each fact that is read, an arrow for each requirement."""
    needs: dict[str, Sequence[str]] = {decision.id: decision.inputs for decision in pack.decisions.values()}
    for decision in pack.decisions.values():
        needs |= {name: () for name in decision.inputs if name not in pack.decisions}
    boxes = lay_out(needs)
    diagram = SubElement(SubElement(root, "dmndi:DMNDI"), "dmndi:DMNDiagram", {"id": "diagram"})
    for name, box in boxes.items():
        known = _id(name, names, pack)
        shape = SubElement(diagram, "dmndi:DMNShape", {"id": f"shape.{known}", "dmnElementRef": known})
        bounds = {"height": str(HEIGHT), "width": str(WIDTH), "x": str(box.x), "y": str(box.y)}
        SubElement(shape, "dc:Bounds", bounds)
    for decision in pack.decisions.values():
        for name in decision.inputs:
            reference = f"{decision.id}.needs.{names[name]}"
            edge = SubElement(diagram, "dmndi:DMNEdge", {"id": f"edge.{reference}", "dmnElementRef": reference})
            for x, y in _arrow(boxes[name], boxes[decision.id]):
                SubElement(edge, "di:waypoint", {"x": str(x), "y": str(y)})


def _arrow(below: Box, above: Box) -> list[tuple[int, int]]:
    """The ends of an arrow: from the top of the box that is required to the foot of the box that requires it."""
    return [(below.x + WIDTH // 2, below.y), (above.x + WIDTH // 2, above.y + HEIGHT)]
