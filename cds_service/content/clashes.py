"""What two packs that are served together must not share: their id, services, and codes of topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cds_service.content.files import problem_at
from cds_service.content.model import Pack
from cds_service.content.packs import HEAD
from cds_service.vocabulary.problems import Problem

_KIND = "packs"


def clashes(pack: Pack, folder: Path, before: Iterable[Pack]) -> Iterator[Problem]:
    """What ``pack``, whose files stand in ``folder``, has in common with one of the packs ``before`` it, and must not.

    Two packs without a prefix of topics would also have the same uuids of cards (``key_of_pack``).
    """
    path = folder / HEAD
    for other in before:
        if pack.id == other.id:
            yield problem_at(path, ("id",), _KIND, f"another pack that is served is {pack.id!r} too")
            continue
        if pack.topic_prefix == other.topic_prefix:
            text = f"the topic-prefix of {other.id} is {pack.topic_prefix!r} too; every pack needs one of its own"
            yield problem_at(path, ("topic-prefix",), _KIND, text)
        for index, service in enumerate(pack.services):
            if service in other.services:
                text = f"{other.id} has a service {service!r} too"
                yield problem_at(path, ("services", index, "id"), _KIND, text)
        if pack.topic_system == other.topic_system:
            for topic in sorted(_topics(pack) & _topics(other)):
                yield problem_at(path, ("topic-system",), _KIND, f"{other.id} has the topic {topic} too")


def _topics(pack: Pack) -> set[str]:
    return {decision.topic(rule.id) for decision in pack.decisions.values() for rule in decision.rules}
