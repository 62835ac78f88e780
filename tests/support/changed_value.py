"""Data with another value in one place."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any


def with_value(tree: Any, way: Sequence[Any], value: Any) -> Any:
    """A copy of a tree in which ``value`` stands where ``way``, of keys and of places in lists, leads."""
    changed = copy.deepcopy(tree)
    parent = changed
    for key in way[:-1]:
        parent = parent[key]
    parent[way[-1]] = value
    return changed
