"""Calls of services and feedback answered without Flask, which costs more than many an answer.

They go the way that Flask's views go, through the same functions. Whatever has another form than nearly every call has,
such as another path that Flask takes for the same route, goes on to Flask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from cds_service.service.environ import Environ
from cds_service.service.errors import Errors
from cds_service.service.incoming import Incoming
from cds_service.service.passage import Passage
from cds_service.service.step_by_step import Steps, reply_here

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
"""An application of WSGI (PEP 3333)."""

_PLAIN = re.compile(r"/cds-services/([A-Za-z0-9._-]+)(/feedback)?")
_STATUS_LINES = {status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()}


def plain_call(method: str, path: str) -> tuple[str, str]:
    """The endpoint that a request is for, if it is one of those here, and what its path has for the id of a service.

    Two empty texts if it is for another endpoint, or written in another way.
    """
    found = _PLAIN.fullmatch(path) if method == "POST" else None
    if found is None:
        return "", ""
    return "take_feedback" if found[2] else "call_service", found[1]


class DirectCalls:
    """Stands before ``others``, the application that answers all else.

    ``routes`` answer a request by the name of its endpoint, ``call_service`` and ``take_feedback``; ``is_service`` says
    whether there is a service of an id.
    """

    def __init__(
        self,
        others: Application,
        routes: Mapping[str, Callable[[Incoming], Steps]],
        is_service: Callable[[str], bool],
        passage: Passage,
        errors: Errors,
    ) -> None:
        self._others, self._routes, self._is_service = others, routes, is_service
        self._passage, self._errors = passage, errors

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request (PEP 3333)."""
        if (steps := self.begin(environ)) is None:
            return self._others(environ, start_response)
        reply = reply_here(steps)
        start_response(_STATUS_LINES[reply.status], reply.headers.to_wsgi_list())
        return [reply.body]

    def begin(self, environ: Environ) -> Steps | None:
        """The steps that answer one request; ``None`` if it is one for the others."""
        path = environ["PATH_INFO"]
        endpoint, service_id = plain_call(environ["REQUEST_METHOD"], path)
        if not endpoint or environ.get("SCRIPT_NAME") or not self._is_service(service_id):
            return None
        return self._answered(Incoming(environ, path, endpoint, service_id))

    def _answered(self, incoming: Incoming) -> Steps:
        try:
            try:
                self._passage.enter(incoming)
                reply = yield from self._routes[incoming.endpoint](incoming)
            except Exception as error:
                reply = self._errors.reply(error)
            self._passage.leave(incoming, reply.status, reply.headers)
        except Exception as error:  # what comes after an answer failed: a defect, and not for the caller to see
            reply = self._errors.reply(error)
        return reply
