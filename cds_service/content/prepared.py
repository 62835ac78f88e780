"""Content made ready to answer with: what is the same for every call is worked out once, at the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from cds_service.content.grounds import Grounds, grounds_of, rests_also
from cds_service.content.model import Pack, TemplateWords
from cds_service.content.needs import searches_of, urgent_keys
from cds_service.content.reviews import Standing
from cds_service.fhir.tree import Node, copied, nodes
from cds_service.fhir.wording import orders_words, set_texts
from cds_service.protocol.uuids import key_of_pack
from cds_service.vocabulary.declarations import Search


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pack and the settings that answers depend on.

    ``zone`` is the hospital's time zone, ``key``, the pack's own, makes uuids (Z18). ``shown`` is false where
    unreviewed content runs as shadow: it is evaluated and counted, and its cards are shown to nobody (Z15).
    ``regimens`` are the order templates in words by their id, ``orders`` their resources with the text of each dosage,
    ``searches`` what each service reads by the service's id, and ``urgent`` the keys of those that are fetched first
    (Z88). ``grounds`` are the lines that every card of a rule has, by the ids of its decision and of the rule,
    ``rests_also`` those that all cards have, but for those on safety.
    """

    pack: Pack
    zone: tzinfo
    key: bytes
    shown: bool = True
    regimens: Mapping[str, TemplateWords] = field(default_factory=dict)
    orders: Mapping[str, Node] = field(default_factory=dict)
    searches: Mapping[str, tuple[Search, ...]] = field(default_factory=dict)
    urgent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    grounds: Mapping[tuple[str, str], Grounds] = field(default_factory=dict)
    rests_also: tuple[str, ...] = ()

    def today(self, now: datetime) -> date:
        """The day that it is in the hospital's time zone at ``now``."""
        return now.astimezone(self.zone).date()

    def standing(self, now: datetime) -> Standing:
        """What comes of the review of the content at ``now`` (Z15)."""
        return self.pack.standing(self.today(now))

    @classmethod
    def of(cls, pack: Pack, *, zone: tzinfo, key: bytes, shown: bool = True) -> Prepared:
        """``pack`` made ready. ``key`` is that of the service, from which the key of the pack is made."""
        searches = {service.id: tuple(searches_of(pack, service).values()) for service in pack.services.values()}
        urgent = {service.id: urgent_keys(pack, service) for service in pack.services.values()}
        return cls(
            pack,
            zone,
            key_of_pack(key, pack.topic_prefix),
            shown,
            template_words(pack),
            template_orders(pack),
            searches,
            urgent,
            grounds_of(pack),
            rests_also(pack),
        )


def template_words(pack: Pack) -> dict[str, TemplateWords]:
    """Every order template in words, by its id."""
    return {
        template.id: TemplateWords(template.name, orders_words(pack.dosage_words, dict(template.resource)))
        for template in pack.templates.values()
    }


def template_orders(pack: Pack) -> dict[str, Node]:
    """The resource of every order template by its id, each dosage with its text: what its structure says and no more
    than that but the words of the template.
    """
    orders = {template.id: copied(dict(template.resource)) for template in pack.templates.values()}
    for name, resource in orders.items():
        set_texts(pack.dosage_words, nodes(resource, "dosageInstruction"), pack.templates[name].dosage_text)
    return orders
