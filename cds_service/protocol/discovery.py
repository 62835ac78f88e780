"""Discovery: which services there are and what they ask clients to prefetch (D-01 to D-11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The version of the specification, and of its three hooks as published (D-09, D-10), not of this product (T-18).
_ONLY_IN_3_0 = {"version": "3.0.0", "hookVersion": "1.0"}


def discovery(services: Iterable[Mapping[str, Any]], profile: str = "2.0") -> dict[str, Any]:
    """The body of ``GET /cds-services`` for clients of a profile.

    Each of ``services`` has ``id``, ``hook``, ``title``, ``description``, ``prefetch`` and maybe ``usageRequirements``;
    empty members are left out. Members that only 3.0 defines are sent to clients of 3.0 alone, because a client may be
    strict about 2.0 (V-03).
    """
    more = _ONLY_IN_3_0 if profile == "3.0" else {}
    return {"services": [{key: value for key, value in service.items() if value} | more for service in services]}
