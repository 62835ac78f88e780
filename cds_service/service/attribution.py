"""Which rule a card came from: decision, rule and version of the decision, found by its uuid or its topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.content.model import Pack
from cds_service.protocol.feedback import Feedback
from cds_service.protocol.uuids import key_of_pack, read_uuid
from cds_service.store.entries import Entry, Origin


@dataclass(frozen=True, slots=True)
class Attribution:
    """``numbers`` maps the numbers of the lock to every rule there ever was, ``topics`` topics to the present ones.

    ``prefix`` is that of the topic codes.
    """

    numbers: Mapping[int, Origin]
    topics: Mapping[str, Origin]
    prefix: str = ""

    @classmethod
    def of(cls, pack: Pack) -> Attribution:
        """The origins that the lock and the decisions of ``pack`` give."""
        present = {
            decision.topic(rule.id): (decision.id, rule.id, decision.version)
            for decision in pack.decisions.values()
            for rule in decision.rules
        }
        names = {topic: (decision, rule) for topic, (decision, rule, _) in present.items()}
        for topic, _ in pack.findings:
            if topic not in names:  # a rule of an older version that is no more
                begins = [d for d in pack.decisions.values() if topic.startswith(d.topic(""))]
                decision = max(begins, key=lambda one: len(one.id), default=None)
                names[topic] = (decision.id, topic.removeprefix(decision.topic(""))) if decision else (topic, "")
        return cls(
            numbers={n: Origin(n, *names[topic], version) for (topic, version), n in pack.findings.items()},
            topics={
                topic: Origin(pack.findings.get((topic, version)), decision, rule, version)
                for topic, (decision, rule, version) in present.items()
            },
            prefix=pack.topic_prefix,
        )

    def origin(self, uuid: str, keys: Iterable[bytes]) -> Origin:
        """The rule whose card or suggestion has this uuid.

        It is an empty ``Origin`` if the uuid was made with none of ``keys``, and one with only its number if the number
        belongs to other content.
        """
        for key in keys:
            number = read_uuid(key_of_pack(key, self.prefix), uuid)
            if number is not None:
                return self.numbers.get(number, Origin(number))
        return Origin()

    def entries(
        self, feedback: Sequence[Feedback], keys: Sequence[bytes], service: str, client: str, now: datetime
    ) -> list[Entry]:
        """Feedback sent to ``service`` by ``client`` and received ``now``, as the store keeps it."""
        return [
            Entry(
                received_at=now,
                service=service,
                client=client,
                card=item.card,
                outcome=item.outcome,
                outcome_at=item.at,
                origin=self.origin(item.card, keys),
                reason_system=item.reason[0],
                reason_code=item.reason[1],
                reason_display=item.reason[2],
                comment=item.comment,
                raw=item.raw,
                suggestions={uuid: self.origin(uuid, keys) for uuid in item.suggestions},
            )
            for item in feedback
        ]

    def shown(self, cards: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, str, str]]:
        """Decision, rule, version and indicator of each card of an answer."""
        for card in cards:
            origin = self.topics.get(card["source"]["topic"]["code"])
            if origin is not None:
                yield origin.decision, origin.rule, origin.version, card["indicator"]
