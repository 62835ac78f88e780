"""From the form in which tables are written to the one in which they are decided, proven and exported.

What is written is light: a cell is a word, a number or a list of these, a guard that all rules share stands once above
them (``applies-when``), and a card names those that it gives way to (``yields-to``). Here every rule gets all its cells
as S-FEEL unary tests (``unary``), and silent rules are added for the cases that a guard leaves out. They stand last, so
that the place of a written rule is its place in the file. As no written rule holds where they do, their place does not
matter to what is decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cds_service.content.domains import JOINED, SILENT, SPEAKS, Domain, domains_of
from cds_service.content.files import PackFiles
from cds_service.content.nearest import nearest
from cds_service.content.unary import parse_cell
from cds_service.content.written_numbers import as_written_here
from cds_service.vocabulary.facts import Fact

_NUMERIC = re.compile(r"[<>\[\](=≤≥]|-?\d")  # how a test of numbers begins


def expanded(pack_files: PackFiles) -> PackFiles:
    """The files of a pack with every table in its expanded form. They hold together (``references``)."""
    domains = domains_of(pack_files)
    tables = {path: _expanded(table, domains) for path, table in pack_files.tables.items()}
    return replace(pack_files, tables=tables)


def unary_test(cell: object, domain: Domain) -> str:
    """A cell as it is written, as a unary test for an input that can be ``domain``.

    Raises:
        ValueError: it names what the input can never be, or is no test.
    """
    if isinstance(cell, Mapping):
        if states := [entry for entry in _listed(cell["not"]) if entry in [str(state) for state in domain.states]]:
            raise ValueError(
                f"{states[0]!r} is no value that 'not' could leave out; it matches no state but those in 'or'"
            )
        ruled_out = [_quoted(entry, domain) for entry in _listed(cell["not"])]
        test = ", ".join([f"not({', '.join(ruled_out)})", *(_test(entry, domain) for entry in _listed(cell.get("or")))])
    else:
        test = ", ".join(_test(entry, domain) for entry in _listed(cell))
    parse_cell(test)
    return test


def inputs_of(table: Mapping[str, Any]) -> list[str]:
    """Every input of a table as written: those of its guard, the cards that it gives way to, and its own.

    What settles most cases comes first. An input of the guard stands with the table's own where it is one of these.
    """
    own = table.get("inputs", ())
    return [*(name for name in table.get("applies-when", {}) if name not in own), *table.get("yields-to", ()), *own]


def rest_of(test: str, domain: Domain) -> list[str]:
    """The words and states that an input can be and a unary test does not match, as parts of another such test."""
    cell = parse_cell(test)
    if cell is None:
        return []
    words = [f'"{word}"' for word in domain.words if not cell.matches(Fact.of(word))]
    return words + [str(state) for state in domain.states if state not in cell.states]


def _expanded(table: Mapping[str, Any], domains: Mapping[str, Domain]) -> dict[str, Any]:
    guard = {name: unary_test(cell, domains[name]) for name, cell in table.get("applies-when", {}).items()}
    yields = dict.fromkeys(table.get("yields-to", ()), f'"{SILENT}"')
    rules = [
        {**rule, "when": {**guard, **_tests(rule.get("when", {}), domains), **yields}, "then": _then(rule, domains)}
        for rule in table["rules"]
    ]
    if table["hit-policy"] != "COLLECT":
        rules += _silent_rules(guard, domains, table.get("yields-to", ()))
    return {**table, "inputs": inputs_of(table), "rules": rules}


def _silent_rules(
    guard: Mapping[str, str], domains: Mapping[str, Domain], yields_to: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """A rule for each way in which the guard does not hold, then one for each card that speaks instead.

    No two of them hold in one case. Their ids have a ``.``, which no written id can have.
    """
    held: dict[str, str] = {}
    for name, test in guard.items():
        outside = ", ".join(rest_of(test, domains[name]))
        yield {"id": f"appliesWhen.{name}", "when": {**held, name: outside}, "then": SILENT}
        held[name] = test
    for name in yields_to:
        yield {"id": f"yieldsTo.{name}", "when": {**held, name: f'"{SPEAKS}"'}, "then": SILENT}
        held[name] = f'"{SILENT}"'


def _then(rule: Mapping[str, Any], domains: Mapping[str, Domain]) -> Any:
    """What a rule says, with the conditions of its suggestions as unary tests."""
    then = rule["then"]
    if isinstance(then, str) or "suggest" not in then:
        return then
    offers = [
        {**entry, "when": _tests(entry["when"], domains)} if "when" in entry else entry for entry in then["suggest"]
    ]
    return {**then, "suggest": offers}


def _tests(cells: Mapping[str, object], domains: Mapping[str, Domain]) -> dict[str, str]:
    return {name: unary_test(cell, domains[name]) for name, cell in cells.items()}


def _listed(cell: object) -> Sequence[object]:
    if cell is None:
        return ()
    return cell if isinstance(cell, list) else [cell]


def _test(entry: object, domain: Domain) -> str:
    """One entry of a cell as one unary test."""
    if isinstance(entry, list):
        return _quoted(entry, domain)
    if isinstance(entry, str) and (entry in domain.words or not _NUMERIC.match(entry)):
        is_state = entry in domain.states and entry not in domain.words
        return entry if is_state else _quoted(entry, domain)
    if not domain.takes_numbers:
        raise ValueError(f"{entry!r} is a number, and this input can be {_choices(domain)}")
    if "," in str(entry):
        said = as_written_here(str(entry))
        raise ValueError(f"{entry!r} is not a unary test; {f'{said}; ' if said else ''}alternatives stand in a list")
    parse_cell(str(entry))
    return str(entry)


def _quoted(entry: object, domain: Domain) -> str:
    """A word, or a sequence of words, that an input can be, in quotation marks."""
    words: list[Any] = entry if isinstance(entry, list) else [entry]
    if len(words) > 1 and not domain.is_sequence:
        raise ValueError(f"{JOINED.join(map(str, words))!r} is a sequence, and this input is never one")
    for word in words:
        if word not in domain.words:
            said = f"{word!r} is no value of this input; it can be {_choices(domain)}"
            raise ValueError(said + _meant(str(word), domain))
    return f'"{JOINED.join(words)}"'


def _meant(word: str, domain: Domain) -> str:
    """What a word that an input can never be may have been meant as."""
    near = nearest(word, [*domain.words, *map(str, domain.states)])
    return f"; did you mean {near[0]!r}?" if near else ""


def _choices(domain: Domain) -> str:
    """What an input can be, in words for who wrote a cell."""
    return ", ".join([*(["a number"] if domain.takes_numbers else []), *domain.words, *map(str, domain.states)])
