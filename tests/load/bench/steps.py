"""Time of each step of the way of a request: ``python -m tests.load.bench.steps FOLDER [CALLS]`` prints it as JSON.

Each step is called so many times in a loop, in one process whose store is in FOLDER. That flatters all of them, but
shows where the time goes.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.content.prepared import Prepared
from cds_service.judge.call import HookCall
from cds_service.judge.cards import cards_of
from cds_service.judge.evaluate import evaluate
from cds_service.judge.orders import judge
from cds_service.judge.relevance import bystanders, draft_nodes, relevant_orders
from cds_service.protocol.envelope import decode_request
from cds_service.service.app import create_app
from cds_service.service.logs import start_log
from cds_service.settings import Settings
from tests.load.bench.goals import EVALUATE, RELEVANT, RELEVANT_SMALL, WHOLE
from tests.load.bench.wsgi_calls import caller
from tests.support.bodies import SERVICE, bodies
from tests.support.shipped import shipped_pack

_WARM, _CALLS = 50, 400


def measure(folder: Path, calls: int) -> dict[str, dict[str, float]]:
    """Microseconds of CPU time of each step by its name, for the body of each name; the median of so many calls."""
    settings = Settings(loopback=True, store=f"sqlite:///{folder / 'steps.sqlite3'}")
    call = caller(create_app(settings, start_log(settings, lambda: None)), f"/cds-services/{SERVICE}")
    found: dict[str, dict[str, float]] = {}
    sent = bodies()
    gc.disable()  # as in a worker, which hardly ever looks for cycles
    for name in (RELEVANT_SMALL.name, RELEVANT.name):
        raw = sent[name]
        for step, do in (steps(raw) | {WHOLE: lambda raw=raw: call(raw)}).items():
            found.setdefault(step, {})[name] = _microseconds(do, calls)
    return found


def steps(raw: bytes) -> dict[str, Callable[[], object]]:
    """What does each step for a body again, and all of them as ``evaluate`` does."""
    prepared = Prepared.of(shipped_pack(), zone=ZoneInfo("UTC"), key=b"of the bench")
    pack, now = prepared.pack, datetime.now(UTC)
    service = pack.services[SERVICE]
    request = decode_request(raw, service.hook, pack.relevant)
    orders, drafts = relevant_orders(pack, request), draft_nodes(request)
    idle = bystanders(pack, drafts)

    def read():
        chart = Chart(request.patient_id, request.prefetch, now, prepared.zone)
        facts = patient_facts(pack.facts, chart)
        for name in facts:
            assert facts[name]
        return chart, facts

    chart, facts = read()
    judged = judge(pack, service, chart, facts, drafts, orders, idle)
    call = HookCall(prepared, service, request, chart, facts, drafts, judged, idle=idle)
    return {
        "request checked and decoded": lambda: draft_nodes(decode_request(raw, service.hook, pack.relevant)),
        "relevant orders found": lambda: relevant_orders(pack, request),
        "facts read from the chart": read,
        "decided, with facts of the order": lambda: judge(pack, service, chart, facts, drafts, orders, idle),
        "cards rendered": lambda: cards_of(call, []),
        EVALUATE: lambda: evaluate(prepared, service, raw, now),
    }


def _microseconds(do: Callable[[], object], calls: int) -> float:
    for _ in range(_WARM):
        do()
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        do()
        times.append(time.thread_time_ns() - began)
    return statistics.median(times) / 1000


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else _CALLS)))
