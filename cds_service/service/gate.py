"""The gate of the service: which clients are let in, by which names, and which browsers may call from other pages.

A caller is judged before the body is read. What checks tokens is imported only where clients are configured.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cds_service.net.addresses import is_loopback_authority
from cds_service.protocol.faults import Fault
from cds_service.protocol.headers import REPLAY
from cds_service.service.bounded_warnings import BoundedWarnings
from cds_service.service.incoming import DISCOVERY, Incoming
from cds_service.service.reply import AnyHeaders
from cds_service.settings import Settings
from cds_service.store.database import StoreDown
from cds_service.store.used_tokens import UsedTokensInDatabase
from cds_service.trust.clients import Client, Clients, read_clients
from cds_service.vocabulary.problems import ProblemsError

if TYPE_CHECKING:
    from cds_service.trust.keysets import KeySetBusyError
    from cds_service.trust.tokens import RefusedError
    from cds_service.trust.verifier import Admission, Verifier

ADMISSION = "cds_service.admission"
"""Where the environment of a request may hold what ``Gate.judge`` said of its caller, before Flask got it."""

_log = logging.getLogger("cds_service")
_LONGEST_LOGGED = 120  # characters of a claim
# The clients that were read last, by what was asked: a worker that is forked finds those of its parent.
_inherited: dict[tuple[Path, str, int], Clients] = {}
_ONLY_THIS_MACHINE = (
    "without clients only calls to 127.0.0.1, localhost or [::1] are answered; CDS_SERVICE_CLIENTS names who may call, "
    "and CDS_SERVICE_INSECURE=1 (serve --insecure) lets in anybody, by any name"
)


class Gate:
    """Lets configured clients in; anybody, with any token or none, while no clients are configured (SEC-20).

    ``on_refusal`` gets the reason of every refusal, one of few fixed words.

    Raises:
        ProblemsError: the file of clients cannot be used; with file and line.
    """

    def __init__(
        self,
        settings: Settings,
        services: Collection[str],
        templates: Collection[str],
        on_refusal: Callable[[str], None],
        *,
        are_all: bool = True,
    ) -> None:
        self._open_discovery = settings.open_discovery
        self._for_any_host = settings.clients is not None or settings.insecure
        self._anybody = Client(profile=settings.default_profile, fhir_budget_ms=settings.fhir_budget_ms)
        self._on_refusal = on_refusal
        self._refusals = BoundedWarnings(_log)
        self.clients, self._verifier = clients_of(settings, services, templates, are_all=are_all), None
        if self.clients is not None:
            self._verifier = _verifier_of(settings, self.clients)
        self._is_first = True

    @property
    def is_guarded(self) -> bool:
        """Whether only configured clients may call."""
        return self._verifier is not None

    @property
    def remembers_tokens(self) -> bool:
        """Whether it is remembered which call a token was used for."""
        return self._verifier is not None and self._verifier.remembers_tokens

    def judge(
        self, authorization: str | None, path: str, *, may_wait: bool = True
    ) -> Admission | RefusedError | KeySetBusyError | None:
        """What the token in an ``Authorization`` header says of who calls ``path``, ``None`` while no clients are
        configured.

        Keys that have to be read for it are waited for, if that ``may_wait``.
        """
        if self._verifier is None:
            return None
        from cds_service.trust.keysets import KeySetBusyError
        from cds_service.trust.tokens import RefusedError

        try:
            return self._verifier.verify(authorization, path, may_wait=may_wait)
        except (RefusedError, KeySetBusyError) as refused:
            return refused

    def read_ahead(self, seconds: float) -> None:
        """Reads the keys of all clients before anybody calls, in the process that answers; waits so long at most."""
        if self._verifier is not None:
            self._is_first = False
            self._verifier.read_ahead(seconds)

    def is_named_by(self, host: str) -> bool:
        """Whether a call with this ``Host`` may be meant for this service (Z83)."""
        return self._for_any_host or is_loopback_authority(host)

    def name_caller(self, incoming: Incoming) -> None:
        """Notes the client whose call it is, as far as that is known without asking anybody."""
        incoming.client = getattr(incoming.environ.get(ADMISSION), "client", self._anybody)

    def enter(self, incoming: Incoming) -> None:
        """Before a request: finds out who calls, and notes it.

        Requests for paths or methods that do not exist pass, so that they get their 404 or 405.

        Without clients only this machine is let in, by a name that it has for itself: a call that came through a proxy,
        or from a page whose name was made to stand for a loopback address (DNS rebinding), has another ``Host`` (Z83).

        Raises:
            Fault: 421 for such a call, whatever its path; 401 without a token that is in order, 403 for a service that
                this client may not call; 503 while the keys of the client are being read and another call waits for
                that: the key may be a new one of an honest client, which calls again.
        """
        if not self.is_named_by(incoming.header("Host") or ""):
            self._on_refusal("host")
            raise Fault(421, "forbidden", _ONLY_THIS_MACHINE)
        if self._verifier is not None and self._is_first:  # whatever it is, a probe of health too
            self._is_first = False
            self._verifier.read_ahead()
        if self._verifier is None or not incoming.endpoint or incoming.method == "OPTIONS":
            return
        if not incoming.is_for_service or (self._open_discovery and incoming.path.rstrip("/") == DISCOVERY):
            return
        found = incoming.environ.get(ADMISSION) or self.judge(incoming.header("Authorization"), incoming.path)
        if found is None or isinstance(found, Exception):
            self._turn_away(found)
        incoming.admission = found
        incoming.client = found.client
        if incoming.service_id is not None and not found.client.may_call(incoming.service_id):
            self._on_refusal("service")
            raise Fault(403, "forbidden", "this client may not call this service")

    def is_replay(self, incoming: Incoming) -> bool:
        """Whether this call says that it is a replay, at a service that anybody may call (Z85). Where clients are
        configured nobody can keep cards that were shown out of the counts.
        """
        return self.clients is None and incoming.header(REPLAY) is not None

    def claim_token(self, incoming: Incoming, body: bytes) -> None:
        """Marks the token of this request as used for ``body``; a token serves one call and its retries (Z28).

        Raises:
            Fault: 401 if the token was used for another call, 503 if the database that knows is down.
        """
        if self._verifier is None or incoming.admission is None:
            return
        from cds_service.trust.tokens import RefusedError

        try:
            self._verifier.use(incoming.admission, incoming.path, body)
        except RefusedError as error:
            self._refuse(error)
        except StoreDown:
            raise Fault(503, "transient", "the caller cannot be checked now; call again later") from None

    def allow_browsers(self, incoming: Incoming, headers: AnyHeaders) -> None:
        """Adds the CORS headers for browser clients to answers of services, errors too (SEC-18, SEC-19, Z26)."""
        if not incoming.is_for_service:
            return
        if self.clients is None:
            headers["Access-Control-Allow-Origin"] = "*"
        else:
            headers["Vary"] = "Origin"
            origin = incoming.header("Origin")
            if origin is None or origin not in self.clients.origins:
                return
            headers["Access-Control-Allow-Origin"] = origin
        if incoming.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "GET, POST")
            headers["Access-Control-Allow-Headers"] = "authorization, content-type"
            headers["Access-Control-Max-Age"] = "600"

    def _turn_away(self, error: Exception | None) -> NoReturn:
        """Answers a call without a valid token, or one whose token cannot be checked at this moment.

        Raises:
            Fault: 401 or 503, always.
        """
        if not is_put_off(error):
            self._refuse(error)
        self._on_refusal("key set busy")
        self._refusals.warn("a call was put off: the key set of its client is being read")
        raise Fault(503, "transient", "the caller cannot be checked now; call again later")

    def _refuse(self, error: Exception | None) -> NoReturn:
        """Gives the same answer whatever was wrong; the log says what it was, without the token (SEC-16, ERR-04).

        Raises:
            Fault: 401, always.
        """
        reason, claims = getattr(error, "reason", ""), getattr(error, "claims", {})
        self._on_refusal(reason)
        names = [name for name in ("iss", "tenant", "jti") if isinstance(claims.get(name), str)]
        told = [f"{name} {json.dumps(claims[name][:_LONGEST_LOGGED])}" for name in names]
        if expected := getattr(error, "expected", ""):
            told.append(expected)
        self._refusals.warn(f"a call was refused: {reason}" + (f" ({', '.join(told)})" if told else ""))
        raise Fault(401, "login", "a valid token of a client that may call is needed")


def is_put_off(admission: object) -> bool:
    """Whether what ``Gate.judge`` said is that nobody can tell yet, because the keys of the client are being read."""
    from cds_service.trust.keysets import KeySetBusyError

    return isinstance(admission, KeySetBusyError)


def clients_of(
    settings: Settings, services: Collection[str], templates: Collection[str], *, are_all: bool = True
) -> Clients | None:
    """The configured clients, ``None`` if there are none.

    They may name ``services`` and ``templates`` only; anything unless ``are_all``: a pack that cannot be served just
    now may have what they name.

    A worker that takes the place of a dead one goes on with the clients of its parent if their file is broken now.

    Raises:
        ProblemsError: the file cannot be used; with file and line.
    """
    if settings.clients is None:
        return None
    asked = (settings.clients, settings.default_profile, settings.fhir_budget_ms)
    try:
        clients = read_clients(*asked)
        if are_all:
            clients.refuse_unknown(services, templates)
    except ProblemsError as error:
        if asked not in _inherited:
            raise
        _log.error("the clients were refused, the old ones go on: %s", error.problems[0])
        return _inherited[asked]
    _inherited[asked] = clients
    return clients


def _verifier_of(settings: Settings, clients: Clients) -> Verifier:
    from cds_service.trust.keysets import KeySetLimits
    from cds_service.trust.replay_protection import UsedTokens, UsedTokensInMemory
    from cds_service.trust.token_journal import TokenJournal
    from cds_service.trust.verifier import TokenTimes, Verifier

    used_tokens: UsedTokens | None = None
    if settings.replay_protection:
        in_database = settings.replay_store == "database"
        journal = TokenJournal(settings.state / "used-tokens")
        used_tokens = UsedTokensInDatabase(settings.store) if in_database else UsedTokensInMemory(journal=journal)
    return Verifier(
        clients,
        used_tokens=used_tokens,
        times=TokenTimes(settings.token_leeway_seconds, settings.token_life_seconds),
        limits=KeySetLimits(fresh=settings.key_set_seconds),
        loopback=settings.loopback,
    )
