"""The table of ``make bench``: what a call costs, as a ratio to a bare Flask echo measured in the same rounds.

``python -m tests.load.bench.table [--rounds N] [--seconds S] [--keep]``; needs Linux and wrk. CPU time is the
server's own (user and system of its process tree), which holds on shared machines; throughput is the clock's and
drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.bodies import SERVICE, bodies, without_prefetch
from tests.support.loaded import Server, floor, service
from tests.support.measured import leave
from tests.support.node_fhir_server import fhir_server
from tests.support.npm import UnavailableError

WORKERS = 2
PATH = f"/cds-services/{SERVICE}"
ISSUER = BASE = "https://bench.example.org"
# What the ratios are held against: CPU at most.
GOALS: dict[str, float | None] = {
    "irrelevant 8 KB": None,
    "irrelevant 80 KB": 0.4,
    "relevant 8 KB": 1.2,
    "relevant 80 KB": 0.85,
    "relevant 2.4 MB": 0.4,
    "relevant 80 KB, JWT seen before": 1.0,
    "relevant 80 KB, new ES384 JWT": 2.0,
    "relevant, no prefetch": None,
}
_CONNECTIONS = 8
_ALONE = "relevant, no prefetch"  # on one connection, or the FHIR server's time would be measured, which has one thread
_TOKENS_A_SECOND = 1000
_LARGE_BYTES = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1, help="of load for each row, server and round")
    parser.add_argument("--keep", action="store_true", help="leave every figure in build/measured")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("make bench needs wrk (Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        found = measure(Path(folder), stack, asked.rounds, asked.seconds)
    if asked.keep:
        leave("bench", found)
    tell(found)


def measure(folder: Path, stack: ExitStack, rounds: int, seconds: int) -> dict[str, Any]:
    """Every figure: rows with medians over rounds, start-up and memory."""
    key = ECKey.generate_key("P-384", {"kid": "bench"})
    files = {}
    for name, body in bodies().items():
        files[name] = folder / f"{name}.json"
        files[name].write_bytes(body)
    (folder / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    client = f'base-urls = ["{BASE}"]\n[clients.bench]\nissuer = "{ISSUER}"\njwks-file = "keys.json"\n'
    (folder / "clients.toml").write_text(client)
    clients = {"CDS_SERVICE_CLIENTS": str(folder / "clients.toml")}

    def store(name: str) -> dict[str, str]:
        return {"CDS_SERVICE_STORE": f"sqlite:///{folder / name}.sqlite3"}

    echo = stack.enter_context(floor("echo", WORKERS))
    raw = stack.enter_context(floor("raw", WORKERS))
    served = stack.enter_context(service(WORKERS, store("open")))
    reuse = stack.enter_context(service(WORKERS, store("reuse") | clients | {"CDS_SERVICE_REPLAY_PROTECTION": "false"}))
    once = stack.enter_context(service(WORKERS, store("once") | clients))
    seen = folder / "seen.txt"
    fresh = folder / "fresh.txt"
    seen.write_text(token(key))

    rows: list[tuple[str, Path, Server, Path | None]] = [(n, path, served, None) for n, path in files.items()]
    rows += [
        ("relevant 80 KB, JWT seen before", files["relevant 80 KB"], reuse, seen),
        ("relevant 80 KB, new ES384 JWT", files["relevant 80 KB"], once, fresh),
    ]
    try:
        base = f"{stack.enter_context(fhir_server())}/bench/fhir"
        files[_ALONE] = folder / "without-prefetch.json"
        files[_ALONE].write_bytes(without_prefetch(base))
        rows.append((_ALONE, files[_ALONE], stack.enter_context(service(WORKERS, store("fetch"))), None))
    except UnavailableError as error:
        print(f"the row {_ALONE!r} is left out: {error}", file=sys.stderr)
    measured: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    before = served.memory()
    for number in range(-1, rounds):  # the first one warms up
        for name, body, server, tokens in rows:
            if tokens is fresh:
                wanted = int(_TOKENS_A_SECOND * seconds)
                fresh.write_text("\n".join(token(key) for _ in range(wanted)))
            turns = {"service": server, "echo": echo, "raw": raw}
            names = list(turns)
            for turn in range(len(names)):
                who = names[(turn + number) % len(names)]
                with_tokens = tokens if who == "service" else None
                connections = 1 if name == _ALONE else _CONNECTIONS
                one = load(turns[who], body, connections, seconds if number >= 0 else 1, with_tokens)
                if number >= 0:
                    measured[name][who].append(one)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    wide = {
        who: load(one, files["relevant 80 KB"], 64, seconds, None) for who, one in (("service", served), ("echo", echo))
    }
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": measured,
        "64 connections": wide,
        "too late": sum(too_late(server) for name, _, server, _ in rows if name == _ALONE),
        "memory": {"before": before, "after": served.memory()},
        "ready": {"service": served.ready_after, "echo": echo.ready_after},
        "sizes": {name: path.stat().st_size for name, path in files.items()},
    }


def load(server: Server, body: Path, connections: int, seconds: int, tokens: Path | None) -> dict[str, Any]:
    """One round on one server.

    Raises:
        RuntimeError: a call was not answered as it should be.
    """
    if body.stat().st_size > _LARGE_BYTES:
        seconds *= 2  # or too few calls end within it
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(Path(__file__).parent / "post.lua"),
    ]
    command += [server.url + PATH, "--", str(body), *([str(tokens)] if tokens else [])]
    began = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    cpu = server.cpu() - began
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if told["failed"] or not told["requests"]:
        raise RuntimeError(f"{body.stem}: {told['failed']} calls failed of {told['requests']}")
    return told | {"cpu_ms": cpu / told["requests"] * 1e3, "per_second": told["requests"] / told["seconds"]}


def too_late(server: Server) -> int:
    """How many searches at FHIR servers did not end within the budget: their answers were cut short."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:  # noqa: S310
        text = answer.read().decode()
    found = re.search(r'^cds_service_fhir_searches_total\{outcome="fetchTooLate"\} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def token(key: ECKey) -> str:
    """A token that was never used."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": BASE + PATH, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}
    return jwt.encode({"alg": "ES384", "typ": "JWT", "kid": "bench"}, claims, key, algorithms=["ES384"])


def tell(found: dict[str, Any]) -> None:
    """The table, as Markdown."""
    print(f"{found['machine']}; {WORKERS} workers; medians of interleaved rounds; {_CONNECTIONS} connections, but one")
    print(f"for {_ALONE!r}, whose p50 and p99 hold the time of a FHIR server on the same machine\n")
    print("| body | CPU a call | CPU against echo | goal | raw against echo | calls a second against echo | p50, p99 |")
    print("|---|---|---|---|---|---|---|")
    for name, by_server in found["rows"].items():
        mine, echo, raw = (by_server[who] for who in ("service", "echo", "raw"))

        def ratio(figure: str, one: list[Any], other: list[Any]) -> float:
            return statistics.median(a[figure] / b[figure] for a, b in zip(one, other, strict=True))

        p50, p99 = (statistics.median(one[p] for one in mine) for p in ("p50", "p99"))
        print(
            f"| {name} | {statistics.median(one['cpu_ms'] for one in mine):.2f} ms "
            f"| {ratio('cpu_ms', mine, echo):.2f} | {GOALS[name] or '-'} | {ratio('cpu_ms', raw, echo):.2f} "
            f"| {ratio('per_second', mine, echo):.2f} | {p50:.1f}, {p99:.1f} ms |"
        )
    worst, floors = [
        max(o[p] for o in found["rows"]["relevant 80 KB"][w]) for w, p in (("service", "max"), ("echo", "p999"))
    ]
    wide = found["64 connections"]
    print(f"\nsearches at the FHIR server that came too late, in all rounds: {found['too late']}")
    print(f"80 KB, slowest call of all rounds {worst:.0f} ms; echo's p99.9 {floors:.0f} ms")
    for who in ("service", "echo"):
        print(f"64 connections, {who}: p50 {wide[who]['p50']:.1f} ms, p99 {wide[who]['p99']:.1f} ms")
    memory = found["memory"]
    print(f"memory of a worker: {max(memory['before']):.0f} MB before the load, {max(memory['after']):.0f} MB after")
    print(f"from start to first answer: {found['ready']['service']:.2f} s (echo: {found['ready']['echo']:.2f} s)")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
