"""Hashes of every answer of the service, to prove that a change of the code changes no answer.

``python -m tests.support.answers FILE`` writes one line an answer: the case, how it was varied, and a digest. Run it
before and after a change and compare the two files with ``diff``. Each scenario and each captured request is fired

- as it is,
- on each other hook, and
- with each prefetch key left out, on each hook.

What a release changes by itself is taken out before the digest is made: uuids, which carry the version of the rule, and
the version line of each card. Refusals count as answers, with their status and every word.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.replay.cases import Case, read_cases
from cds_service.replay.run import profile_of
from cds_service.vocabulary.json_text import encode

KEY = b"a key that is the same before and after"
NOW = datetime.fromisoformat("2026-11-23T12:00:00Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
VERSION = re.compile(r"\b\d+\.\d+\.\d+\b")


def main(file: Path) -> None:
    """Writes the digest of every answer to ``file``."""
    fixtures = packaged("fixtures")
    pack = load_pack(packaged("cards"))
    prepared = Prepared.of(pack, zone=ZoneInfo("Europe/Berlin"), key=KEY)
    services = {service.hook: service for service in pack.services.values()}
    cases = [*read_cases(fixtures, []), *read_cases(fixtures, [fixtures / "captured"], NOW)]
    digests: dict[str, str] = {}
    for case in cases:
        profile = profile_of(case, pack)
        for variation, hook, request in variations(case, {h: templates_of(pack, s) for h, s in services.items()}):
            try:
                answer = evaluate(prepared, services[hook], encode(request), case.now, profile)
                status, body = 200, answer.body
            except Fault as fault:
                status, body = fault.status, fault.outcome()
            digests[f"{case.name}\t{variation}"] = digest(status, body)
    file.write_text("".join(f"{name}\t{value}\n" for name, value in sorted(digests.items())), encoding="utf-8")
    whole = hashlib.sha256(file.read_bytes()).hexdigest()
    print(f"{len(cases)} cases, {len(digests)} answers, {len(set(digests.values()))} different: sha256 {whole}")


def variations(case: Case, templates: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each variation of a case: its name, the hook it is fired at, and the body of the call."""
    for hook, asked in templates.items():
        request = at_hook(case.request(asked), hook)
        yield hook, hook, request
        for key in sorted(request.get("prefetch") or {}):
            prefetch = {k: v for k, v in request["prefetch"].items() if k != key}
            yield f"{hook} without {key}", hook, {**request, "prefetch": prefetch}


def at_hook(request: Mapping[str, Any], hook: str) -> dict[str, Any]:
    """The same call at another hook: its context has the members that the hook asks for."""
    context = dict(request["context"])
    entries = context.get("draftOrders", {}).get("entry", [])
    if hook == "order-select":
        context.setdefault("selections", [_reference(entry["resource"]) for entry in entries])
    else:
        context.pop("selections", None)
    if hook == "patient-view":
        context.pop("draftOrders", None)
    else:
        context.setdefault("draftOrders", {"resourceType": "Bundle", "type": "collection", "entry": []})
    return {**request, "hook": hook, "context": context}


def digest(status: int, body: Mapping[str, Any]) -> str:
    """What is left of an answer when uuids and the versions of the content are taken out."""
    said = UUID.sub("uuid", encode(body).decode())
    return hashlib.sha256(f"{status} {VERSION.sub('version', said)}".encode()).hexdigest()


def _reference(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
