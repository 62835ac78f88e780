"""A comparison of two contents in a process of its own, so that no call waits for it: a proof, then the impact.

The child is ``comparing``, run by ``python -m`` (as in ``prove``). It is asked on its standard input and says on its
standard output how far it is and at last what came of it, a line of JSON each time. It is ended after
``LONGEST_SECONDS``.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress

import msgspec

from cds_service.replay.impact import Impact

LONGEST_SECONDS = 600


class Contents(msgspec.Struct, frozen=True):
    """What is compared: the folders ``released`` and ``preview``, both under the overlay in the file ``site``.

    ``fixtures`` is the folder of the scenarios of ``released``; those of ``preview`` are taken too.
    ``zone`` is the name of the hospital's time zone, ``beside`` are the folders of the packs that are served beside.
    """

    released: str
    preview: str
    site: str | None
    fixtures: str
    zone: str
    beside: list[str] = []


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How far a comparison is: ``done`` of ``of`` scenarios of what ``doing`` says."""

    doing: str
    done: int = 0
    of: int = 0


class Compared(msgspec.Struct, frozen=True, tag=True):
    """What came of a comparison.

    ``problems`` are those that stand in the way of a release, as ``check`` says them. ``impact`` is ``None`` where one
    of the contents cannot be used; ``failure`` says what else went wrong.
    """

    problems: tuple[str, ...] = ()
    impact: Impact | None = None
    failure: str = ""


_line = msgspec.json.Decoder(Progress | Compared)


class Comparison:
    """One comparison, under way from when it is made. ``about`` is whatever tells what it is of.

    ``progress`` is what was said last, and ``outcome`` is ``None`` until there is one. ``began`` is a reading of
    ``time.monotonic``, and ``seconds`` how long it took.
    """

    def __init__(self, contents: Contents, about: object) -> None:
        self.about = about
        self.began = time.monotonic()
        self.seconds = 0.0
        self.progress = Progress("Reading both contents")
        self.outcome: Compared | None = None
        threading.Thread(target=self._follow, args=[contents], name="comparison", daemon=True).start()

    def _follow(self, contents: Contents) -> None:
        try:
            outcome = self._outcome_of(contents)
        except (OSError, msgspec.MsgspecError) as error:
            outcome = Compared(failure=f"It could not be carried out: {type(error).__name__}.")
        self.seconds = time.monotonic() - self.began
        self.outcome = outcome

    def _outcome_of(self, contents: Contents) -> Compared:
        """Starts the child and reads what it says, until it ends."""
        command = [sys.executable, "-m", "cds_service.console.comparing"]
        outcome = None
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None and child.stdout is not None  # noqa: S101  (they are pipes)
            end = threading.Timer(LONGEST_SECONDS, child.kill)
            end.daemon = True
            end.start()
            try:
                with suppress(BrokenPipeError):  # a child that ended before it was asked: its status says more
                    child.stdin.write(msgspec.json.encode(contents))
                    child.stdin.close()
                for line in child.stdout:
                    told = _line.decode(line)
                    if isinstance(told, Progress):
                        self.progress = told
                    else:
                        outcome = told
            finally:
                end.cancel()
        return outcome or Compared(failure=f"Its process ended with status {child.returncode} and said nothing.")
