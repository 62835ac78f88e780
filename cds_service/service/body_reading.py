"""Reads bodies of requests from their connections, each within a deadline and only so much of large ones together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from granian.rsgi import ProtocolClosed, ProtocolError

from cds_service.protocol.encodings import grown_size
from cds_service.protocol.faults import Fault
from cds_service.service.environ import Environ

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol

LARGE_BYTES = 256_000  # what few calls reach
_BODY_SECONDS = 10.0
_MOST_HELD_BYTES = 64_000_000
# Of a body that nobody reads: more than a proxy hands on that has all of it before it begins.
_MOST_DROPPED_BYTES, _DROP_SECONDS = 32_000_000, 5.0


class BodyRoom:
    """How many bytes of large bodies are held now, by all requests of this process together."""

    def __init__(self) -> None:
        self._held = 0

    def take(self, size: int) -> None:
        """Makes room for so many bytes more.

        Raises:
            Fault: 503, there is none.
        """
        if self._held + size > _MOST_HELD_BYTES:
            raise Fault(503, "transient", "too many large calls at once; call again later")
        self._held += size

    def give_back(self, size: int) -> None:
        """They are held no longer."""
        self._held -= size


class IncomingBody:
    """The body of one request, on its connection. ``is_unread`` says whether there is any that was not read."""

    def __init__(self, proto: HTTPProtocol, environ: Environ, room: BodyRoom) -> None:
        self._proto, self._room = proto, room
        self._chunks = _chunks_of(proto)
        length = environ.get("CONTENT_LENGTH")
        self._length = int(length) if length is not None else None
        self._encoding = environ.get("HTTP_CONTENT_ENCODING", "")
        self._taken = 0
        self._body = b""
        self.is_unread = bool(self._length) or "HTTP_TRANSFER_ENCODING" in environ
        self._is_given_up = False

    async def read(self, limit: int) -> bytes:
        """The whole body; of one that is longer than ``limit`` bytes either nothing or more than ``limit`` of it.

        Raises:
            Fault: 408 if it does not arrive in time, 400 if it ends too early, 503 if there is no room for it.
        """
        if not self.is_unread or (self._length or 0) > limit:
            return b""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                if self._length is not None:
                    self._hold(self._length)
                    self._body = await self._proto()
                else:
                    self._body = await self._read_chunks(limit)
        except TimeoutError:
            self._is_given_up = True
            raise Fault(408, "timeout", f"the body did not arrive within {_BODY_SECONDS:.0f} seconds") from None
        except (ProtocolClosed, ProtocolError):
            self._is_given_up = True
            raise Fault(400, "structure", "the body was not sent whole") from None
        self.is_unread = len(self._body) > limit
        return self._body

    async def drop(self) -> None:
        """Reads what was left unread, when the answer has been sent, and keeps nothing of it.

        Whoever is still sending would otherwise meet a closed connection and might never see the answer, and a proxy
        would hold the service for dead and keep other callers from it. It ends after so many bytes or seconds; a body
        that was waited for in vain is not waited for again.
        """
        if not self.is_unread or self._is_given_up:
            return
        dropped = 0
        with suppress(TimeoutError, ProtocolClosed, ProtocolError):
            async with asyncio.timeout(_DROP_SECONDS):
                async for chunk in self._chunks:
                    dropped += len(chunk)
                    if dropped > _MOST_DROPPED_BYTES:
                        break

    @property
    def is_large(self) -> bool:
        """Whether what was read, or what it says that it grows to, is more than few calls have."""
        return grown_size(self._body, self._encoding) > LARGE_BYTES

    def release(self) -> None:
        """Nothing of it is needed any more."""
        self._room.give_back(self._taken)
        self._taken = 0

    async def _read_chunks(self, limit: int) -> bytes:
        chunks, size = [], 0
        async for chunk in self._chunks:
            chunks.append(chunk)
            size += len(chunk)
            self._hold(size)
            if size > limit:
                break
        return b"".join(chunks)

    def _hold(self, size: int) -> None:
        """Takes room for a body of this size, as far as it was not taken before."""
        if size > LARGE_BYTES:
            self._room.take(size - self._taken)
            self._taken = size


async def _chunks_of(proto: HTTPProtocol) -> AsyncIterator[bytes]:
    """The parts of a body as they arrive; reading can stop and go on."""
    async for chunk in proto:
        yield chunk
