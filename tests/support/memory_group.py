"""A memory cgroup of our own, as a container or a unit has: what is in it is killed when it takes more than it may."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """At most ``limit`` bytes for all processes in it; Linux' first version of cgroups or its second."""

    def __init__(self, limit: int) -> None:
        self._is_first = (_ROOT / "memory").is_dir()
        self.folder = _ROOT / ("memory" if self._is_first else "") / f"cds-service-{os.getpid()}"
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if self._is_first else "memory.max")).write_text(str(limit))
        if not self._is_first:
            (self.folder / "memory.swap.max").write_text("0")

    @staticmethod
    def can_be_made() -> bool:
        """Whether this user may make one here."""
        try:
            MemoryGroup(1 << 30).remove()
        except OSError:
            return False
        return True

    def command(self, *command: str) -> tuple[str, ...]:
        """Arguments for Python that enter the group and then run Python with these arguments."""
        script = (
            "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.executable, sys.argv[2:])"
        )
        return ("-c", script, str(self.folder / "cgroup.procs"), sys.executable, *command)

    def most(self) -> int:
        """The most bytes that were taken so far."""
        name = "memory.max_usage_in_bytes" if self._is_first else "memory.peak"
        return int((self.folder / name).read_text())

    def kills(self) -> int:
        """How many processes in it were killed for want of memory."""
        name = "memory.oom_control" if self._is_first else "memory.events"
        told = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(told["oom_kill"])

    def remove(self) -> None:
        """It is gone, once nothing is in it any more."""
        with contextlib.suppress(FileNotFoundError):
            self.folder.rmdir()
