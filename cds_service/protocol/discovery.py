"""Discovery: what the services are and what they ask to be prefetched (D-01 to D-11). Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def discovery(services: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The body of ``GET /cds-services``.

    Each service gives ``id``, ``hook``, ``title``, ``description``, ``prefetch`` and maybe ``usageRequirements``.
    Members that only 3.0 defines are left out, so that a strict 2.0 client is served too (D-09, section 12).
    """
    return {"services": [{key: value for key, value in service.items() if value} for service in services]}
