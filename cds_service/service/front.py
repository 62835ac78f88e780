"""The way of a request from Granian to its answer: who calls is found out, then the body is read, then it is answered.

No thread waits for a connection. A caller that is slow, silent or refused costs a connection and no more. A usual call
is answered where it came in: the interpreter runs one thread at a time, so that another would only add what it takes to
hand the call over and back. What waits or takes long is done by threads, and so is whatever Flask answers; requests of
one kind wait only for their like.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from flask import Flask
from granian.rsgi import ProtocolClosed
from werkzeug.exceptions import HTTPException

from cds_service.protocol.faults import Fault
from cds_service.service.body_reading import BodyRoom, IncomingBody
from cds_service.service.direct_calls import plain_call
from cds_service.service.environ import FAULT, Answered, Environ, answer_of, environ_of, refuse_malformed
from cds_service.service.gate import ADMISSION, Gate, is_put_off
from cds_service.service.incoming import is_service
from cds_service.service.lanes import LaneFullError, ThreadLane
from cds_service.service.step_by_step import Steps, reply_on_loop

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope

T = TypeVar("T")

_AT_ONCE = "alive"  # the endpoint that never waits for a thread
# While the keys of a client are being read, so many other callers wait for that, without a thread, for so long.
_MOST_WAITING, _KEYS_SECONDS, _ASK_AGAIN_SECONDS = 256, 2.0, 0.1
_START_SECONDS = 1.0  # so long a worker waits for the keys of clients before it answers


class Front:
    """What Granian calls for each request, by its interface RSGI.

    ``begin`` gives the steps that answer a request of ``call_service`` or ``take_feedback``, ``None`` where ``app``
    answers. ``limit`` is the most bytes that are read of a body; ``limits`` are those of single endpoints of Flask.
    https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
    """

    def __init__(
        self, app: Flask, begin: Callable[[Environ], Steps | None], gate: Gate, limit: int, limits: Mapping[str, int]
    ) -> None:
        self._app, self._begin, self._gate, self._limit, self._limits = app, begin, gate, limit, limits
        self._routes = app.url_map.bind("")
        self._room = BodyRoom()
        self._waiting = 0  # callers that wait for keys
        self._callers = ThreadLane("callers", threads=2)
        self._lanes = {
            # Evaluation keeps the processor busy: more threads than this would only wait for the interpreter.
            "call_service": ThreadLane("calls", threads=4),
            "take_feedback": ThreadLane("feedback", threads=2),
            "list_services": ThreadLane("discovery", threads=1),
        }
        self._large_calls = ThreadLane("large calls", threads=1)
        self._pages = ThreadLane("pages", threads=2)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before a worker answers: after one died, all of its callers come at once, and none should be put off."""
        self._gate.read_ahead(_START_SECONDS)

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answers one request."""
        environ = environ_of(scope)
        endpoint = self._endpoint(scope)
        body = IncomingBody(proto, environ, self._room)
        try:
            refuse_malformed(environ)
            if scope.method == "POST" and endpoint and await self._lets_in(environ, scope.path):
                environ["wsgi.input"] = io.BytesIO(await body.read(self._limits.get(endpoint, self._limit)))
        except Fault as fault:
            environ[FAULT] = fault
        answered = await self._answered(environ, endpoint, body)
        body.release()
        if not body.is_unread:
            proto.response_bytes(answered.status, answered.headers, answered.body)
            return
        stream = proto.response_stream(answered.status, [*answered.headers, ("connection", "close")])
        with suppress(ProtocolClosed):  # the caller has gone
            await stream.send_bytes(answered.body)
        await body.drop()

    def _endpoint(self, scope: Scope) -> str:
        """The endpoint that answers the request, ``""`` if there is none."""
        if (plain := plain_call(scope.method, scope.path)[0]) != "":
            return plain
        try:
            endpoint, _ = self._routes.match(scope.path, scope.method)
        except HTTPException:
            return ""
        return str(endpoint)

    async def _lets_in(self, environ: Environ, path: str) -> bool:
        """Whether the caller may go on; who it is, or why it is refused, is left in ``environ`` for Flask.

        Raises:
            Fault: 503, too many callers wait to be told apart.
        """
        if not (self._gate.is_guarded and is_service(path)):
            return self._gate.is_named_by(environ.get("HTTP_HOST", ""))
        judge = partial(self._gate.judge, environ.get("HTTP_AUTHORIZATION"), path)
        admission = judge(may_wait=False)
        if is_put_off(admission):
            admission = await self._judged_when_keys_are_read(judge)
        environ[ADMISSION] = admission
        return not isinstance(admission, Exception)

    async def _judged_when_keys_are_read(self, judge: Callable[[], T]) -> T:
        """What ``judge`` says once the keys of the client were read, or when that takes too long.

        Raises:
            Fault: 503, too many callers wait for keys.
        """
        ends = time.monotonic() + _KEYS_SECONDS
        try:
            admission = await self._callers.run(judge)
            while is_put_off(admission) and self._waiting < _MOST_WAITING and time.monotonic() < ends:
                self._waiting += 1
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
                self._waiting -= 1
                admission = await self._callers.run(judge)
        except LaneFullError:
            raise _too_many_wait() from None
        return admission

    async def _answered(self, environ: Environ, endpoint: str, body: IncomingBody) -> Answered:
        answer = partial(answer_of, self._app, environ)
        if FAULT in environ or endpoint == _AT_ONCE:
            return answer()
        if not body.is_large and (steps := self._begin(environ)) is not None:
            reply = await reply_on_loop(steps, partial(self._elsewhere, endpoint))
            return Answered.of(reply)
        lane = self._lanes.get(endpoint, self._pages)
        if endpoint == "call_service" and body.is_large:
            lane = self._large_calls
        try:
            return await lane.run(answer)
        except LaneFullError:
            environ[FAULT] = _too_many_wait()
            return answer()

    async def _elsewhere(self, endpoint: str, work: Callable[[], T]) -> T:
        """What a thread of the endpoint's lane returns for ``work``.

        Raises:
            Fault: 503, too many wait for one.
            Exception: as ``work``.
        """
        try:
            return await self._lanes[endpoint].run(work)
        except LaneFullError:
            raise _too_many_wait() from None


def _too_many_wait() -> Fault:
    return Fault(503, "transient", "too many calls wait; call again later")
