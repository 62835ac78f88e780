"""The closed set of ways in which a fact is derived from others, and the roles that these others have.

``content`` checks declarations by it, ``chart`` has a function for each (docs/decisions.md#rule-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Formulas, each with its own form in Python and its constants in facts.yaml.
FORMULAS: Mapping[str, tuple[str, ...]] = {
    "ckd-epi-2021": ("creatinine", "age", "sex"),
    "newer": ("reported", "computed"),
    "later": ("event", "since"),
    "daily": ("dose", "interval"),
}
# Operators over ranges with units. Those without roles take two operands or more, under whatever names.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "sum": (),
    "difference": ("minuend", "subtrahend"),
    "product": (),
    "quotient": ("dividend", "divisor"),
    "minimum": (),
    "maximum": (),
    "per-kilogram": ("amount", "weight"),
    "days-between": ("from", "to"),
    "first-of": ("first", "second"),
}


def in_role_order(element: str, roles: Iterable[str]) -> list[str]:
    """The roles of a fact's operands in the order in which its formula or operator takes them."""
    order = OPERATORS.get(element) or FORMULAS.get(element, ())
    return sorted(roles, key=lambda role: order.index(role) if role in order else len(order))


# What has a value where only one operand has: the value of that one.
EITHER = ("newer", "first-of")


def never_without(element: str, roles: Iterable[str]) -> frozenset[str]:
    """The roles whose operand must have a value for the derived fact to have one."""
    if element in EITHER:
        return frozenset()
    return frozenset(roles) - ({"sex"} if element == "ckd-epi-2021" else set())
