"""One call of a hook, with what was read and decided on its way to the cards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from cds_service.chart.order import NO_ORDER, read_order
from cds_service.chart.record import Chart
from cds_service.content.decide import Finding
from cds_service.content.model import Service
from cds_service.content.prepared import Prepared
from cds_service.content.render import Speech, plain
from cds_service.fhir.tree import Node
from cds_service.judge.orders import JudgedOrder, judge
from cds_service.judge.relevance import is_judged, is_relevant
from cds_service.protocol.envelope import ORDER_HOOKS, HookRequest
from cds_service.protocol.profiles import COMMON, Profile
from cds_service.protocol.uuids import make_uuid
from cds_service.vocabulary.facts import Facts, Reason


class HookCall(msgspec.Struct, frozen=True):
    """One call of a hook: the content it is judged by, what it brought, and what was decided on its orders.

    ``facts`` are those of the patient, ``drafts`` all draft resources by their keys, ``judged_orders`` the relevant
    ones of them. ``idle`` are the keys of the drafts that no fact looks for, ``not_understood`` what every card says of
    what was sent and not understood, each with what it is about.
    """

    prepared: Prepared
    service: Service
    request: HookRequest
    chart: Chart
    facts: Facts
    drafts: Mapping[str, Node]
    judged_orders: Sequence[JudgedOrder]
    profile: Profile = COMMON
    idle: Collection[str] = frozenset()
    not_understood: Sequence[tuple[str, Reason]] = ()

    def judge_again(self, drafts: Mapping[str, Node], selected: Sequence[str]) -> list[JudgedOrder]:
        """Every decision on the drafts as an accepted suggestion would leave them.

        ``selected`` are the keys of the drafts that are judged; ``""`` is no draft.
        """
        pack = self.prepared.pack
        orders = [read_order("", drafts[key], drafts, key) for key in selected if key]
        orders = [order for order in orders if is_judged(pack, order.resource) and is_relevant(pack, order)]
        if self.request.hook not in ORDER_HOOKS:
            orders.append(NO_ORDER)
        return judge(pack, self.service, self.chart, self.facts, drafts, orders, self.idle, self.judged_orders)

    def speech(self, judged: JudgedOrder) -> Speech:
        """The words for the findings on one of its orders."""
        return Speech(
            self.prepared.pack,
            self.prepared.regimens,
            judged.decided.values,
            plain(judged.order.name),
            self.chart.today,
            about_order=judged.order is not NO_ORDER,
        )

    def uuid(self, judged: JudgedOrder, finding: Finding, *part: str) -> str:
        """The uuid of the card of a finding, or of the part of that card which ``part`` names (Z18)."""
        number = self.prepared.pack.findings.get((finding.topic, finding.decision.version), 0)
        about = (self.profile.issuer, self.request.hook_instance, judged.order.key, finding.topic)
        return make_uuid(self.prepared.key, number, *about, *part)
