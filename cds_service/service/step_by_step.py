"""An answer that is made step by step, so that what waits or takes long can be done elsewhere than the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import copy_context
from functools import partial
from typing import Any

import msgspec

from cds_service.service.reply import Reply


class NotBriefError(BaseException):
    """Raised within work that would wait or take long; no handler of ``Exception`` takes it for its own."""


class Work(msgspec.Struct, frozen=True):
    """Something that may wait or take long, which ``do`` does.

    ``do_briefly`` does the same where that neither waits nor takes long. It raises ``NotBriefError`` where it would,
    and has changed nothing then.
    """

    do: Callable[[], Any]
    do_briefly: Callable[[], Any] | None = None


Steps = Generator[Work, Any, Reply]
"""Hands out each ``Work`` and is sent what came of it, or has thrown into it what that raised; returns the reply."""


def reply_here(steps: Steps) -> Reply:
    """The reply, with all work done by this thread."""
    try:
        work = next(steps)
        while True:
            try:
                found = work.do()
            except Exception as error:
                work = steps.throw(error)
            else:
                work = steps.send(found)
    except StopIteration as end:
        return _returned(end)


async def reply_on_loop(steps: Steps, elsewhere: Callable[[Callable[[], Any]], Awaitable[Any]]) -> Reply:
    """The reply, with no work done on the event loop but what is brief; ``elsewhere`` has a thread do the rest."""
    try:
        work = next(steps)
        while True:
            try:
                found = await _done(work, elsewhere)
            except Exception as error:
                work = steps.throw(error)
            else:
                work = steps.send(found)
    except StopIteration as end:
        return _returned(end)


async def _done(work: Work, elsewhere: Callable[[Callable[[], Any]], Awaitable[Any]]) -> Any:
    if work.do_briefly is not None:
        try:
            return work.do_briefly()
        except NotBriefError:
            pass
    # What is known of the present request, such as its id, is known in the thread as well.
    return await elsewhere(partial(copy_context().run, work.do))


def _returned(end: StopIteration) -> Reply:
    reply: Reply = end.value
    return reply
