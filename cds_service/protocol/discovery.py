"""Discovery: what the services are and what they ask to be prefetched (D-01 to D-11). Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Of the specification and of its three hooks as published (D-09, D-10), not of this product (T-18).
_ONLY_IN_3_0 = {"version": "3.0.0", "hookVersion": "1.0"}


def discovery(services: Iterable[Mapping[str, Any]], profile: str = "2.0") -> dict[str, Any]:
    """The body of ``GET /cds-services`` for clients of a profile.

    Each service gives ``id``, ``hook``, ``title``, ``description``, ``prefetch`` and maybe ``usageRequirements``.
    Members that only 3.0 defines go to clients of 3.0 only, so that a strict 2.0 client is served too (V-03).
    """
    more = _ONLY_IN_3_0 if profile == "3.0" else {}
    return {"services": [{key: value for key, value in service.items() if value} | more for service in services]}
