"""Hostile calls fired at the service in process, with what they cost beside a call that is right; then the attacks of
``resources`` on a served one.

``make hostile`` fires ten thousand: ``python -m tests.load.hostile.hostile [CALLS] [SEED]``. With as many the attacks
end with 3,600 right calls, one for each second of an hour, under a gigabyte of memory; with fewer than 10,000 without.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from flask.testing import FlaskClient
from joserfc.jwk import ECKey, OKPKey, RSAKey

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.trust.clients import ALGORITHMS
from tests.load.hostile import families, resources
from tests.outside.trust.test_hostile_tokens import HOSTILE
from tests.support.finds import table
from tests.support.keys import KEY
from tests.support.measured import leave, without_keep
from tests.support.trust_parts import BASE, ISSUER, Maker, public

_SCENARIO = "platelets-and-im/sample"


@dataclass
class Family:
    """What became of the calls of one family. ``seconds`` is processor time of all of them."""

    name: str
    calls: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A whole run; ``normal`` is the processor time of one call that is right, in seconds."""

    normal: float
    families: list[Family]

    def dear(self) -> list[str]:
        """Families whose calls cost more on average than one that is right."""
        return [one.name for one in self.families if one.calls and one.seconds / one.calls >= self.normal]

    def figures(self) -> dict[str, Any]:
        """All of it, for JSON."""
        families = [asdict(one) | {"statuses": dict(one.statuses)} for one in self.families]
        return {"seconds of a right call": self.normal, "families": families}

    def text(self) -> str:
        rows: list[Sequence[object]] = []
        for one in self.families:
            mean = one.seconds / one.calls
            statuses = ", ".join(f"{status}: {times}" for status, times in sorted(one.statuses.items()))
            rows.append(
                (one.name, one.calls, f"{mean * 1e3:.2f}", f"{mean / self.normal:.2f}", len(one.unexplained), statuses)
            )
        head = ("family", "calls", "CPU ms", "of a right call", "unexplained", "statuses")
        total = sum(one.calls for one in self.families)
        right = f"{total} calls; a right call, with its card, costs {self.normal * 1e3:.2f} ms of processor time"
        return f"{table(head, rows)}\n{right}"


class Visits:
    """Every name looked up and every address connected to by this process, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
            self.seen.append(f"{event} {arguments[1] if event == 'socket.connect' else arguments[0]}")


def right_call() -> Mapping[str, Any]:
    """A call that is answered with a card today."""
    pack = load_pack(packaged("cards"))
    scenario = next(one for one in read_scenarios(packaged("fixtures")) if one.name == _SCENARIO)
    service = pack.service_for(scenario.hook)
    return scenario.request(templates_of(pack, service), datetime.now(UTC))


def services(folder: Path) -> tuple[FlaskClient, FlaskClient, list[str]]:
    """An open service, one with a client, and tokens that it must not take."""
    keys: dict[str, Any] = {}
    rsa = RSAKey.generate_key(2048)
    for name in ALGORITHMS:
        if name.startswith("ES"):
            curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[name]
            keys[name] = ECKey.generate_key(curve, {"kid": f"key-{name}"})
        elif name.startswith("Ed"):
            keys[name] = OKPKey.generate_key("Ed25519", {"kid": f"key-{name}"})
        else:
            keys[name] = RSAKey.import_key(rsa.as_dict(private=True) | {"kid": f"key-{name}"})
    (folder / "keys.json").write_text(json.dumps({"keys": [public(key) for key in keys.values()]}))
    clients = folder / "clients.toml"
    clients.write_text(f'base-urls = ["{BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-file = "keys.json"\n')
    common: dict[str, Any] = {"key": KEY, "accept_unreviewed_content": True, "max_body_bytes": families.MAX_BODY}
    servers = ("https://ehr.example/fhir",)
    at_large = create_app(
        Settings(insecure=True, fhir_servers=servers, store=f"sqlite:///{folder}/open.sqlite3", **common)
    )
    guarded = create_app(Settings(clients=clients, store=f"sqlite:///{folder}/guarded.sqlite3", **common))
    maker = Maker(keys)
    tokens = [made(maker) for made in HOSTILE.values()]
    return at_large.test_client(), guarded.test_client(), [token for token in tokens if "\n" not in token]


def fire(calls: int, seed: int, visits: Visits) -> Run:
    """So many calls, evenly of each family. Bodies are made before the clock runs."""
    with tempfile.TemporaryDirectory() as folder:
        at_large, guarded, tokens = services(Path(folder))
        good = right_call()
        body = json.dumps(good).encode()

        def cost(client: FlaskClient, call: families.HostileCall) -> tuple[int, float, bytes, str]:
            headers = {"Content-Type": "application/json"} | dict(call.headers)
            began = time.process_time()
            answer = client.open(call.path, method=call.method, data=call.body, headers=headers)
            seconds = time.process_time() - began
            return answer.status_code, seconds, answer.data, answer.headers.get("Content-Type", "")

        right = families.HostileCall(body)
        assert json.loads(cost(at_large, right)[2])["cards"], "the right call gets its card"
        normal, rounds = 0.0, 0
        made = families.families(good, tokens)
        told = [Family(name) for name in made]
        random = Random(seed)  # noqa: S311
        for number in range(calls):
            one = told[number % len(told)]
            call = made[one.name](random)
            visits.seen.clear()
            visits.on = True  # watching costs time of its own, so the call is watched first and timed when sent again
            cost(guarded if call.guarded else at_large, call)
            visits.on = False
            status, seconds, said, kind = cost(guarded if call.guarded else at_large, call)
            if number % len(told) == 0:  # a right call in each round, with caches as cold as the others find them
                normal += cost(at_large, right)[1]
                rounds += 1
            one.calls += 1
            one.seconds += seconds
            one.statuses[status] += 1
            what = f"{call.method} {call.path[:80]} {dict(call.headers)} {call.body[:200]!r}"[:400]
            if status not in call.allowed:
                one.unexplained.append(f"{status} for {what}")
            elif visits.seen:
                one.unexplained.append(f"went out ({visits.seen[0]}) for {what}")
            elif status >= 400 and "json" in kind and json.loads(said)["resourceType"] != "OperationOutcome":
                one.unexplained.append(f"no OperationOutcome for {what}")
        return Run(normal / rounds, told)


def main() -> None:
    arguments, is_kept = without_keep(sys.argv[1:])
    calls = int(arguments[0]) if arguments else 10_000
    run = fire(calls, int(arguments[1]) if len(arguments) > 1 else 1, Visits())
    print(run.text())
    for one in run.families:
        for problem in one.unexplained[:5]:
            print(f"{one.name}: {problem}")
    dear = run.dear()
    if dear:
        print(f"dearer than a right call: {', '.join(dear)}")
    right = 3_600 if calls >= 10_000 else 0
    on_resources = resources.run(right_call(), max(20, calls // 25), right, seed=2)
    print(on_resources.text())
    for problem in on_resources.problems():
        print(problem)
    if is_kept:
        leave("hostile", run.figures() | {"on resources": on_resources.figures()})
    sys.exit(1 if dear or any(one.unexplained for one in run.families) or on_resources.problems() else 0)


if __name__ == "__main__":
    main()
