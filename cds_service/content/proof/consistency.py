"""``cds-service check``: everything a machine can prove about the content. Imports the shared vocabulary and this room.

Each finding is one line: ``file:line: kind: text``. What needs fhir.resources imports it here and only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from cds_service.content.files import ContentError, line_of, repeated_keys
from cds_service.content.load import load_pack
from cds_service.content.lock import Lock, folder_digests, read_lock, write_lock
from cds_service.content.model import PLACEHOLDER, CardText, Decision, Pack, TemplateWords
from cds_service.content.needs import reads, searches_of
from cds_service.content.proof.check_digits import loinc_is_valid, snomed_is_valid
from cds_service.content.proof.coverage import findings
from cds_service.content.render import LONGEST_SUMMARY, LONGEST_VALUE
from cds_service.content.site import Site

_DIGIT = re.compile(r"\d")
# What GFM would take for markup other than emphasis: HTML, links, code, tables, headings, quotations, lists.
_MARKUP = re.compile(r"[`<>\[\]|~\\]|^\s*(#|[-+*]\s|=)|https?:|www\.")
_SNOMED, _LOINC = "http://snomed.info/sct", "http://loinc.org"
_LONGEST_DATE = 10
_MOST_TEMPLATES, _LONGEST_TEMPLATE = 12, 1500


def check(
    cards: Path,
    regimens_of: Mapping[str, TemplateWords] | None = None,
    site: Site | None = None,
    *,
    to_lock: bool = False,
) -> list[str]:
    """Every finding about a ``cards`` folder, sorted by file and line; an empty list is a pass.

    ``regimens_of`` are the order templates in words, for the length of summaries; ``site`` is an overlay to check
    with it; ``to_lock`` asks whether it may be locked instead of whether it is.
    """
    try:
        pack = load_pack(cards, site)
    except ContentError as error:
        repeated = [line for path in sorted(cards.glob("*/pack.yaml")) for line in _keys(path.parent)]
        return sorted([*error.problems, *repeated])
    folder = next(cards.glob("*/pack.yaml")).parent
    found = [
        *_keys(folder),
        *(_version_problems(cards, pack) if to_lock else lock_problems(cards, pack)),
        *_tables(pack),
        *_texts(pack, regimens_of or {}),
        *_unused(folder, pack),
        *_codes(folder, pack),
        *_templates(folder, pack),
        *_uncited(folder, pack),
        *_lives(pack),
        *_services(folder, pack),
        *_reviews(folder, pack),
    ]
    return sorted(found)


def update_lock(cards: Path) -> list[str]:
    """Write digests and finding numbers after a version bump; what stands in the way, if anything does.

    A decision whose files changed while its version did not is refused, and so is a pack of changed decisions that
    kept its own.
    """
    pack = load_pack(cards)
    if refused := sorted(_version_problems(cards, pack)):
        return refused
    path = cards / "lock.json"
    numbers = dict(read_lock(path).findings)
    following = max(numbers.values(), default=0) + 1
    for decision in pack.decisions.values():
        if decision.kind == "card":
            for rule in decision.rules:
                key = (decision.id + rule.id, decision.version)
                if not rule.then.silent and key not in numbers:
                    numbers[key] = following
                    following += 1
    write_lock(path, Lock(_versions(pack), folder_digests(cards / pack.id), numbers))
    return []


def _versions(pack: Pack) -> dict[str, str]:
    found = {f"decision:{decision.id}": decision.version for decision in pack.decisions.values()}
    return {**found, f"pack:{pack.id}": pack.version}


def _keys(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.yaml")):
        for line, key in repeated_keys(path):
            yield f"{path}:{line}: schema: the key {key!r} stands twice"


def lock_problems(cards: Path, pack: Pack) -> Iterator[str]:
    """Where files, versions and ``lock.json`` do not agree; also looked at before serving (Z27)."""
    yield from _version_problems(cards, pack)
    path = cards / "lock.json"
    lock = read_lock(path)
    for name, version in _versions(pack).items():
        if lock.versions.get(name) != version:
            yield f"{path}:1: lock: {name} {version} is not locked; run check --update-lock"


def _version_problems(cards: Path, pack: Pack) -> Iterator[str]:
    """What differs from the lock under the version that the lock knows: one version names one content, for ever."""
    lock = read_lock(cards / "lock.json")
    digests = folder_digests(cards / pack.id)
    changed = [name for name in {**digests, **lock.digests} if lock.digests.get(name) != digests.get(name)]
    whole = f"pack:{pack.id}"
    for name, version in _versions(pack).items():
        if lock.versions.get(name) != version or not (name in changed or (name == whole and changed)):
            continue
        path = cards / pack.id / "pack.yaml" if name == whole else pack.decisions[name.removeprefix("decision:")].path
        line = line_of(path, ("version",))
        yield f"{path}:{line}: version: {name} changed without a new version (still {version})"


def _tables(pack: Pack) -> Iterator[str]:
    for decision in pack.decisions.values():
        for kind, index, text in findings(pack, decision):
            place: tuple[str | int, ...] = ("rules", index) if index >= 0 else ("id",)
            yield f"{decision.path}:{line_of(decision.path, place)}: {kind}: {text}"


def _texts(pack: Pack, regimens: Mapping[str, TemplateWords]) -> Iterator[str]:
    for decision in pack.decisions.values():
        path = decision.path.parent / "text.en.yaml"
        used = {rule.then.text for rule in decision.rules if rule.then.text}
        for key, text in decision.texts.items():
            line = line_of(path, ("texts", key))
            if key not in used:
                yield f"{path}:{line}: unused: the text {key!r} belongs to no rule"
            for part in (text.summary, text.detail, *text.labels.values()):
                yield from _words(pack, decision, path, line, part)
            longest = _longest(pack, regimens, decision, text.summary)
            if longest > LONGEST_SUMMARY:
                yield f"{path}:{line}: length: the summary {key!r} can reach {longest} of {LONGEST_SUMMARY} characters"
        for key, phrase in decision.phrases.items():
            yield from _words(pack, decision, path, line_of(path, ("phrases", key)), phrase)


def _words(pack: Pack, decision: Decision, path: Path, line: int, text: str) -> Iterator[str]:
    for match in PLACEHOLDER.finditer(text):
        if not _known(pack, decision, match[1]):
            yield f"{path}:{line}: placeholder: nothing is called {match[1]!r}"
    bare = PLACEHOLDER.sub("", text)
    for name in sorted([*pack.names.values(), *pack.statements], key=len, reverse=True):
        bare = bare.replace(name, "")
    if _DIGIT.search(bare):
        yield f"{path}:{line}: number: a number stands in the text; it must come from the rule or the patient"
    if _MARKUP.search(bare):
        yield f"{path}:{line}: markdown: only plain text and emphasis may stand in a text"


def _known(pack: Pack, decision: Decision, name: str) -> bool:
    head, _, rest = name.partition(".")
    if name == "order" or name in pack.facts or name in pack.decisions:
        return True
    known = {
        "name": pack.names,
        "regimen": pack.templates,
        "dosage-of": pack.templates,
        "limit": decision.inputs,
    }
    if head in known:
        return rest in known[head]
    return any(name.endswith(end) and name.removesuffix(end) in pack.facts for end in (".date", ".reason"))


def _longest(pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, text: str) -> int:
    """The most UTF-16 units a summary can have, whatever its placeholders become."""

    def width(name: str) -> int:
        head, _, rest = name.partition(".")
        if head == "name":
            return len(pack.names[rest])
        if head == "regimen":
            return len(regimens[rest].order) if rest in regimens else 0
        if head == "dosage-of":
            return len(regimens[rest].dosage) if rest in regimens else 0
        if head == "limit":
            return 8
        if name in pack.decisions:
            return max(
                (_longest(pack, regimens, decision, p) for p in pack.decisions[name].phrases.values()),
                default=0,
            )
        if name.endswith(".reason"):
            return max(_longest_filled(reason) for reason in pack.reasons.values())
        return _LONGEST_DATE if name.endswith(".date") else LONGEST_VALUE

    return len(PLACEHOLDER.sub("", text)) + sum(width(match[1]) for match in PLACEHOLDER.finditer(text))


def _longest_filled(reason: str) -> int:
    return len(PLACEHOLDER.sub("", reason)) + LONGEST_VALUE * len(PLACEHOLDER.findall(reason))


def _unused(folder: Path, pack: Pack) -> Iterator[str]:
    """What nothing uses: facts, decisions, value sets, order templates, and statements without a rule or a reason."""
    shown = {name for service in pack.services.values() for name in service.decisions}
    read = {*reads(pack, shown), *shown}
    facts = folder / "facts.yaml"
    for name in pack.facts.keys() - read:
        yield f"{facts}:{line_of(facts, ('facts', name))}: unread: no rule reads the fact {name!r}"
    for decision in pack.decisions.values():
        if decision.id not in read and decision.status in ("active", "shadow"):
            yield f"{decision.path}:1: unread: no service shows the decision {decision.id!r}"
    sets = {vs.id for fact in pack.facts.values() for vs in fact.value_sets.values()}
    sets |= {vs.id for vs in (*pack.relevant, *pack.excluded)}
    for name in pack.value_sets.keys() - sets:
        yield f"{folder / 'value-sets' / (name + '.yaml')}:1: unread: no fact uses the value set {name!r}"
    spoken = {
        match[2]
        for decision in pack.decisions.values()
        for text in (*decision.texts.values(), *(CardText(phrase) for phrase in decision.phrases.values()))
        for part in (text.summary, text.detail, *text.labels.values())
        for match in re.finditer(r"\{(regimen|dosage-of)\.([A-Za-z0-9]+)\}", part)
    }
    used = {s.template for d in pack.decisions.values() for r in d.rules for s in r.then.suggestions} | spoken
    for name in pack.templates.keys() - used:
        yield f"{folder / 'orders' / (name + '.yaml')}:1: unread: no rule offers the order {name!r}"


def _uncited(folder: Path, pack: Pack) -> Iterator[str]:
    """Statements and settlements with neither a rule nor a declared reason, or with both."""
    rules = [rule for d in pack.decisions.values() if d.status in ("active", "shadow") for rule in d.rules]
    cited = {rule.statement for rule in rules} | {name for rule in rules for name in rule.settles}
    sources = folder / "sources.yaml"
    for place, entries in (("statements", pack.statements), ("settlements", pack.settlements)):
        for name, entry in entries.items():
            line = line_of(sources, (place, name))
            if name not in cited and not entry.no_rule:
                yield f"{sources}:{line}: uncited: no rule rests on {name}, and no reason is given"
            if name in cited and entry.no_rule:
                yield f"{sources}:{line}: uncited: {name} is said to have no rule, and a rule rests on it"


def _lives(pack: Pack) -> Iterator[str]:
    """Definitions that rules lean on must be as alive as what leans on them."""
    for decision in pack.decisions.values():
        if decision.status in ("active", "shadow"):
            for name in reads(pack, [decision.id]):
                needed = pack.decisions.get(name)
                if needed is not None and needed.status != "active":
                    line = line_of(decision.path, ("inputs",))
                    yield f"{decision.path}:{line}: status: {name} is {needed.status} and {decision.id} reads it"


def _services(folder: Path, pack: Pack) -> Iterator[str]:
    path = folder / "pack.yaml"
    for index, service in enumerate(pack.services.values()):
        line = line_of(path, ("services", index))
        searches = searches_of(pack, service)
        if len(searches) > _MOST_TEMPLATES:
            yield f"{path}:{line}: prefetch: {service.id} asks for {len(searches)} of at most {_MOST_TEMPLATES}"
        for search in searches.values():
            if len(search.template) > _LONGEST_TEMPLATE:
                yield f"{path}:{line}: prefetch: {search.key!r} has over {_LONGEST_TEMPLATE} characters"
        if service.hook == "patient-view":  # Z30: info only, unasked as it is
            for name in service.decisions:
                for rule in pack.decisions[name].rules:
                    if rule.then.indicator not in ("", "info"):
                        yield f"{path}:{line}: indicator: {service.id} shows {name}{rule.id}, which is no info"


def _reviews(folder: Path, pack: Pack) -> Iterator[str]:
    """Recorded reviews must have a date, a role and a version, or be left empty altogether."""
    places = [(folder / "pack.yaml", pack.review)]
    places += [(decision.path, decision.review) for decision in pack.decisions.values() if decision.review]
    for path, review in places:
        filled = [bool(review.get(key)) for key in ("date", "role", "version")]
        if any(filled) and not all(filled):
            yield f"{path}:{line_of(path, ('review',))}: review: date, role and version belong together"
        if review.get("date") and not _is_date(review["date"]):
            yield f"{path}:{line_of(path, ('review',))}: review: the date is not of the form YYYY-MM-DD"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _codes(folder: Path, pack: Pack) -> Iterator[str]:
    for name, value_set in pack.value_sets.items():
        path = folder / "value-sets" / f"{name}.yaml"
        for index, concept in enumerate(value_set.codes.values()):
            wrong = (concept.system == _LOINC and not loinc_is_valid(concept.code)) or (
                concept.system == _SNOMED and not snomed_is_valid(concept.code)
            )
            if wrong:
                line = line_of(path, ("concepts", index))
                yield f"{path}:{line}: code: {concept.code} fails its check digit"


def _templates(folder: Path, pack: Pack) -> Iterator[str]:
    from fhir.resources.R4B import get_fhir_model_class

    for template in pack.templates.values():
        resource = {**template.resource, "subject": {"reference": "Patient/example"}}
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValueError as error:
            text = " ".join(str(error).split())[:200]
            yield f"{folder / 'orders' / (template.id + '.yaml')}:1: order: not valid FHIR R4: {text}"
