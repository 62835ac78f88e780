"""Everything that can be proved about one pack by itself: its tables, texts, codes, orders, citations and services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cds_service.content.files import problem_at
from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.needs import reads, searches_of
from cds_service.content.prepared import template_words
from cds_service.content.proof.cells import faults_of
from cds_service.content.proof.hazard_rows import problems_of_hazards
from cds_service.content.proof.naming import problems_of_names
from cds_service.content.proof.numbers import problems_of_numbers
from cds_service.content.proof.order_templates import problems_of_order_templates
from cds_service.content.proof.paragraphs import problems_of_paragraphs
from cds_service.content.proof.placeholders import problems_of_placeholders
from cds_service.content.proof.readability import problems_of_wording
from cds_service.content.proof.texts import problems_of_lengths, problems_of_texts
from cds_service.content.proof.unknowns import unknown_faults
from cds_service.content.proof.versions import is_early
from cds_service.fhir.check_digits import fails_check_digit
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.problems import Problem

_SPOKEN_TEMPLATE = re.compile(r"\{(?:regimen|dosage-of)\.([A-Za-z0-9]+)\}")
_MOST_TEMPLATES, _LONGEST_TEMPLATE = 14, 1500


def problems_within(pack: Pack, folder: Path) -> Iterator[Problem]:
    """What is wrong with a pack that could be loaded; ``folder`` is its own.

    This imports fhir.resources, which takes about a second and which a serving process never does (Z27).
    """
    yield from _of_tables(pack)
    yield from problems_of_names(pack, folder)
    yield from problems_of_texts(pack)
    unfilled = list(problems_of_placeholders(pack))
    yield from unfilled or _of_filled_texts(pack, folder)
    yield from _of_unread(pack, folder)
    yield from _of_codes(pack, folder)
    yield from problems_of_order_templates(pack, folder)
    yield from _of_citations(pack, folder)
    yield from _of_short_forms(pack, folder)
    if not pack.site_digest:  # they tell of the content as it is delivered
        yield from problems_of_paragraphs(pack, folder)
    yield from problems_of_hazards(pack, folder)
    yield from _of_statuses(pack)
    yield from _of_reviews(pack, folder)
    yield from _of_services(pack, folder)


def _of_filled_texts(pack: Pack, folder: Path) -> Iterator[Problem]:
    """What is seen of texts only when their placeholders are filled."""
    yield from problems_of_lengths(pack, template_words(pack))
    yield from problems_of_wording(pack, folder, template_words(pack))
    yield from problems_of_numbers(pack, folder)


def _of_tables(pack: Pack) -> Iterator[Problem]:
    for decision in pack.decisions.values():
        for fault in faults_of(pack, decision):
            place = ("rules", fault.rule) if fault.rule >= 0 else ("id",)
            yield problem_at(decision.path, place, fault.kind, fault.text)
    for decision, unknown in unknown_faults(pack):
        place = ("rules", unknown.rule) if 0 <= unknown.rule < len(_written(decision)) else ("id",)
        yield problem_at(decision.path, place, "unknown", unknown.text)


def _written(decision: Decision) -> list[Rule]:
    """The rules that stand in the file."""
    return [rule for rule in decision.rules if not rule.is_added]


def _of_unread(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Facts, decisions, value sets and order templates that nothing uses."""
    shown = {name for service in pack.services.values() for name in service.decisions}
    read = {*reads(pack, shown), *shown}
    for name in pack.facts.keys() - read - _said_of_orders(pack):
        yield problem_at(folder / "facts.yaml", ("facts", name), "unread", f"no rule reads the fact {name!r}")
    for decision in pack.decisions.values():
        if decision.id not in read and decision.is_live:
            yield Problem(decision.path, 1, "unread", f"no service shows the decision {decision.id!r}")
    used_sets = {value_set.id for fact in pack.facts.values() for value_set in fact.value_sets.values()}
    used_sets |= {value_set.id for value_sets in (*pack.relevant.values(), pack.excluded) for value_set in value_sets}
    for name in pack.value_sets.keys() - used_sets:
        path = folder / "value-sets" / f"{name}.yaml"
        yield Problem(path, 1, "unread", f"no fact uses the value set {name!r}")
    for name in pack.templates.keys() - _used_templates(pack):
        yield Problem(folder / "orders" / f"{name}.yaml", 1, "unread", f"no rule offers the order {name!r}")


def _said_of_orders(pack: Pack) -> set[str]:
    """The facts that an order is put into words by, whether a rule reads them or not (``judge.ordered``)."""
    said = {(fact.kind, fact.element): fact.name for fact in reversed([*pack.facts.values()])}
    return {said[kind] for kind in (("order", "route"), ("dosage", "dose")) if kind in said}


def _used_templates(pack: Pack) -> set[str]:
    """The order templates that a rule suggests or a text names."""
    used: set[str] = set()
    for decision in pack.decisions.values():
        used |= {suggestion.template for rule in decision.rules for suggestion in rule.then.suggestions}
        texts = decision.texts.values()
        parts = [part for text in texts for part in text.parts]
        for part in (*parts, *decision.phrases.values()):
            used |= set(_SPOKEN_TEMPLATE.findall(part))
    return used


def _of_codes(pack: Pack, folder: Path) -> Iterator[Problem]:
    for name, value_set in pack.value_sets.items():
        path = folder / "value-sets" / f"{name}.yaml"
        for index, concept in enumerate({id(listed): listed for listed in value_set.codes.values()}.values()):
            if fails_check_digit(concept.system, concept.code):
                yield problem_at(path, ("concepts", index), "code", f"{concept.code} fails its check digit")


def _of_citations(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Statements and settlements with neither a rule nor a declared reason, or with both.

    A decision that a site has switched off carries its statements all the same: the content has a rule for them.
    """
    carrying = [decision for decision in pack.decisions.values() if decision.is_live or decision.status == "off"]
    rules = [rule for decision in carrying for rule in decision.rules]
    cited = {rule.statement for rule in rules} | {name for rule in rules for name in rule.settles}
    path = folder / "sources.yaml"
    for member, entries in (("statements", pack.statements), ("settlements", pack.settlements)):
        for name, entry in entries.items():
            if name not in cited and not entry.no_rule:
                text = f"no rule rests on {name}, and no reason is given"
                yield problem_at(path, (member, name), "uncited", text)
            if name in cited and entry.no_rule:
                text = f"{name} is said to have no rule, and a rule rests on it"
                yield problem_at(path, (member, name), "uncited", text)


def _of_short_forms(pack: Pack, folder: Path) -> Iterator[Problem]:
    """Short forms of statements that no card shows, because cards rest on these by rules alone."""
    for name, statement in pack.statements.items():
        if statement.in_short and name not in pack.rests_also:
            text = f"no card shows the short form of {name}, which is not in rests-also"
            yield problem_at(folder / "sources.yaml", ("statements", name, "in-short"), "unused", text)


def _of_statuses(pack: Pack) -> Iterator[Problem]:
    """Definitions that a live decision reads must be active."""
    for decision in pack.decisions.values():
        if not decision.is_live:
            continue
        for name in reads(pack, [decision.id]):
            needed = pack.decisions.get(name)
            if needed is not None and needed.status != "active":
                text = f"{name} is {needed.status} and {decision.id} reads it"
                yield problem_at(decision.path, ("inputs",), "status", text)


def _of_reviews(pack: Pack, folder: Path) -> Iterator[Problem]:
    """A review of another version than it stands beside counts for nothing, which nobody would notice (Z15)."""
    signed = [(folder / "pack.yaml", "review", pack.review, pack.version)]
    signed += [(decision.path, "review", decision.review, decision.version) for decision in pack.decisions.values()]
    if pack.hazards is not None:
        signed.append((folder / "hazards.yaml", "sign-off", pack.hazards.sign_off, pack.version))
    for path, member, review, version in signed:
        if review is not None and is_early(pack.version):
            what = "a pack before version 1.0.0 may still change: raise its version first, with bump --part major"
            yield problem_at(path, (member, "version"), "review", what)
        elif review is not None and review.version != version:
            what = f"it is of {review.version} and counts for no other: have {version} reviewed, or leave it empty"
            yield problem_at(path, (member, "version"), "review", what)


def _of_services(pack: Pack, folder: Path) -> Iterator[Problem]:
    path = folder / "pack.yaml"
    for index, service in enumerate(pack.services.values()):
        place = ("services", index)
        searches = searches_of(pack, service)
        own = [key for key, search in searches.items() if not _is_of_the_site(pack, search)]
        if len(own) > _MOST_TEMPLATES:
            text = f"{service.id} asks for {len(own)} of at most {_MOST_TEMPLATES}"
            yield problem_at(path, place, "prefetch", text)
        for search in searches.values():
            if len(search.template) > _LONGEST_TEMPLATE:
                yield problem_at(path, place, "prefetch", f"{search.key!r} has over {_LONGEST_TEMPLATE} characters")
        if service.hook == "patient-view":  # Z30: info only, unasked as it is
            for name in service.decisions:
                for rule in pack.decisions[name].rules:
                    if rule.then.indicator not in ("", "info"):
                        text = f"{service.id} shows {name}{rule.id}, which is no info"
                        yield problem_at(path, place, "indicator", text)


def _is_of_the_site(pack: Pack, search: Search) -> bool:
    """Whether only codes of the site are asked for, so that the content by itself has no such search (Z33)."""
    sets = [value_set for fact in pack.readers[search.key] for value_set in fact.value_sets.values()]
    codes = [concept for value_set in sets for concept in value_set.codes.values()]
    return bool(codes) and all(concept.local for concept in codes)
