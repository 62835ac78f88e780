"""What each input of a table can be: the words and states that cells may name, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.content.files import PackFiles
from cds_service.vocabulary.facts import State

SPEAKS, SILENT = "speaks", "silent"  # what a card is to one that yields to it
# Between the answers of a definition to the steps of a dosage. It is a part of the value, as tables and exports have
# it; what people read between them is a word of the pack (``value_words``).
JOINED = " then "
_PRESENCE = ("condition", "allergy", "procedure", "history", "drafts")
_PRESENCE_ELEMENTS = ("has-route", "in-value-set", "reason", "like-active")
_OF_FACTS = (State.ABSENT, State.UNKNOWN, State.UNUSABLE)


@dataclass(frozen=True, slots=True)
class Domain:
    """What one input can be: one of ``words``, one of ``states``, or a number.

    With ``is_sequence`` it can also be words one after the other, one for each step of a dosage.
    """

    words: tuple[str, ...]
    states: tuple[State, ...] = ()
    takes_numbers: bool = False
    is_sequence: bool = False

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The words that are states of this input too, so that a cell could mean either."""
        return tuple(word for word in self.words if word in self.states)


CARD = Domain((SPEAKS, SILENT))
"""A card as an input of one that yields to it."""


def words_of_fact(kind: str, element: str, values: Sequence[str]) -> tuple[str, ...]:
    """The words that a fact can be; none for one that has numbers."""
    if values:
        return tuple(values)
    return ("present",) if (kind in _PRESENCE and not element) or element in _PRESENCE_ELEMENTS else ()


def domains_of(pack_files: PackFiles) -> dict[str, Domain]:
    """What every fact and every decision can be, by name. A card can speak or be silent; a note is no input."""
    domains = {name: _of_fact(fact) for name, fact in pack_files.facts["facts"].items()}
    for table in pack_files.tables.values():
        if table["kind"] == "definition":
            domains[table["id"]] = _of_definition(table)
        elif table["kind"] == "card":
            domains[table["id"]] = CARD
    return domains


def _of_fact(fact: Mapping[str, Any]) -> Domain:
    words = words_of_fact(fact["kind"], fact.get("element", ""), fact.get("values", ()))
    return Domain(words, _OF_FACTS) if words else Domain((), (*_OF_FACTS, State.UNDECIDABLE), takes_numbers=True)


def _of_definition(table: Mapping[str, Any]) -> Domain:
    """A definition has no state but ``absent``, where it is asked of dosages and there is none."""
    each = table.get("each", "order")
    words = dict.fromkeys(rule["then"] for rule in table["rules"] if isinstance(rule["then"], str))
    return Domain(tuple(words), () if each == "order" else (State.ABSENT,), is_sequence=each == "dosage")
