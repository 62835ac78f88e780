"""A bound on the processor time of one call, whatever it is that takes so long.

A thread looks at the clocks of the threads that answer calls, and raises ``SpentError`` in one that has had its share.
What reads and judges a request changes nothing but what is its own, so that it can be stopped at any place; where
something shared is used, as in asking FHIR servers, it is not stopped.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cds_service.protocol.faults import Fault
from cds_service.service.step_by_step import NotBriefError

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_EVERY_SECONDS = 0.05
_BRIEF_SECONDS = 0.02  # several times what a usual call takes
_TELL_AGAIN_SECONDS = 1.0  # what is raised where Python collects garbage, as in a finalizer, is lost


class SpentError(BaseException):
    """Raised within a call that has had its processor time; no handler of ``Exception`` takes it for its own."""


class Call:
    """One call, which is answered by the thread that makes this, with so many ``seconds`` of processor time.

    While it is ``armed`` it may be stopped. The thread that watches sets ``aiming`` before it looks at ``armed``, and
    the call's own thread looks at ``aiming`` after it has changed ``armed``, so that it is never stopped elsewhere.
    """

    __slots__ = ("_clock", "_ends", "_next", "aiming", "armed", "fired", "thread")

    def __init__(self, seconds: float) -> None:
        self.thread = threading.get_ident()
        self._clock = _processor_clock(self.thread)
        self._ends = time.clock_gettime(self._clock) + seconds
        self._next = 0.0
        self.armed = self.aiming = self.fired = False

    def stop_if_spent(self) -> None:
        """In the thread that watches."""
        if time.monotonic() < self._next or time.clock_gettime(self._clock) < self._ends:
            return
        self.aiming = True
        if self.armed:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(SpentError))
            self.fired, self._next = True, time.monotonic() + _TELL_AGAIN_SECONDS
        self.aiming = False

    def disarm(self) -> None:
        """In the call's own thread: when this returns, it is not stopped any more.

        Raises:
            SpentError: it was just being stopped.
        """
        self.armed = False
        while self.aiming:
            time.sleep(0)
        if self.fired:
            time.sleep(0)  # what was raised from without is noticed between two steps, so there must be one

    def unstopped(self, work: Callable[P, T]) -> Callable[P, T]:
        """``work``, not to be stopped within."""

        def whole(*args: P.args, **kwargs: P.kwargs) -> T:
            self.disarm()
            try:
                return work(*args, **kwargs)
            finally:
                self.armed = True

        return whole


class ProcessorTime:
    """Gives each call ``seconds`` of processor time. It may be used from many threads, and after a fork."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: dict[int, Call] = {}
        self._starting = threading.Lock()
        self._watcher: threading.Thread | None = None
        self._any = threading.Event()

    def bounded(self, work: Callable[[Call], T]) -> T:
        """What ``work`` returns. It is given the call, to say by ``Call.unstopped`` where it must not be stopped.

        Raises:
            Fault: 503, its processor time was spent before it was done.
            Exception: as ``work``.
        """
        try:
            return self._within(self._seconds, work)
        except SpentError:
            raise Fault(503, "too-costly", "the call took more processor time than one may take") from None

    def brief(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, if it takes no longer than one may hold up whatever else its thread does.

        Raises:
            NotBriefError: it takes longer, and was stopped.
            Exception: as ``work``.
        """
        try:
            return self._within(min(_BRIEF_SECONDS, self._seconds), lambda _: work())
        except SpentError:
            raise NotBriefError from None

    def _within(self, seconds: float, work: Callable[[Call], T]) -> T:
        """What ``work`` returns.

        Raises:
            SpentError: its processor time was spent before it was done.
            Exception: as ``work``.
        """
        call = Call(seconds)
        try:
            self._calls[call.thread] = call
            self._watch()
            try:
                call.armed = True
                return work(call)
            finally:
                call.disarm()
        finally:
            call.armed = False
            self._calls.pop(call.thread, None)

    def _watch(self) -> None:
        """Starts the thread at the first call and not before: a thread does not survive a fork of its process."""
        if not self._any.is_set():
            self._any.set()
        if self._watcher is None or not self._watcher.is_alive():
            with self._starting:
                if self._watcher is None or not self._watcher.is_alive():
                    self._watcher = threading.Thread(target=self._look, name="processor time", daemon=True)
                    self._watcher.start()

    def _look(self) -> None:
        """In the thread that watches. While calls follow each other closely none has to wake it."""
        while True:
            self._any.wait()
            time.sleep(_LOOK_EVERY_SECONDS)
            for call in list(self._calls.values()):
                call.stop_if_spent()
            if not self._calls:
                self._any.clear()
                if self._calls:  # one that began meanwhile, and found that it was set
                    self._any.set()


def _processor_clock(thread: int) -> int:
    """The clock of a thread's processor time; that of all time where there is none, as on macOS."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return int(clock_of(thread)) if clock_of is not None else time.CLOCK_MONOTONIC
