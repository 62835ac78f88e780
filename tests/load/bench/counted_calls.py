"""So many calls of one kind in a process, to be counted by cachegrind: ``counted_calls.py WHAT FILE CALLS``.

WHAT is ``evaluate``, the pure function alone, or ``call``, a whole call of the WSGI application with its line of the
log. FILE holds the body; the store is made beside it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from tests.support.keys import KEY

_SERVICE = "vitamin-b12-order-select"


def evaluated() -> Callable[[bytes], object]:
    prepared = Prepared.of(load_pack(packaged("cards")), zone=ZoneInfo("UTC"), key=KEY.encode())
    service = prepared.pack.services[_SERVICE]
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)  # the bodies are of today
    return lambda body: evaluate(prepared, service, body, now)


def called(folder: Path) -> Callable[[bytes], object]:
    # Imported here, for under cachegrind it takes long.
    from cds_service.service.app import create_app
    from cds_service.service.logs import start_log
    from cds_service.settings import Settings
    from tests.load.bench.wsgi_calls import caller

    settings = Settings(loopback=True, key=KEY, store=f"sqlite:///{folder}/store-{os.getpid()}.sqlite3")
    return caller(create_app(settings, start_log(settings, lambda: None)), f"/cds-services/{_SERVICE}")


def main(what: str, file: Path, calls: int) -> None:
    one = evaluated() if what == "evaluate" else called(file.parent)
    body = file.read_bytes()
    gc.collect()
    gc.disable()  # as in a worker, which hardly ever looks for cycles
    for _ in range(calls):
        one(body)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
