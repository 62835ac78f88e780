"""The request path under a fuzzer that seeks new branches (atheris, libFuzzer); ``fuzzing.py`` runs it as a process.

Usage: coverage_guided.py RUNS SECONDS SEED FOLDER. Writes ``FOLDER/found``, a line of JSON for each find, and
``FOLDER/runs``, how many cases were tried.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["cds_service"]):
    from tests.load.fuzz import holding, targets

from tests.support.finds import place_of

_STRUCTURED = (holding.any_request, targets.drafts, targets.feedback)
_EVERY = 200  # runs between two notes of their number


class FromBytes(Random):
    """Choices made by the fuzzer's bytes."""

    def __init__(self, data: bytes) -> None:
        self._left = atheris.FuzzedDataProvider(data)
        super().__init__(0)

    def seed(self, *_: object) -> None:
        """Nothing to begin with but the bytes."""

    def getrandbits(self, bits: int) -> int:
        return int(self._left.ConsumeUInt((bits + 7) // 8)) & (1 << bits) - 1

    def random(self) -> float:
        return float(self._left.ConsumeProbability())


def main() -> None:
    runs, seconds, seed, folder = sys.argv[1:]
    out = Path(folder)
    services = sorted({service.id: service for service, _ in holding.requests()}.items())
    known: set[str] = set()
    count = 0

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        if count % _EVERY == 0:
            (out / "runs").write_text(str(count))
        if not data:
            return
        kind, rest = data[0] % (len(_STRUCTURED) + len(services)), data[1:]
        try:
            if kind < len(_STRUCTURED):
                _STRUCTURED[kind](FromBytes(rest))
            else:
                holding.answered_well(services[kind - len(_STRUCTURED)][1], rest)
        except Exception as error:
            place = place_of(error)
            if place not in known:
                known.add(place)
                with (out / "found").open("a") as found:
                    found.write(
                        json.dumps({"place": place, "said": str(error)[:300], "data": data[:4000].hex()}) + "\n"
                    )

    corpus = out / "corpus"
    corpus.mkdir()
    for number, (service, body) in enumerate(holding.requests()[::40]):
        index = [name for name, _ in services].index(service.id) + len(_STRUCTURED)
        (corpus / str(number)).write_bytes(bytes([index]) + body)
    options = [f"-runs={runs}", f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=65536", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", "-print_final_stats=0", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
