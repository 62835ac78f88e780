"""What passes between the chart and whoever fetches for it. Imports the shared vocabulary only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from cds_service.vocabulary.declarations import Search


class Why(StrEnum):
    """Why something could not be fetched: keys of the pack's ``reasons`` texts."""

    NOT_ALLOWED = "fetchNotAllowed"
    REFUSED = "fetchRefused"
    TOO_LATE = "fetchTooLate"
    FAILED = "fetchFailed"


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """The server that a call names and the token it lends for it, for the time of this call only (FA-03)."""

    server: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a search brought: the JSON of a resource or of a Bundle of all pages read, or why there is none."""

    raw: msgspec.Raw | None = None
    why: Why = Why.FAILED


@dataclass(frozen=True, slots=True)
class Queried:
    """How one search at a server went, for whoever watches; of its URL only the host, of what was read nothing.

    Times are nanoseconds since 1970. ``status`` is that of the last answer, ``None`` without one; ``problem`` is the
    kind of failure that ended it, ``""`` if none did.
    """

    search: Search
    host: str
    port: int
    began: int
    ended: int
    pages: int
    status: int | None
    problem: str
    outcome: str


class Fetch(Protocol):
    """Fetches searches of one patient, all at once; an answer for every key, whatever happens, and in time."""

    def __call__(
        self, access: FhirAccess, searches: Sequence[Search], patient_id: str, *, further: bool = False
    ) -> Mapping[str, Fetched]:
        """With ``further`` all pages of results that come newest first, otherwise only the first page of those."""
