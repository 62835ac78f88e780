"""One call as the recorder takes it. Imports the declarations it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from cds_service.content.model import Service
from cds_service.protocol.profiles import Profile


@dataclass(slots=True)
class Heard:
    """Who was asked what and when. ``fetched`` is what its FHIR server gave for keys that were not prefetched."""

    service: Service
    body: bytes
    now: datetime
    profile: Profile
    fetched: Mapping[str, msgspec.Raw] = field(default_factory=dict)
