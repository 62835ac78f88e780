"""One request, and what the service has found out about it so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.recording.exchange import Exchange
from cds_service.service.environ import Environ
from cds_service.service.logs import request_id_of
from cds_service.trust.clients import Client

if TYPE_CHECKING:
    from cds_service.trust.verifier import Admission

DISCOVERY = "/cds-services"


@dataclass(slots=True)
class Incoming:
    """A request from its arrival to its answer, whether Flask answers it or ``DirectCalls``.

    ``environ`` is its environment (WSGI), ``path`` what it asks for, ``endpoint`` the route that answers, ``""`` if
    there is none, and ``service_id`` what stands in its path for the id of a service. ``client`` is whose call it is;
    ``Gate.name_caller`` says so first.

    What is noted on the way: ``outcome`` goes to log and audit, ``people`` (ids of patient and user) to the audit
    alone. ``began`` is a reading of ``time.perf_counter``, in seconds. ``is_replay`` says that nobody sees the cards
    (Z85). ``exchange`` is what a recorder may keep, ``admission`` what the token said.
    """

    environ: Environ
    path: str
    endpoint: str
    service_id: str | None
    client: Client = field(init=False)
    admission: Admission | None = None
    exchange: Exchange | None = None
    is_replay: bool = False
    began: float = field(default_factory=time.perf_counter)
    request_id: str = ""
    outcome: dict[str, Any] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.request_id = request_id_of(self.header("X-Request-ID"))

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def is_for_service(self) -> bool:
        """Whether its path is of discovery, a service or feedback."""
        return is_service(self.path)

    def header(self, name: str) -> str | None:
        """The value of one of its headers, but not of ``Content-Type`` and ``Content-Length``."""
        value = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return None if value is None else str(value)


def is_service(path: str) -> bool:
    """Whether a path is of discovery, a service or feedback, or would be if there were such a service."""
    return path == DISCOVERY or path.startswith(f"{DISCOVERY}/")
