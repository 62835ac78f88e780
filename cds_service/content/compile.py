"""The files of a pack, compiled to the classes of the model.

The files are of their schemas and refer to nothing that is not there (``references``), and tables are in their expanded
form (``expand``), so that nothing can fail here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.content.candidates import candidates_of
from cds_service.content.compile_facts import (
    compile_analyte,
    compile_drug_names,
    compile_facts,
    compile_searches,
    compile_value_set,
)
from cds_service.content.compile_tables import compile_decision
from cds_service.content.files import PackFiles
from cds_service.content.hazard_log import compile_hazards
from cds_service.content.model import Decision, HospitalLimit, OrderTemplate, Pack, Service, Settlement, Statement
from cds_service.content.relevant import relevant_of
from cds_service.content.reviews import review_of
from cds_service.content.topics import prefix_of
from cds_service.vocabulary.dosage_words import DosageWords, TimeUnit
from cds_service.vocabulary.facts import exact


def compile_pack(pack_files: PackFiles, finding_numbers: Mapping[tuple[str, str], int], site_digest: str) -> Pack:
    """The pack; ``finding_numbers`` are those of its lock, by topic and decision version."""
    head, sources, words = pack_files.head, pack_files.sources, pack_files.words
    dosage_words = compile_dosage_words(words)
    drug_names = compile_drug_names(pack_files.value_sets)
    value_sets = {name: compile_value_set(data, drug_names) for name, data in pack_files.value_sets.items()}
    analytes = {name: compile_analyte(data, name) for name, data in pack_files.units.items()}
    searches = compile_searches(pack_files.facts, pack_files.value_sets, value_sets)
    decisions = _decisions(pack_files)
    facts = compile_facts(pack_files.facts, value_sets, analytes, searches, dosage_words)
    readers = {
        key: tuple(fact for fact in facts.values() if search in fact.searches) for key, search in searches.items()
    }
    return Pack(
        id=head["id"],
        version=head["version"],
        title=head["title"],
        intended_use=_on_one_line(head.get("intended-use", "")),
        silence_has_reasons=head.get("silence-has-reasons", False),
        topic_system=head["topic-system"],
        topic_prefix=prefix_of(head),
        sample=head.get("sample", ""),
        canonical_base=head["canonical-base"],
        review=review_of(head["review"]),
        services={entry["id"]: _service(entry) for entry in head["services"]},
        relevant={kind: tuple(value_sets[name] for name in names) for kind, names in relevant_of(head).items()},
        excluded=tuple(value_sets[name] for name in head["excluded"]),
        facts=facts,
        readers=readers,
        candidates={key: candidates_of(read, searches[key].resource) for key, read in readers.items()},
        of_kind={kind: tuple(f for f in facts.values() if f.kind == kind) for kind in {f.kind for f in facts.values()}},
        searches=searches,
        decisions={decision.id: decision for decision in decisions},
        templates={name: _order_template(order) for name, order in pack_files.orders.items()},
        statements={key: _statement(key, entry) for key, entry in sources["statements"].items()},
        settlements={
            key: Settlement(key, entry["clash"], entry["settlement"], entry.get("no-rule", ""))
            for key, entry in sources["settlements"].items()
        },
        hospital_limits={
            fact: tuple(_hospital_limit(fact, entry) for entry in entries)
            for fact, entries in sources.get("hospital-limits", {}).items()
        },
        source_label=sources["label"],
        unreviewed_label=sources.get("label-unreviewed", sources["label"]),
        rests_also=tuple(head.get("rests-also", ())),
        words=words["words"],
        reasons=words["reasons"],
        elements=words["elements"],
        routes=words["routes"],
        months=tuple(words["months"]),
        dosage_words=dosage_words,
        table_words=words["tables"],
        names=dict(head["names"]),
        findings=finding_numbers,
        value_sets=value_sets,
        site_digest=site_digest,
        hazards=compile_hazards(pack_files.hazards),
    )


def compile_dosage_words(words: Mapping[str, Any]) -> DosageWords:
    """The words that dosages are said with, of those of a whole pack."""
    units = {code: TimeUnit(**unit) for code, unit in words["units-of-time"].items()}
    return DosageWords(words["dosages"], units, words["days"], words["when"])


def _decisions(pack_files: PackFiles) -> list[Decision]:
    texts, prefix = pack_files.texts, prefix_of(pack_files.head)
    return [compile_decision(path, table, texts.get(path, {}), prefix) for path, table in pack_files.tables.items()]


def _service(entry: Mapping[str, Any]) -> Service:
    return Service(
        id=entry["id"],
        hook=entry["hook"],
        title=entry["title"],
        description=_on_one_line(entry["description"]),
        usage_requirements=_on_one_line(entry.get("usage-requirements", "")),
        decisions=tuple(entry["decisions"]),
        least=entry.get("least", {}),
    )


def _statement(name: str, entry: Mapping[str, Any]) -> Statement:
    return Statement(
        id=name,
        place=entry["place"],
        quote=entry["quote"],
        numbers=frozenset(exact(str(number)) for number in entry.get("numbers", ())),
        does=_on_one_line(entry.get("does", "")),
        no_rule=entry.get("no-rule", ""),
        in_short=_on_one_line(entry.get("in-short", "")),
        sentence=entry.get("sentence", ""),
        title=entry.get("title", ""),
    )


def _hospital_limit(fact: str, entry: Mapping[str, Any]) -> HospitalLimit:
    return HospitalLimit(
        fact=fact,
        number=exact(str(entry["limit"])),
        in_place_of=exact(str(entry["in-place-of"])),
        why=_on_one_line(entry["why"]),
        decided_by=_on_one_line(entry["decided-by"]),
    )


def _order_template(order: Mapping[str, Any]) -> OrderTemplate:
    return OrderTemplate(
        id=order["id"],
        statement=order.get("statement", ""),
        basis=order.get("basis", "source"),
        resource=order["resource"],
        agent=order.get("agent", ""),
        dosage_text=order.get("dosage-text", ""),
        name=order["name"],
        stocked=order.get("stocked", True),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
