"""One call as the recorder takes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from cds_service.content.model import Service
from cds_service.protocol.profiles import Profile


class Exchange(msgspec.Struct):
    """A request to a service at ``now``, and what was fetched for it.

    ``body`` is the request as it came, ``fetched`` what a FHIR server gave for prefetch keys that the client left out,
    by key.
    """

    service: Service
    body: bytes
    now: datetime
    profile: Profile
    fetched: Mapping[str, msgspec.Raw] = {}
