"""Processes that another one has started, and what becomes of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_SECONDS, _PAUSE = 60, 0.05


def workers_of(parent: int) -> list[int]:
    """The processes that a process has started to work for it."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                is_child = f"PPid:\t{parent}\n" in (place / "status").read_text()
                if is_child and b"spawn_main" in (place / "cmdline").read_bytes():
                    found.append(int(place.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there, and is not only waiting to be taken notice of."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(look: Callable[[], _T], is_there: Callable[[_T], bool]) -> _T:
    """What ``look`` finds, once it is as it should be.

    Raises:
        AssertionError: it is not after a minute.
    """
    ends = time.monotonic() + _SECONDS
    while not is_there(found := look()):
        assert time.monotonic() < ends, f"found {found}"
        time.sleep(_PAUSE)
    return found
