"""What browsers and proxies may keep of an answer, and take it for (Z93)."""

from __future__ import annotations

from flask import Response, request

from cds_service.service.incoming import Incoming
from cds_service.service.reply import AnyHeaders


def keep_from_caches(incoming: Incoming, headers: AnyHeaders) -> None:
    """Adds the headers by which answers of services, errors too, are stored nowhere and taken for nothing but JSON.

    An answer that has a ``Cache-Control`` of its own keeps it.
    """
    if incoming.is_for_service:
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"


def revalidated(response: Response) -> Response:
    """An answer that may be stored, and must be asked for again before it is used: 304 without a body if the caller has
    this very one already (RFC 9110, 13.1.2).
    """
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response
