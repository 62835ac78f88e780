"""What is asked of the acceptance page in its address: the days, the order, the grouping, and which rules alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flask import abort, request

SPANS = (7, 30, 90, 365)  # days
USUAL_SPAN = 30  # days
ORDERS = {"asc": "ascending", "desc": "descending"}
GROUPS = {"decision": "By decision", "none": "One table"}
"""How the rules stand together: under the totals of their decisions, or all in one table."""
FACETS = {"severity": "Severity", "service": "Hook", "decision": "Decision"}
"""By what rules are chosen: the name in an address, and the title."""
_FROM_THE_LEAST = ("rule", "decision", "reason", "at-most")  # words begin with A; the other columns with the largest


@dataclass(frozen=True, slots=True)
class AcceptanceChoice:
    """One question to the page. ``chosen`` has the value of each of ``FACETS`` by which rules are chosen."""

    days: int
    sort: str
    order: str
    group: str
    chosen: Mapping[str, str]

    @property
    def is_flat(self) -> bool:
        return self.group == "none"

    @property
    def is_descending(self) -> bool:
        return self.order == "desc"

    def address(self, **changes: str | int | None) -> dict[str, str | int]:
        """The arguments of the address that asks for the same but for ``changes``; ``None`` takes a choice away."""
        group = None if self.group == "decision" else self.group
        asked = {"days": self.days, "sort": self.sort, "order": self.order, "group": group, **self.chosen, **changes}
        return {name: value for name, value in asked.items() if value is not None}

    def sorted_by(self, column: str) -> dict[str, str | int]:
        """The arguments for a click on a heading: it turns the order round if its column is sorted by already."""
        turned = "asc" if self.is_descending else "desc"
        return self.address(sort=column, order=turned if column == self.sort else first_order(column))

    def grouped(self, group: str) -> dict[str, str | int]:
        """The arguments for the same rules grouped in one of ``GROUPS``."""
        return self.address(group=None if group == "decision" else group)

    def of_all_rules(self) -> dict[str, str | int]:
        """The arguments for the same without any choice of rules."""
        return self.address(**dict.fromkeys(FACETS))


def span_asked_for() -> int:
    """The number of days that the present request asks for; a request for another number than there is ends in 404."""
    span = request.args.get("days", str(USUAL_SPAN))
    if span not in map(str, SPANS):
        abort(404)
    return int(span)


def choice_asked_for(columns: Collection[str]) -> AcceptanceChoice:
    """What the present request asks for, sorted by one of ``columns``; one for what there is not ends in 404.

    Whether there are such rules as it chooses cannot be told here.
    """
    span, sort, group = span_asked_for(), request.args.get("sort", "shown"), request.args.get("group", "decision")
    order = request.args.get("order", first_order(sort))
    if sort not in columns or order not in ORDERS or group not in GROUPS:
        abort(404)
    chosen = {name: value for name in FACETS if (value := request.args.get(name))}
    return AcceptanceChoice(span, sort, order, group, chosen)


def first_order(column: str) -> str:
    """The order in which a column is sorted first."""
    return "asc" if column in _FROM_THE_LEAST else "desc"
