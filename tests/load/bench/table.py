"""What a call costs, as ratios to floors measured in the same rounds: ``make bench``.

``python -m tests.load.bench.table [--rounds N] [--seconds S] [--peer NAME] [--only WORDS] [--keep]``; needs Linux, wrk
for the rows under load, and valgrind for instructions. What cannot be measured is left out with its reason. CPU time is
the server's own (user and system of its process tree), which holds on shared machines; throughput is the clock's and
drifts.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.load.bench import by_themselves, page
from tests.load.bench.instructions import NotCountedError, compared, count, kept_counts
from tests.load.bench.peers import PEERS
from tests.load.bench.turns import measured_in_turns
from tests.load.bench.under_load import LoadedRows
from tests.support.measured import leave

WORKERS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of load for each row, server and round")
    parser.add_argument("--peer", choices=PEERS, action="append", default=[], help="another server to measure as well")
    parser.add_argument("--only", default="", help="only rows with these words in their name; nothing is left of them")
    parser.add_argument("--keep", action="store_true", help="leave every figure in build/measured")
    asked = parser.parse_args()
    found = measure(asked.rounds, asked.seconds, asked.peer, asked.only)
    print(page.bench(found))
    if asked.only:
        return
    if asked.keep:
        leave("bench", found)
    try:
        counts = count()
    except NotCountedError as error:
        print(f"\ninstructions are left out: {error}")
        return
    print(f"\n{compared(kept_counts(), counts)}")
    if asked.keep:
        leave("instructions", {"instructions": counts})


def measure(rounds: int, seconds: int, peers: list[str], only: str) -> dict[str, Any]:
    """The figures of each row and round, the memory of workers, and the rows that are left out with their reasons."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        loaded = LoadedRows(folder, stack, WORKERS, seconds)
        rows = loaded.makers() | by_themselves.rows(folder, WORKERS)
        for peer in peers:
            rows |= PEERS[peer](folder, WORKERS, loaded)
        wanted = {row: make for row, make in rows.items() if only in row.name}
        found, left_out = measured_in_turns(wanted, rounds)
        loaded.note_memory()
        return {"rows": found, "left out": left_out, "memory": loaded.memory}


if __name__ == "__main__":
    main()
