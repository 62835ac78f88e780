"""Whose card a uuid or a topic is: decision, rule and content version. Joins protocol, content and store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.content.model import Pack
from cds_service.protocol.feedback import Feedback
from cds_service.protocol.uuids import read_uuid
from cds_service.store.entries import Entry, Origin


@dataclass(frozen=True, slots=True)
class Attribution:
    """``numbers`` maps the numbers of the lock to every rule there ever was, ``topics`` topics to the present ones."""

    numbers: Mapping[int, Origin]
    topics: Mapping[str, Origin]

    @classmethod
    def of(cls, pack: Pack) -> Attribution:
        present = {
            decision.id + rule.id: (decision.id, rule.id, decision.version)
            for decision in pack.decisions.values()
            for rule in decision.rules
        }
        names = {topic: (decision, rule) for topic, (decision, rule, _) in present.items()}
        for topic, _ in pack.findings:
            if topic not in names:  # a rule of an older version that is no more
                decision = max((d for d in pack.decisions if topic.startswith(d)), key=len, default=topic)
                names[topic] = (decision, topic.removeprefix(decision))
        return cls(
            numbers={n: Origin(n, *names[topic], version) for (topic, version), n in pack.findings.items()},
            topics={
                topic: Origin(pack.findings.get((topic, version)), decision, rule, version)
                for topic, (decision, rule, version) in present.items()
            },
        )

    def origin(self, uuid: str, keys: Iterable[bytes]) -> Origin:
        """What a uuid came from; nothing if no key of ours made it. A number of other content keeps its number."""
        for key in keys:
            number = read_uuid(key, uuid)
            if number is not None:
                return self.numbers.get(number, Origin(number))
        return Origin()

    def entries(
        self, said: Sequence[Feedback], keys: Sequence[bytes], service: str, client: str, now: datetime
    ) -> list[Entry]:
        """Feedback sent to ``service`` by ``client``, received ``now``, as it is stored."""
        return [
            Entry(
                received_at=now,
                service=service,
                client=client,
                card=one.card,
                outcome=one.outcome,
                outcome_at=one.at,
                origin=self.origin(one.card, keys),
                reason_system=one.reason[0],
                reason_code=one.reason[1],
                reason_display=one.reason[2],
                comment=one.comment,
                raw=one.raw,
                suggestions={uuid: self.origin(uuid, keys) for uuid in one.suggestions},
            )
            for one in said
        ]

    def shown(self, cards: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, str, str]]:
        """Decision, rule, version and indicator of each card of an answer."""
        for card in cards:
            origin = self.topics.get(card["source"]["topic"]["code"])
            if origin is not None:
                yield origin.decision, origin.rule, origin.version, card["indicator"]
