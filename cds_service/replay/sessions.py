"""Connections to the servers that are replayed against, and in words why one cannot be used."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

TIMEOUT_SECONDS = 10.0


class UnreachableError(Exception):
    """A server cannot be used. The message names its URL; ``status`` is that of its answer, 0 if it gave none."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


def steady_session() -> requests.Session:
    """A session that meets broken connections: a call is sent again once if that does no harm (Z89).

    That is where nothing was sent yet, and else where the method is idempotent (RFC 9110, 9.2.2), so never for a POST
    that may have arrived.
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=1))
    return session


def no_answer(error: requests.RequestException) -> str:
    """What failed, in words: where, and how."""
    where = error.request.url if error.request is not None else "a server"
    if isinstance(error, requests.Timeout):
        return f"{where} does not answer within {TIMEOUT_SECONDS:.0f} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return f"{where} does not answer: its certificate is not trusted, or it speaks no TLS"
    if isinstance(error, requests.ConnectionError):
        return f"{where} does not answer: nobody listens there, or the connection broke"
    return f"{where} does not answer: {type(error).__name__}"


def discovered(session: requests.Session, base: str, ours: Container[str] = ()) -> dict[str, Mapping[str, Any]]:
    """The services that discovery at ``base`` names, by their hooks; of several for one hook one of ``ours``, by its
    id.

    Raises:
        UnreachableError: discovery cannot be read.
    """
    try:
        reply = session.get(base, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise UnreachableError(no_answer(error)) from None
    if not reply.ok:
        raise UnreachableError(f"{base} answers with status {reply.status_code}", reply.status_code)
    try:
        services = [{**service, "id": service["id"], "hook": service["hook"]} for service in reply.json()["services"]]
    except (ValueError, KeyError, TypeError):
        text = f"{base} does not answer as discovery of a CDS service does"
        raise UnreachableError(text, reply.status_code) from None
    return {service["hook"]: service for service in sorted(services, key=lambda service: service["id"] in ours)}
