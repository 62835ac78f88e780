"""A map of the tables: which facts and decisions feed which, as a picture, with the way of one request lit."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.content.model import INDICATORS, Decision, Pack, Rule
from cds_service.content.value_words import label_of
from cds_service.export.layout import Box, Spacing, lay_out
from cds_service.judge.evaluate import Answer

_HEIGHT = 46
_SPACING = Spacing(width=130, step=136, line=58, down=98, most=8, left=4, top=8)
_LETTERS = 19  # of a label on one line; more of them if they are small
_LINES = 3
_SMALL_LETTERS = 23


@dataclass(frozen=True, slots=True)
class Lit:
    """The way of one request: the ``names`` of all that decided, and of these the decisions that ``spoke``."""

    names: frozenset[str] = frozenset()
    spoke: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Node:
    """A fact or a decision as a box. ``kind`` is ``fact``, ``definition``, ``note`` or the gravest indicator of a card.

    ``lines`` are its label on a few lines, small ones if it is long, ``feeds`` the ids and labels of what reads it.
    """

    name: str
    label: str
    lines: tuple[str, ...]
    is_small: bool
    kind: str
    is_decision: bool
    is_lit: bool
    x: int
    y: int
    reads: tuple[tuple[str, str], ...]
    feeds: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from what is read to what reads it, as the path of a curve."""

    path: str
    is_lit: bool


@dataclass(frozen=True, slots=True)
class Map:
    """The picture, ``width`` by ``height`` units: what is read stands above what reads it.

    ``box`` is the width and the height of a node.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int
    box: tuple[int, int] = (_SPACING.width, _HEIGHT)


def map_of(pack: Pack, lit: Lit | None = None, about: str = "") -> Map:
    """The tables of a pack and the facts that they read, with ``lit`` on the way of a request.

    Of the decision ``about`` it is only what that reads and what reads that.
    """
    lit = lit or Lit()
    needs: dict[str, Sequence[str]] = {}
    for decision in pack.decisions.values():
        needs[decision.id] = decision.inputs
        needs |= {name: () for name in decision.inputs if name not in pack.decisions}
    if about:
        chosen = {*_followed(needs, about), *_followed(_users(needs), about)}
        needs = {name: [one for one in its if one in chosen] for name, its in needs.items() if name in chosen}
    boxes = lay_out(needs, _SPACING)
    lowest = max((box.y for box in boxes.values()), default=0)
    first = min((box.x for box in boxes.values()), default=0) - _SPACING.left
    places = {name: Box(box.x - first, lowest - box.y + _SPACING.top) for name, box in boxes.items()}
    in_order = sorted(needs, key=lambda name: (places[name].y, places[name].x))
    users = _users(needs)
    labels = {name: label_of(pack, name) for name in needs}
    lines = {name: _lines(label) for name, label in labels.items()}
    nodes = tuple(
        Node(
            name=name,
            label=labels[name],
            lines=lines[name][0],
            is_small=lines[name][1],
            kind=_kind(pack.decisions.get(name)),
            is_decision=name in pack.decisions,
            is_lit=name in lit.names,
            x=places[name].x,
            y=places[name].y,
            reads=tuple((other, labels[other]) for other in needs[name]),
            feeds=tuple((other, labels[other]) for other in users[name]),
        )
        for name in in_order
    )
    edges = [
        Edge(_curve(places[name], places[reader]), name in lit.names and reader in lit.names)
        for reader, its in needs.items()
        for name in its
    ]
    edges.sort(key=lambda edge: edge.is_lit)  # what is lit is drawn over the others
    width = max((box.x for box in places.values()), default=0) + _SPACING.width + _SPACING.left
    return Map(nodes, tuple(edges), width, lowest + _SPACING.top + _HEIGHT)


def lit_by(pack: Pack, answer: Answer) -> Lit:
    """The way of a request: the decisions that spoke, and behind them what their rules asked for, down to the facts.

    Where none spoke it is the way of the written rules that kept silent.
    """
    names: dict[str, None] = {}
    decided = [judged.decided for judged in answer.judged]
    spoke = {finding.decision.id for one in decided for finding in (*one.cards, *one.notes) if finding.is_shown}
    if not any(pack.decisions[name].kind == "card" for name in spoke):
        spoke = set()  # a note without a card is shown to nobody
    for one in decided:
        fired = one.fired
        for name, rules in fired.items():
            written = [rule for rule in rules if not rule.is_added]
            decision = pack.decisions[name]
            if written and decision.kind != "definition" and (name in spoke or not spoke):
                names[name] = None
                _behind(pack, decision, written, fired, names)
    return Lit(frozenset(names), frozenset(spoke))


def _behind(
    pack: Pack,
    decision: Decision,
    rules: Sequence[Rule],
    fired: Mapping[str, Sequence[Rule]],
    names: dict[str, None],
) -> None:
    """Adds what the rules of a decision asked for to ``names``."""
    for rule in rules:
        for place, _ in rule.tests:
            name = decision.inputs[place]
            if name in names:
                continue
            other = pack.decisions.get(name)
            if other is None:
                names[name] = None
            elif other.kind == "definition" and name in fired:
                names[name] = None
                _behind(pack, other, fired[name], fired, names)


def _users(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, its in needs.items():
        for one in its:
            users[one].append(name)
    return users


def _followed(ways: Mapping[str, Sequence[str]], begin: str) -> set[str]:
    """Everything that is reached from one node, itself included."""
    reached, waiting = {begin}, [begin]
    while waiting:
        for name in ways[waiting.pop()]:
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def _kind(decision: Decision | None) -> str:
    if decision is None:
        return "fact"
    if decision.kind != "card":
        return decision.kind
    said = {rule.then.indicator for rule in decision.rules}
    return next((name for name in INDICATORS if name in said), "info")


def _lines(label: str) -> tuple[tuple[str, ...], bool]:
    """A label on a few lines, and whether they are ``small``; one that is too long all the same is cut at a word."""
    for letters in (_LETTERS, _SMALL_LETTERS):
        lines = textwrap.wrap(label, letters, break_on_hyphens=False)
        if len(lines) <= _LINES:
            return tuple(lines), letters > _LETTERS
    return tuple(textwrap.wrap(label, _SMALL_LETTERS, max_lines=_LINES, placeholder=" …", break_on_hyphens=False)), True


def _curve(source: Box, reader: Box) -> str:
    """From the foot of what is read to the top of what reads it."""
    x1, y1 = source.x + _SPACING.width // 2, source.y + _HEIGHT
    x2, y2 = reader.x + _SPACING.width // 2, reader.y
    bend = max(20, (y2 - y1) // 2)
    return f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
