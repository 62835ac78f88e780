"""How the web server is set.

It imports nothing of this software: benchmarks serve what they compare with by the same settings, and should start
with nothing else of it.
"""

from __future__ import annotations

from typing import Any

# A worker that is told to stop while it starts may miss that: it is killed after so many seconds.
_STOP_SECONDS = 10
# The headers of a call, its token among them, take a few kilobytes; who sends them slowly or without end is dropped.
_HEADER_MILLISECONDS = 10_000
_HEADER_BYTES = 65_536


def granian_settings(host: str, port: int, workers: int) -> dict[str, Any]:
    """The settings of Granian for what listens at ``host`` and ``port`` with so many worker processes."""
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings

    return {
        "address": host,
        "port": port,
        "workers": workers,
        "interface": Interfaces.RSGI,
        # uvloop where there is one: a call goes to a thread and back for a third of what asyncio takes for that.
        "loop": Loops.auto,
        "websockets": False,
        "log_access": False,
        "log_level": "warning",
        "workers_kill_timeout": _STOP_SECONDS,
        "respawn_failed_workers": True,  # one that was killed, perhaps for want of memory, is replaced at once
        "http": HTTPModes.http1,  # to tell HTTP/1 from HTTP/2, Granian would wait without end for a silent client
        "http1_settings": HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS, max_buffer_size=_HEADER_BYTES),
    }
