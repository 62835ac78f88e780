"""What passes between the chart, which needs searches, and whoever fetches them from a FHIR server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from cds_service.vocabulary.declarations import Search


class FetchProblem(StrEnum):
    """Why something could not be fetched. The values are keys of the ``reasons`` texts of the content."""

    NOT_ALLOWED = "fetchNotAllowed"
    REFUSED = "fetchRefused"
    TOO_LATE = "fetchTooLate"
    FAILED = "fetchFailed"


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """The base URL of the FHIR server that a request names, and the access token that it lends (FA-03).

    Both serve that request only. ``token`` is ``""`` if none was lent.
    """

    server: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of one search.

    ``raw`` is the JSON of a resource, or of one Bundle with all pages that were read; ``None`` if nothing could be
    fetched, and then ``problem`` says why.
    """

    raw: msgspec.Raw | None = None
    problem: FetchProblem = FetchProblem.FAILED


@dataclass(frozen=True, slots=True)
class SearchReport:
    """How one search at a FHIR server went, for traces. It holds no path, no query and nothing that was fetched.

    ``began`` and ``ended`` are nanoseconds since 1970. ``pages`` is how many pages were read. ``status`` is the HTTP
    status of the last answer, ``None`` if there was no answer. ``problem`` is the kind of failure that ended the
    search, as in the log, ``""`` if it ended well. ``outcome`` is ``"read"`` or a ``FetchProblem``.
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
    """Fetches searches about one patient, all at once and within a time budget."""

    def __call__(
        self,
        access: FhirAccess,
        searches: Sequence[Search],
        patient_id: str,
        *,
        further: bool = False,
        urgent: Collection[str] = (),
    ) -> Mapping[str, Fetched]:
        """A result for the key of every search, whatever happens.

        Of searches that return the newest results first only the first page is read, unless ``further`` is true;
        of all others every page is read, within the limits. Those whose key is ``urgent`` are sent ahead of the others.
        """
