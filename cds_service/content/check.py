"""``cds-service check``: everything a machine can prove about the content. Imports the shared vocabulary and this room.

Each finding is one line: ``file:line: kind: text``. What needs fhir.resources imports it here and only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cds_service.content.analyse import findings
from cds_service.content.files import ContentError, line_of, repeated_keys
from cds_service.content.load import load_pack
from cds_service.content.lock import Lock, folder_digests, read_lock, write_lock
from cds_service.content.model import Decision, Pack
from cds_service.content.render import LONGEST_SUMMARY, PLACEHOLDER

_DIGIT = re.compile(r"\d")
_SNOMED, _LOINC = "http://snomed.info/sct", "http://loinc.org"
# The longest a placeholder can become: what the chart sends is bounded when it is rendered.
_LONGEST_VALUE, _LONGEST_DATE, _LONGEST_REASON = 24, 10, 60
_MOST_TEMPLATES, _LONGEST_TEMPLATE = 12, 1500


def check(cards: Path, regimens_of: Mapping[str, str] | None = None) -> list[str]:
    """Every finding about a ``cards`` folder, sorted by file and line; an empty list is a pass.

    ``regimens_of`` are the order templates in words, for the length of summaries.
    """
    try:
        pack = load_pack(cards)
    except ContentError as error:
        repeated = [line for path in sorted(cards.glob("*/pack.yaml")) for line in _keys(path.parent)]
        return sorted([*error.problems, *repeated])
    folder = next(cards.glob("*/pack.yaml")).parent
    found = [
        *_keys(folder),
        *lock_problems(cards, pack),
        *_tables(pack),
        *_texts(pack, regimens_of or {}),
        *_unused(folder, pack),
        *_codes(folder, pack),
        *_templates(folder, pack),
        *_searches(folder, pack),
    ]
    return sorted(found)


def update_lock(cards: Path) -> list[str]:
    """Write digests and finding numbers after a version bump; what still stands in the way, if anything does.

    A decision whose files changed while its version did not is refused.
    """
    pack = load_pack(cards)
    folder = next(cards.glob("*/pack.yaml")).parent
    path = cards / "lock.json"
    lock = read_lock(path)
    digests = folder_digests(folder)
    versions = _versions(pack)
    refused = [
        f"{path}:1: version: {name} changed without a new version (still {versions[name]})"
        for name, digest in digests.items()
        if lock.versions.get(name) == versions[name] and lock.digests.get(name, digest) != digest
    ]
    if refused:
        return refused
    numbers = dict(lock.findings)
    following = max(numbers.values(), default=0) + 1
    for decision in pack.decisions.values():
        if decision.kind == "card":
            for rule in decision.rules:
                key = (decision.id + rule.id, decision.version)
                if not rule.then.silent and key not in numbers:
                    numbers[key] = following
                    following += 1
    write_lock(path, Lock(versions, digests, numbers))
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
    folder = cards / pack.id
    path = cards / "lock.json"
    lock = read_lock(path)
    versions = _versions(pack)
    for name, digest in folder_digests(folder).items():
        if lock.digests.get(name) == digest and lock.versions.get(name) == versions[name]:
            continue
        if lock.versions.get(name) == versions[name]:
            yield f"{path}:1: version: {name} changed without a new version (still {versions[name]})"
        else:
            yield f"{path}:1: lock: {name} {versions[name]} is not locked; run check --update-lock"


def _tables(pack: Pack) -> Iterator[str]:
    for decision in pack.decisions.values():
        for kind, index, text in findings(pack, decision):
            place: tuple[str | int, ...] = ("rules", index) if index >= 0 else ("id",)
            yield f"{decision.path}:{line_of(decision.path, place)}: {kind}: {text}"


def _texts(pack: Pack, regimens: Mapping[str, str]) -> Iterator[str]:
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
    for name in [*pack.names.values(), *pack.statements]:
        bare = bare.replace(name, "")
    if _DIGIT.search(bare):
        yield f"{path}:{line}: number: a number stands in the text; it must come from the rule or the patient"
    if re.search(r"<[a-zA-Z/!]|\]\(|!\[", bare):
        yield f"{path}:{line}: markdown: only plain text and emphasis may stand in a text"


def _known(pack: Pack, decision: Decision, name: str) -> bool:
    head, _, rest = name.partition(".")
    if name == "order" or name in pack.facts or name in pack.decisions:
        return True
    if head in ("name", "regimen", "limit"):
        return rest in {"name": pack.names, "regimen": pack.templates, "limit": decision.inputs}[head]
    return any(name.endswith(end) and name.removesuffix(end) in pack.facts for end in (".date", ".reason"))


def _longest(pack: Pack, regimens: Mapping[str, str], decision: Decision, text: str) -> int:
    """The most UTF-16 units a summary can have, whatever its placeholders become."""

    def width(name: str) -> int:
        head, _, rest = name.partition(".")
        if head == "name":
            return len(pack.names[rest])
        if head == "regimen":
            return len(regimens.get(rest, ""))
        if head == "limit":
            return 8
        if name in pack.decisions:
            return max(
                (_longest(pack, regimens, decision, p) for p in pack.decisions[name].phrases.values()),
                default=0,
            )
        if name.endswith(".reason"):
            return _LONGEST_REASON
        return _LONGEST_DATE if name.endswith(".date") else _LONGEST_VALUE

    return len(PLACEHOLDER.sub("", text)) + sum(width(match[1]) for match in PLACEHOLDER.finditer(text))


def _unused(folder: Path, pack: Pack) -> Iterator[str]:
    named = {name for decision in pack.decisions.values() for name in decision.inputs}
    named |= {
        name
        for decision in pack.decisions.values()
        for rule in decision.rules
        for suggestion in rule.then.suggestions
        for name in suggestion.when
    }
    read = named | {name for fact in pack.facts.values() for name in fact.inputs.values()}
    facts = folder / "facts.yaml"
    for name in pack.facts.keys() - read:
        yield f"{facts}:{line_of(facts, ('facts', name))}: unread: no rule reads the fact {name!r}"
    spoken = {
        match[1]
        for decision in pack.decisions.values()
        for text in decision.texts.values()
        for match in PLACEHOLDER.finditer(text.summary + text.detail)
    }
    shown = {name for service in pack.services.values() for name in service.decisions}
    for decision in pack.decisions.values():
        if decision.id not in shown | named | spoken:
            yield f"{decision.path}:1: unread: no service shows the decision {decision.id!r}"
    sets = {vs.id for fact in pack.facts.values() for vs in fact.value_sets.values()}
    sets |= {vs.id for vs in (*pack.relevant, *pack.excluded)}
    for name in pack.value_sets.keys() - sets:
        yield f"{folder / 'value-sets' / (name + '.yaml')}:1: unread: no fact uses the value set {name!r}"
    cited = {rule.statement for decision in pack.decisions.values() for rule in decision.rules}
    general = {name for name in pack.statements if any(name in text for text in pack.words.values())}
    sources = folder / "sources.yaml"
    for name in pack.statements.keys() - cited - general:
        line = line_of(sources, ("statements", name))
        yield f"{sources}:{line}: uncited: no rule rests on {name}"
    used = {s.template for d in pack.decisions.values() for r in d.rules for s in r.then.suggestions}
    for name in pack.templates.keys() - used:
        yield f"{folder / 'orders' / (name + '.yaml')}:1: unread: no rule offers the order {name!r}"


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


def loinc_is_valid(code: str) -> bool:
    """Whether a LOINC code ends in its mod-10 check digit."""
    number, _, digit = code.partition("-")
    if not number.isdigit() or not digit.isdigit():
        return False
    doubled = sum(sum(divmod(int(d) * 2, 10)) for d in number[::-2])
    return (10 - (doubled + sum(map(int, number[-2::-2]))) % 10) % 10 == int(digit)


def snomed_is_valid(code: str) -> bool:
    """Whether a SNOMED CT identifier ends in its Verhoeff check digit (dihedral group D5)."""
    if not code.isdigit() or not 6 <= len(code) <= 18:
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        permuted = int(digit)
        for _ in range(place % 8):
            permuted = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[permuted]
        check = _multiplied(check, permuted)
    return check == 0


def _multiplied(a: int, b: int) -> int:
    """The product in D5 of elements 0-4 (rotations) and 5-9 (reflections)."""
    rotation_a, rotation_b = a % 5, b % 5
    if a < 5:
        return (rotation_a + rotation_b) % 5 + (5 if b >= 5 else 0)
    return (rotation_a - rotation_b) % 5 + (0 if b >= 5 else 5)


def _templates(folder: Path, pack: Pack) -> Iterator[str]:
    from fhir.resources.R4B import get_fhir_model_class

    for template in pack.templates.values():
        resource = {**template.resource, "subject": {"reference": "Patient/example"}}
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValueError as error:
            text = " ".join(str(error).split())[:200]
            yield f"{folder / 'orders' / (template.id + '.yaml')}:1: order: not valid FHIR R4: {text}"


def _searches(folder: Path, pack: Pack) -> Iterator[str]:
    facts = folder / "facts.yaml"
    if len(pack.searches) > _MOST_TEMPLATES:
        yield f"{facts}:1: prefetch: {len(pack.searches)} templates, at most {_MOST_TEMPLATES} are allowed"
    for search in pack.searches.values():
        if len(search.template) > _LONGEST_TEMPLATE:
            yield f"{facts}:1: prefetch: the template of {search.key!r} has over {_LONGEST_TEMPLATE} characters"
